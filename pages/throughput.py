"""Throughput: measured tokens per second of drafts and their baselines, on an attached engine."""

import streamlit as st

from pages.ui import jobpanel
from pages.ui.frame import footer, heading, plain_errors, tabs
from pages.ui.router import go_to, require_router
from pages.ui.throughput import (
    details_view,
    doctor_view,
    measure_form,
    measurement_choice,
    paper_view,
    probe_view,
    results_view,
    tune_view,
)
from pages.ui.throughput.shown_measurement import ShownMeasurement
from pages.ui.widgets import linked
from vocabtrim_core.drafts.bundled_target import TITLE

require_router()


def measure(in_view: list[ShownMeasurement]) -> None:
    """Results at the left, what to measure at the right, tables below.

    Args:
        in_view: measurements in view.
    """
    left, right = st.columns([2.5, 1], gap="large")
    request = comparison = None
    with right.container(border=True), plain_errors():
        request = measure_form.form()
    with left:
        jobpanel.watch(measure_form.open_jobs, "bench")
        with plain_errors():
            comparison = results_view.results(in_view) if in_view else nothing_yet()
    if comparison:
        with plain_errors():
            details_view.details(in_view, comparison.concurrency)
    footer(*([request.argv] if request else []), *measurement_choice.commands(in_view))


def nothing_yet() -> None:
    """What this page will show, with the one step that leads there."""
    st.subheader("Nothing is measured yet", anchor=False)
    if measure_form.can_measure():
        st.markdown(
            "Target and drafts are there: **Measure** at the right compares them on the same "
            "prompts, in turns, with intervals."
        )
    else:
        st.markdown(
            "The forecast predicts; this page measures. It needs a target and drafts of it: those "
            f"of {TITLE}, which comes with this program, are trained in minutes. "
            "Results from elsewhere can be imported at the right."
        )
        go_to(
            "train",
            "Train drafts",
            type="primary",
            icon=":material/model_training:",
            key="train_first",
        )
    st.markdown("Until then, what the paper measured:")
    paper_view.tables((), 1)


with heading(
    "Throughput",
    "Measured tokens per second of drafts and their baselines, on the attached engine.",
):
    in_view = []
    with plain_errors():
        in_view = measurement_choice.choose()
panels = {
    "Measure": lambda: measure(in_view),
    "Is the draft used?": doctor_view.panel,
    "Latency probe": probe_view.panel,
    "Tune": tune_view.panel,
}
tabs(panels, **linked("section"))
