"""What was measured: the verdict first, then bars and gains."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui import plots, state
from pages.ui.format import plain
from pages.ui.router import page as page_of
from pages.ui.throughput import comparison_form
from pages.ui.throughput.comparison_form import (
    BASELINES,
    ComparisonChoice,
    in_question,
    successful,
)
from pages.ui.throughput.shown_measurement import ShownMeasurement
from pages.ui.widgets import set_values
from vocabtrim_core.figures import measurements
from vocabtrim_core.figures import throughput as figures
from vocabtrim_core.serving.drafted_tokens import best_steps
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.payoff import unpaid
from vocabtrim_core.serving.summary import drafts_nothing
from vocabtrim_core.serving.verdict import ONE_RUN, fastest_verdict, precision, verdict


def results(in_view: Sequence[ShownMeasurement]) -> ComparisonChoice:
    """Verdicts, rates and gains of the measurements in view.

    Args:
        in_view: measurements in view.
    """
    measured = [item.measurement for item in in_view]
    comparison = comparison_form.choose(measured)
    for item in in_view:
        _headline(item, comparison)
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        st.markdown("**Output tokens per second**, mean of the runs and its 95% interval")
        rates = figures.rate_info(measured, comparison.concurrency)
        alt = "Bars of output tokens per second with error bars, by configuration"
        plots.draw(figures.rate_figure(rates, plots.palette()), "rates", alt)
    with right:
        _gains(measured, comparison)
        calibrate(in_view)
    return comparison


# --- the verdict --------------------------------------------------------------------------------


def _headline(item: ShownMeasurement, comparison: ComparisonChoice) -> None:
    """The verdict of one measurement, its power, and everything that limits it."""
    measurement = item.measurement
    draft = in_question(measurement, comparison)
    with st.container(border=True):
        if draft is None:
            drafted = not all(map(drafts_nothing, measurement.configurations))
            none = "No run with a draft succeeded" if drafted else "No draft was measured"
            st.markdown(f"### {none} on {plain(measurement.prompts)}")
        else:
            first, *more = (
                (verdict(measurement, draft.label, comparison.concurrency),)
                if draft.label == comparison.draft
                else fastest_verdict(measurement, comparison.concurrency)
            )
            more.append(precision(measurement, draft.label, comparison.concurrency))
            more += best_steps(measurement, comparison.concurrency)
            if sentence := unpaid(measurement, comparison.concurrency):
                first, more = sentence, [first, *more]
            st.markdown(f"### {plain(first)}")
            if sentence := " ".join(filter(None, more)):
                st.markdown(plain(sentence))
        st.markdown(" ".join([*item.badges, plain(where(measurement))]))
        if sentence := limits(measurement, comparison.concurrency):
            st.caption(plain(" ".join(sentence)))
        _failed(measurement)


def calibrate(in_view: Sequence[ShownMeasurement]) -> None:
    """From drafts of two sizes or more to a forecast for every size, on counts of the same V.

    Args:
        in_view: measurements in view.
    """
    own = [candidate.measurement for candidate in in_view if not candidate.committed]
    fitting = [
        candidate for candidate in own if len({c.k for c in successful(candidate) if c.k}) > 1
    ]
    if not fitting:
        return
    chosen = fitting[0]
    sets = [
        candidate
        for candidate in state.counted_sets()
        if chosen.vocab_size in (None, candidate.counts.vocab_size)
    ]
    explanation = (
        "Forecast then predicts every size from these runs, and shows predicted against measured."
    )
    if not sets:
        explanation = (
            f"Needs a corpus counted with this target's tokenizer, V = {chosen.vocab_size:,}."
        )
    if st.button(
        "Use this measurement to calibrate the forecast",
        key="calibrate",
        help=explanation,
        icon=":material/speed:",
        disabled=not sets,
    ):
        set_values({"calibrated_on": chosen.key, "counts_key": sets[0].key})
        st.switch_page(page_of("forecast"), query_params={"timing": "A measurement"})
    if not sets:
        st.caption(explanation)


def where(measurement: Measurement) -> str:
    """Prompts, engine and device in one line.

    Args:
        measurement: a measurement.
    """
    parts = [
        measurement.prompts,
        f"target {measurement.target}",
        measurement.engine,
        measurement.device,
    ]
    return " · ".join(filter(None, parts))


def limits(measurement: Measurement, concurrency: int) -> list[str]:
    """What a reader has to know beside the numbers, a sentence each.

    Args:
        measurement: a measurement.
        concurrency: requests at once.
    """
    sentences = []
    counts = [len(measurement.good(c.label, concurrency)) for c in measurement.configurations]
    if max(counts, default=0) == 1:
        sentences.append(f"{ONE_RUN} Measure three or more.")
    if missing := missing_baselines(measurement, concurrency):
        sentences.append(f"Baselines not measured here: {', '.join(missing)}.")
    return [*sentences, *measurement.notes]


def missing_baselines(measurement: Measurement, concurrency: int) -> list[str]:
    """Which of no speculation, V and 32,000 have no run that succeeded.

    Args:
        measurement: a measurement.
        concurrency: requests at once.
    """
    measured_roles = {
        measurements.role(measurement, c)
        for c in measurement.configurations
        if measurement.good(c.label, concurrency)
    }
    small = measurement.vocab_size is not None and measurement.vocab_size <= 32_000
    return [
        name
        for kind, name in BASELINES.items()
        if kind not in measured_roles and not (kind == measurements.SHIPPED and small)
    ]


def _failed(measurement: Measurement) -> None:
    failed = [run for run in measurement.runs if run.error]
    if not failed:
        return
    title = f"{len(failed):,} of {len(measurement.runs):,} runs failed; the others stand"
    with st.expander(title, icon=":material/error:"):
        for run in failed:
            at_once = f", {run.concurrency} at once" if run.concurrency > 1 else ""
            st.markdown(
                f"- **{plain(run.configuration)}**{at_once}, run {run.index + 1}: "
                f"{plain(run.error)}"
            )


def _gains(measured: Sequence[Measurement], comparison: ComparisonChoice) -> None:
    name = BASELINES[comparison.baseline]
    st.markdown(
        f"**Throughput against {name}**, runs paired, 95% interval; hollow: not told apart (Holm)"
    )
    info = figures.gain_info(measured, comparison.baseline, comparison.concurrency)
    if not info.gains:
        st.caption(f"Needs runs of {name} and of something else that both succeeded.")
        return
    alt = f"Throughput of each configuration relative to {name}, with its interval"
    plots.draw(figures.gain_figure(info, name, plots.palette()), "gains", alt)
