"""A measurement as it is shown: its badges and title; and those that come with the program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui.format import MEASURED, plain
from vocabtrim_core.serving import latency_probe
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.latency_probe import Probe
from vocabtrim_core.serving.measurement import Measurement

STUDY = Path(__file__).resolve().parents[3] / "benchmarks" / "results" / "gpu_study.json"
IMPORTED = ":gray-badge[imported]"


@dataclass(frozen=True, slots=True)
class ShownMeasurement:
    """A measurement, and whether it came with the program rather than from this workspace."""

    measurement: Measurement
    committed: bool = False

    @property
    def badges(self) -> tuple[str, ...]:
        """What kind of number it is."""
        kind = MEASURED
        if self.committed:
            kind = here(self.measurement.device)
        return (
            kind,
            *([IMPORTED] if self.measurement.origin == "imported" else []),
        )

    @property
    def title(self) -> str:
        """One line in a list."""
        measured = self.measurement
        labels = [c.label for c in measured.configurations]
        sizes = ", ".join(labels[:4]) + (", …" if len(labels) > 4 else "")
        parts = [
            measured.prompts,
            measured.target,
            sizes,
            measured.engine.split(",")[0],
            measured.created[:16].replace("T", " "),
        ]
        return " · ".join(filter(None, parts))


def here(device: str) -> str:
    """The badge of what came with the program: 'NVIDIA H200' -> 'measured here, H200'.

    Args:
        device: name of a device.
    """
    return f":green-badge[measured here, {plain(device.removeprefix('NVIDIA '))}]"


@st.cache_data(show_spinner=False)
def _study(stamp: tuple[int, int]) -> tuple[list[Measurement], list[Probe]]:
    """What the GPU study holds, for its file in this state; nothing that a CPU made."""
    value = json.loads(STUDY.read_text("utf-8"))
    measured = [measurements.decode(_bytes(raw), STUDY.name) for raw in value["measurements"]]
    probes = [latency_probe.decode(_bytes(raw), STUDY.name) for raw in [value["probe"]] if raw]
    return [m for m in measured if on_gpu(m.device)], [p for p in probes if on_gpu(p.device)]


def _bytes(value: object) -> bytes:
    return json.dumps(value).encode()


def on_gpu(device: str) -> bool:
    """Whether a device is a GPU, by the name that torch gives it.

    Args:
        device: name of a device.
    """
    return device.startswith("NVIDIA ")


def committed() -> tuple[list[Measurement], list[Probe]]:
    """Measurements and latency probes of benchmarks/gpu_study.py, once it ran on a GPU."""
    if not STUDY.is_file():
        return [], []
    stat = STUDY.stat()
    return _study((stat.st_mtime_ns, stat.st_size))
