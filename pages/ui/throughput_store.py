"""The measurements there are: which are in view, where they come from, how to take them along."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui.words import MEASURED, code_span, plain
from vocabtrim_core.exports import zip_bytes
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.measurement import Measurement

TOY = ":orange-badge[toy target]"
IMPORTED = ":gray-badge[imported]"
MOST = 8  # measurements in view at once


@dataclass(frozen=True, slots=True)
class Shown:
    """A measurement, and whether it came with the program rather than from this workspace."""

    measurement: Measurement
    committed: bool = False

    @property
    def badges(self) -> tuple[str, ...]:
        """What kind of number it is; a toy never goes without saying so."""
        kind = MEASURED
        if self.committed:
            kind = f":green-badge[measured here, {plain(_short(self.measurement.device))}]"
        return (kind, *([IMPORTED] if self.measurement.origin == "imported" else []),
                *([TOY] if self.measurement.toy else []))  # fmt: skip

    @property
    def title(self) -> str:
        """One line in a list."""
        each = self.measurement
        parts = [each.prompts, "toy target" if each.toy else each.target, each.engine,
                 each.created[:16].replace("T", " ")]  # fmt: skip
        return " · ".join(filter(None, parts))


def _short(device: str) -> str:
    """'NVIDIA H200' -> 'H200'."""
    return device.removeprefix("NVIDIA ").split(",")[0] or "this machine"


def available() -> list[Shown]:
    """The workspace's, newest first, then what was measured on a GPU and came along."""
    return [Shown(each) for each in measurements.stored()]


def choose() -> list[Shown]:
    """Draw the choice of the measurements in view; the newest one is, until others are chosen."""
    found = {each.measurement.key: each for each in available()}
    if not found:
        return []
    _take_up_new(list(found))
    chosen, source = st.columns([5.6, 2.3], vertical_alignment="bottom", gap="small")
    keys = chosen.multiselect("Measurements in view", list(found), key="measured",
                              format_func=lambda key: found[key].title, max_selections=MOST,
                              persist_state="session", bind="query-params")  # fmt: skip
    shown = [found[key] for key in keys]
    with source:
        provenance(shown)
    return shown


def _take_up_new(keys: list[str]) -> None:
    """A measurement that was not there at the last look comes into view."""
    known = st.session_state.get("measured_known")
    fresh = [key for key in keys if known is not None and key not in known]
    st.session_state.measured_known = keys
    kept = [key for key in st.session_state.get("measured") or () if key in keys]
    if "measured" in st.query_params and known is None and kept:
        return
    if fresh or not kept:
        st.session_state.measured = fresh[:MOST] or keys[:1]
    elif kept != st.session_state.get("measured"):
        st.session_state.measured = kept


# --- where they come from -----------------------------------------------------------------------


def provenance(shown: Sequence[Shown]) -> None:
    """Engine, versions, settings and command of what is in view; download and removal."""
    with st.popover("Source", icon=":material/fingerprint:", key="measured_source",
                    width="stretch", help="Provenance, download"):  # fmt: skip
        for each in shown:
            st.markdown(f"**{plain(each.title)}** {' '.join(each.badges)}")
            st.markdown("\n".join(f"- **{name}**: {value}" for name, value in facts(each)))
            if not each.committed:
                st.button("Remove", key=f"drop_{each.measurement.key}", type="tertiary",
                          icon=":material/delete:", on_click=measurements.remove,
                          args=(each.measurement.key,))  # fmt: skip
        if shown:
            take_along([each.measurement for each in shown])


def facts(shown: Shown) -> list[tuple[str, str]]:
    """Name and value, in Markdown, of everything recorded with a measurement."""
    each = shown.measurement
    rows = {
        "Engine": each.engine, "Device": each.device or "not recorded", "Target": each.target,
        "Target vocabulary": f"V = {each.vocab_size:,}" if each.vocab_size else "not recorded",
        "Prompts": f"{each.prompts} (sha256 {each.prompts_key[:12] or 'not recorded'})",
        "Settings": ", ".join(f"{name} {value}" for name, value in each.settings.items()),
        "Versions": ", ".join(f"{name} {value}" for name, value in each.versions.items()),
        "Measured": each.created,
    }  # fmt: skip
    said = [(name, plain(str(value))) for name, value in rows.items() if value]
    command = [("Command", code_span(each.command))] if each.command else []
    return [*said, *command, ("Key", each.key)]


def commands(shown: Sequence[Shown]) -> list[list[str]]:
    """The arguments of our own commands that measured what is in view."""
    lines = (shlex.split(each.measurement.command) for each in shown)
    return [line[3:] for line in lines if line[:3] == ["python", "-m", "vocabtrim_core"]]


def take_along(measured: Sequence[Measurement]) -> None:
    """CSV, SVG and JSON of what is in view, as one zip."""
    st.download_button(
        "Tables, figure and data", lambda: _zipped(measured), "throughput.zip", "application/zip",
        key="get_measured", icon=":material/download:", on_click="ignore",
        help="CSV of every run, of the summary and beside the paper; SVG; JSON. Every figure also "
        "saves itself as SVG: the camera above it.",
    )  # fmt: skip


def _zipped(measured: Sequence[Measurement]) -> bytes:
    from vocabtrim_core.report.measured import take_along as files

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "throughput"
        folder.mkdir()
        concurrency = min(number for each in measured for number in each.concurrencies or (1,))
        for name, content in files(measured, concurrency).items():
            (folder / name).write_bytes(content)
        return zip_bytes(folder)
