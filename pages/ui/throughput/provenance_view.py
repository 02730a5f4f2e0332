"""Where measurements come from: what is recorded with them, their removal, their download."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from pages.ui import jobpanel
from pages.ui.format import code_span, plain
from pages.ui.throughput.shown_measurement import ShownMeasurement
from vocabtrim_core.exports import zip_bytes
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.measurement import Measurement

BENCH = " bench "  # in the command of what can be measured again


def provenance(in_view: Sequence[ShownMeasurement]) -> None:
    """Engine, versions, settings and command of what is in view; download and removal.

    Args:
        in_view: measurements in view.
    """
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
            measurement_files([item.measurement for item in in_view])


def _actions(measurement: Measurement) -> None:
    key = measurement.key
    with st.container(horizontal=True, gap="small"):
        if measurement.origin == "measured" and BENCH in measurement.command:
            jobpanel.start_button(
                "Measure again",
                ["measurements", "replay", key],
                f"{measurement.prompts} once more",
                key=f"replay_{key}",
                icon=":material/replay:",
                help="Runs its command once more; the new measurement stands beside it.",
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
    """Name and value, in Markdown, of everything recorded with a measurement.

    Args:
        shown: a measurement.
    """
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


def measurement_files(measured: Sequence[Measurement]) -> None:
    """CSV, SVG and JSON of what is in view, as one zip.

    Args:
        measured: measurements.
    """
    st.download_button(
        "Tables, figure and data",
        lambda: _zipped(measured),
        "throughput.zip",
        "application/zip",
        key="get_measured",
        icon=":material/download:",
        on_click="ignore",
        help="CSV of every answer and run, of the summary and beside the paper; SVG; JSON. Every "
        "figure also saves itself as SVG: the camera above it.",
    )


def _zipped(measured: Sequence[Measurement]) -> bytes:
    from vocabtrim_core.report.measured import measurement_files as files

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "throughput"
        folder.mkdir()
        concurrency = min(
            number for measurement in measured for number in measurement.concurrencies or (1,)
        )
        for name, content in files(measured, concurrency).items():
            (folder / name).write_bytes(content)
        return zip_bytes(folder)
