"""What stands behind a verdict: the paper's tables, acceptance, load, latency, every number."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui import plots
from pages.ui.throughput.paper_view import tables as paper_tables
from pages.ui.throughput.results_view import where
from pages.ui.throughput.shown_measurement import ShownMeasurement
from pages.ui.widgets import drop_stale, linked, persisted
from vocabtrim_core.figures import acceptance, load
from vocabtrim_core.report.measured import SGLANG_LENGTH, summary_rows
from vocabtrim_core.serving.acceptance_length import LENGTH_HELP
from vocabtrim_core.serving.measurement import Measurement

TABS = ("Beside the paper", "Acceptance", "Concurrency", "Latency", "All numbers")


def details(in_view: Sequence[ShownMeasurement], concurrency: int) -> None:
    """Tables and further figures.

    Args:
        in_view: measurements in view.
        concurrency: requests at once.
    """
    measured = [item.measurement for item in in_view]
    tabs = st.tabs(TABS, **linked("measured_tab"), on_change="rerun")
    drawers = (
        lambda: paper_tables(measured, concurrency),
        lambda: _acceptance(measured, concurrency),
        lambda: _concurrency(measured),
        lambda: _latency(measured, concurrency),
        lambda: _numbers(measured),
    )
    for tab, draw in zip(tabs, drawers, strict=True):
        if tab.open:
            with tab:
                draw()


def _acceptance(measured: Sequence[Measurement], concurrency: int) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            "**Acceptance length against k**: 1 + accepted / verifications, summed over the runs",
            help=LENGTH_HELP,
        )
        lengths = acceptance.length_info(measured, concurrency)
        if lengths.lines:
            plots.draw(
                acceptance.length_figure(lengths, plots.palette()),
                "lengths",
                "Acceptance length against draft vocabulary size",
            )
        else:
            st.caption("No acceptance length is known for these runs.")
    with right:
        chosen = _one(measured, "positions_of")
        positions = acceptance.position_info(chosen, concurrency)
        st.markdown("**Acceptance by draft position**: cycles that accepted it and all before it")
        if positions.lines:
            plots.draw(
                acceptance.position_figure(positions, plots.palette()),
                "positions",
                "Share of cycles that accepted each draft position",
            )
        else:
            st.caption("This engine does not tell acceptance by position.")


def _concurrency(measured: Sequence[Measurement]) -> None:
    chosen = _one(measured, "concurrency_of")
    if len(chosen.concurrencies) < 2:
        st.caption(
            "Measured with one number of requests at once. Choose several, such as 1, 2, 4, 8, to "
            "see where speculation stops paying."
        )
        return
    info = load.concurrency_info(chosen)
    plots.draw(
        load.concurrency_figure(info, plots.palette()),
        "concurrency",
        "Output tokens per second against requests at once, by configuration",
    )


def _latency(measured: Sequence[Measurement], concurrency: int) -> None:
    info = load.latency_info(_one(measured, "latency_of"), concurrency)
    left, right = st.columns(2, gap="large")
    for column, first, name in ((left, False, "latency"), (right, True, "first_token")):
        is_known = any((row.first if first else row.whole) for row in info.rows)
        with column:
            if is_known:
                figure = load.latency_figure(info, plots.palette(), first_token=first)
                alt = "Time to the first token" if first else "Latency of a whole request"
                plots.draw(figure, name, f"{alt}: median, mean and 95th percentile")
            else:
                subject = "The time to the first token" if first else "The latency of requests"
                st.caption(f"{subject} is not known for these runs.")


def _one(measured: Sequence[Measurement], key: str) -> Measurement:
    """The measurement a figure of a single one is about."""
    if len(measured) == 1:
        return measured[0]
    by_key = {measurement.key: measurement for measurement in measured}
    drop_stale(key, list(by_key))
    chosen = st.selectbox(
        "Measurement", list(by_key), **persisted(key), format_func=lambda k: where(by_key[k])
    )
    return by_key[chosen]


def _numbers(measured: Sequence[Measurement]) -> None:
    """Every configuration and number of requests at once as a row."""
    whole, one_digit, three_digits = (
        st.column_config.NumberColumn(format=form) for form in ("localized", "%.1f", "%.3f")
    )
    columns = {
        "k": whole,
        "Tokens/s": one_digit,
        "± tokens/s": one_digit,
        "Acceptance length": st.column_config.NumberColumn(format="%.3f", help=LENGTH_HELP),
        "± length": three_digits,
        SGLANG_LENGTH: three_digits,
    }
    rows = pd.DataFrame(summary_rows(measured))
    columns |= {name: one_digit for name in rows if name.endswith(", ms")}
    st.dataframe(
        rows,
        hide_index=True,
        key="numbers",
        column_config=columns,
        alt="Throughput, acceptance and latency of every configuration",
    )
    st.caption("± is half a 95% interval over the runs; without one there was a single run.")
