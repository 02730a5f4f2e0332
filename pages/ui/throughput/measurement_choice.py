"""The measurements there are: which are in view, where they come from, how to take them along."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui import jobpanel
from pages.ui.format import MEASURED, code_span, plain
from pages.ui.session import session
from pages.ui.widgets import persisted
from vocabtrim_core.exports import zip_bytes
from vocabtrim_core.serving import latency_probe
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.latency_probe import Probe
from vocabtrim_core.serving.measurement import Measurement

STUDY = Path(__file__).resolve().parents[3] / "benchmarks" / "results" / "gpu_study.json"
TOY = ":orange-badge[toy target]"
IMPORTED = ":gray-badge[imported]"
BENCH = " bench "  # in the command of what can be measured again
MOST = 8  # measurements in view at once


@dataclass(frozen=True, slots=True)
class ShownMeasurement:
    """A measurement, and whether it came with the program rather than from this workspace."""

    measurement: Measurement
    committed: bool = False

    @property
    def badges(self) -> tuple[str, ...]:
        """What kind of number it is; a toy never goes without saying so."""
        kind = MEASURED
        if self.committed:
            kind = here(self.measurement.device)
        return (
            kind,
            *([IMPORTED] if self.measurement.origin == "imported" else []),
            *([TOY] if self.measurement.toy else []),
        )

    @property
    def title(self) -> str:
        """One line in a list."""
        measured = self.measurement
        labels = [c.label for c in measured.configurations]
        sizes = ", ".join(labels[:4]) + (", …" if len(labels) > 4 else "")
        parts = [
            measured.prompts,
            "toy target" if measured.toy else measured.target,
            sizes,
            measured.engine.split(",")[0],
            measured.created[:16].replace("T", " "),
        ]
        return " · ".join(filter(None, parts))


def here(device: str) -> str:
    """The badge of what came with the program: 'NVIDIA H200' -> 'measured here, H200'."""
    return f":green-badge[measured here, {plain(device.removeprefix('NVIDIA '))}]"


def available() -> list[ShownMeasurement]:
    """The workspace's, newest first, then what was measured on a GPU and came along.

    Those of one configuration, such as a search's trials, compare nothing and stand behind others.
    """
    stored = sorted(measurements.stored(), key=lambda measured: len(measured.configurations) == 1)
    own = [ShownMeasurement(measured) for measured in stored]
    return [*own, *(ShownMeasurement(measured, committed=True) for measured in committed()[0])]


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
    """Whether a device is a GPU, by the name that torch gives it."""
    return device.startswith("NVIDIA ")


def committed() -> tuple[list[Measurement], list[Probe]]:
    """Measurements and latency probes of benchmarks/gpu_study.py, once it ran on a GPU."""
    if not STUDY.is_file():
        return [], []
    stat = STUDY.stat()
    return _study((stat.st_mtime_ns, stat.st_size))


def choose() -> list[ShownMeasurement]:
    """Draw the choice of the measurements in view; the newest one is, until others are chosen."""
    by_key = {item.measurement.key: item for item in available()}
    if not by_key:
        return []
    _take_up_new(list(by_key))
    chosen, source = st.columns([5.6, 2.3], vertical_alignment="bottom", gap="small")
    keys = chosen.multiselect(
        "Measurements in view",
        list(by_key),
        **persisted("measured"),
        format_func=lambda key: by_key[key].title,
        max_selections=MOST,
    )
    st.query_params["measured"] = ",".join(keys)
    in_view = [by_key[key] for key in keys]
    with source:
        provenance(in_view)
    return in_view


def _take_up_new(keys: list[str]) -> None:
    """Before the widget: a link's measurements at the first look, then every one that is new."""
    known = session.measured_known
    session.measured_known = keys
    before = session.measured
    if known is None and before is None:
        before = st.query_params.get("measured", "").split(",")
    fresh = [key for key in keys if known is not None and key not in known]
    still_there = [key for key in before or () if key in keys]
    wanted = fresh[:1] or still_there[:MOST] or keys[:1]
    if wanted != session.measured:
        session.measured = wanted


# --- where they come from -----------------------------------------------------------------------


def provenance(in_view: Sequence[ShownMeasurement]) -> None:
    """Engine, versions, settings and command of what is in view; download and removal."""
    with st.popover(
        "Source",
        icon=":material/fingerprint:",
        key="measured_source",
        width="stretch",
        help="Provenance, download",
    ):
        for item in in_view:
            st.markdown(f"**{plain(item.title)}** {' '.join(item.badges)}")
            st.markdown("\n".join(f"- **{name}**: {value}" for name, value in facts(item)))
            if not item.committed:
                _actions(item.measurement)
        if in_view:
            take_along([item.measurement for item in in_view])


def _actions(measurement: Measurement) -> None:
    key = measurement.key
    with st.container(horizontal=True, gap="small"):
        if measurement.origin == "measured" and BENCH in measurement.command:
            st.button(
                "Measure again",
                key=f"replay_{key}",
                icon=":material/replay:",
                help="Runs its command once more; the new measurement stands beside it.",
                on_click=jobpanel.begin,
                args=(["measurements", "replay", key], f"{measurement.prompts} once more"),
            )
        st.button(
            "Remove",
            key=f"drop_{key}",
            type="tertiary",
            icon=":material/delete:",
            on_click=measurements.remove,
            args=(key,),
        )


def facts(shown: ShownMeasurement) -> list[tuple[str, str]]:
    """Name and value, in Markdown, of everything recorded with a measurement."""
    measured = shown.measurement
    rows = {
        "Engine": measured.engine,
        "Device": measured.device or "not recorded",
        "Target": measured.target,
        "Target vocabulary": f"V = {measured.vocab_size:,}"
        if measured.vocab_size
        else "not recorded",
        "Prompts": f"{measured.prompts} (sha256 {measured.prompts_key[:12] or 'not recorded'})",
        "Settings": ", ".join(f"{name} {value}" for name, value in measured.settings.items()),
        "Versions": ", ".join(f"{name} {value}" for name, value in measured.versions.items()),
        "Measured": measured.created,
    }
    recorded = [(name, plain(str(value))) for name, value in rows.items() if value]
    command = [("Command", code_span(measured.command))] if measured.command else []
    return [*recorded, *command, ("Key", measured.key)]


def commands(in_view: Sequence[ShownMeasurement]) -> list[list[str]]:
    """What does with the measurements in view in a shell what this page does."""
    keys = [item.measurement.key for item in in_view if not item.committed]
    return [["measurements", action, key] for key in keys[:1] for action in ("show", "replay")]


def take_along(measured: Sequence[Measurement]) -> None:
    """CSV, SVG and JSON of what is in view, as one zip."""
    st.download_button(
        "Tables, figure and data",
        lambda: _zipped(measured),
        "throughput.zip",
        "application/zip",
        key="get_measured",
        icon=":material/download:",
        on_click="ignore",
        help="CSV of every run, of the summary and beside the paper; SVG; JSON. Every figure also "
        "saves itself as SVG: the camera above it.",
    )


def _zipped(measured: Sequence[Measurement]) -> bytes:
    from vocabtrim_core.report.measured import take_along as files

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "throughput"
        folder.mkdir()
        concurrency = min(
            number for measurement in measured for number in measurement.concurrencies or (1,)
        )
        for name, content in files(measured, concurrency).items():
            (folder / name).write_bytes(content)
        return zip_bytes(folder)
