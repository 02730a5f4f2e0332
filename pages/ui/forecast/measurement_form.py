"""The measurement that a forecast rests on: which one, and bringing a result."""

from __future__ import annotations

import streamlit as st

from pages.ui.fields import with_labels
from pages.ui.format import MEASURED
from pages.ui.router import page as page_of
from pages.ui.widgets import drop_stale, persisted, set_values
from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.calibration import Calibration, calibration
from vocabtrim_core.serving.importers import (
    Hints,
    import_results,
    own_measurement,
    read_source,
    save_once,
)
from vocabtrim_core.serving.measurement import Measurement

MOST_MB = 50


def choose(vocab_size: int) -> Calibration | None:
    """The measurement's selector, and a way to bring a result; None while there is none.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    by_key = {
        stored.key: stored
        for stored in _stored(_names())
        if stored.vocab_size in (None, vocab_size)
    }
    chosen = None
    if by_key:
        drop_stale("calibrated_on", by_key)
        key = st.selectbox(
            "Measurement",
            list(by_key),
            format_func=lambda k: title(by_key[k]),
            **persisted("calibrated_on"),
        )
        chosen = by_key[key]
    _bring(vocab_size)
    if chosen is None:
        return None
    concurrency = None
    if len(chosen.concurrencies) > 1:
        concurrency = st.select_slider(
            "Requests at once", chosen.concurrencies, key=f"at_once_{chosen.key}"
        )
    calibrated = calibration(chosen, concurrency)
    calibrated.cycles()  # refused here, beside the control
    sizes = ", ".join(f"{point.k:,}" for point in calibrated.points)
    st.caption(f"Sizes {sizes}. {MEASURED}")
    return calibrated


def _names() -> tuple[str, ...]:
    """Of the files of measurements, which are named by their content."""
    return tuple(sorted(path.name for path in workspace.folder("measurements").glob("*.json")))


@st.cache_resource(max_entries=2, show_spinner=False)
def _stored(names: tuple[str, ...]) -> list[Measurement]:
    """Read once, not at every move of a slider."""
    return measurements.stored() if names else []


def nothing_yet(vocab_size: int) -> None:
    """Instead of a forecast, while there is no measurement to rest it on.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    st.info(
        f"No measurement of a target with {vocab_size:,} tokens yet: measure drafts of two sizes "
        "or more on Throughput, or bring a result file.",
        icon=":material/speed:",
    )
    if st.button("Measure on Throughput", type="primary", key="to_throughput"):
        st.switch_page(page_of("throughput"))


def title(measured: Measurement) -> str:
    """A measurement in one line.

    Args:
        measured: a measurement.
    """
    when = measured.created[:16].replace("T", " ")
    return " · ".join(filter(None, [measured.prompts, measured.target, measured.engine, when]))


def _bring(vocab_size: int) -> None:
    """A result file of another tool, or a measurement from another workspace."""
    with st.popover(
        "Bring a result file", icon=":material/upload_file:", type="tertiary", key="bring_result"
    ):
        files = st.file_uploader(
            "Result files",
            ["json", "jsonl"],
            key="forecast_results",
            accept_multiple_files=True,
            max_upload_size=MOST_MB,
            help="Of SpecForge, SGLang, NeMo or SpecBundle, or a measurement of this program.",
        )
        ks = st.text_input(
            "Their draft vocabulary sizes",
            key="forecast_results_k",
            placeholder="13264 32000 128256",
            help="One per file; 0 where nothing is drafted.",
        )
        st.button(
            "Import",
            type="primary",
            key="import_for_forecast",
            disabled=not files,
            on_click=_keep,
            args=(files, ks, vocab_size),
        )


def _keep(files, ks: str | None, vocab_size: int) -> None:
    """Save what the files hold; the last of it comes into view."""
    try:
        stored = [
            save_once(imported) for imported in _read(files, tuple((ks or "").split()), vocab_size)
        ]
    except InputError as error:
        st.toast(with_labels(str(error)), icon=":material/error:")
    else:
        set_values({"calibrated_on": stored[-1].key})


def _read(files, ks: tuple[str, ...], vocab_size: int) -> list[Measurement]:
    contents = [(file.name, file.getvalue()) for file in files]
    ours = [measured for name, content in contents if (measured := own_measurement(content, name))]
    others = [
        read_source(content, name)
        for name, content in contents
        if not own_measurement(content, name)
    ]
    if not others:
        return ours
    return [*ours, *import_results(others, hints=Hints(ks, vocab_size=vocab_size))]
