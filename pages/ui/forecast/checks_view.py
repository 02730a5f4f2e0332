"""What a forecast predicts, held against what was measured."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import plots
from pages.ui.forecast.assumptions_form import Assumed
from pages.ui.forecast.forecast_view import ForecastAnswer
from pages.ui.format import ESTIMATED, percent, plain
from vocabtrim_core.figures import calibration as figures
from vocabtrim_core.forecast.throughput import forecast
from vocabtrim_core.serving.calibration import CalibrationCheck, checks, with_lengths


def against(answer: ForecastAnswer, assumed: Assumed) -> None:
    """Every measured size against the forecast from the other sizes, and what it recommends now.

    Args:
        answer: the forecast.
        assumed: what the forecast assumes.
    """
    calibrated = assumed.calibration
    if calibrated is None:
        st.info(
            "Choose A measurement as the source of the cycle time: the forecast is then held "
            "against every size that was measured.",
            icon=":material/speed:",
        )
        return
    full = None if answer.size in calibrated.lengths else assumed.settings.full_length

    def predict(lengths, cycles):
        return forecast(with_lengths(answer.acceptance, lengths, full), cycles)

    rows = checks(calibrated, predict)
    best = answer.decision.k
    first, last = answer.decision.equivalent
    span = f" ({first:,} to {last:,})" if first != last else ""
    st.markdown(
        f"{_said(rows)} With all of them the decision is **{best:,} tokens**{span}. " + ESTIMATED
    )
    alt = "Output tokens per second against vocabulary size: forecast, measured, predicted"
    info = figures.measured_info(
        answer.predicted,
        rows,
        calibrated.concurrency,
        answer.decision.fastest_k,
    )
    plots.draw(figures.measured_figure(info, plots.palette()), "against_measured", alt)
    st.dataframe(_table(rows), hide_index=True, width="content")
    st.caption(
        f"Acceptance lengths are those of {plain(calibrated.measurement.prompts)}; coverage and "
        "ceiling "
        f"are those of {plain(answer.basis.served)}. Where the two differ, predictions of "
        "sizes that were left out suffer; choose the text that was asked. Tokens/s are those that "
        "cycles give, without the first token of each answer."
    )


def _said(rows: tuple[CalibrationCheck, ...]) -> str:
    """What was predicted, how far it is off, and what is in the fit itself."""
    predicted = [row for row in rows if not row.fitted]
    if not predicted:
        return (
            f"{len(rows)} sizes were measured and all are in the fit, so their agreement is no "
            "test; with a third size each is predicted from the others."
        )
    worst = max(abs(row.error) for row in predicted)
    inside = sum(row.low <= row.measured.mean <= row.high for row in predicted)
    fitted = len(rows) - len(predicted)
    also = (
        f" {fitted} could not be left out of the fit, so their agreement is no test."
        if fitted
        else ""
    )
    return (
        f"Each of {len(predicted)} sizes, predicted from the others alone, is off by "
        f"{percent(worst)} at most; {inside} of {len(predicted)} within the forecast's range.{also}"
    )


def _table(rows: tuple[CalibrationCheck, ...]) -> pd.DataFrame:
    def sure(row: CalibrationCheck) -> str:
        half = row.measured.half
        return f"{row.measured.mean:,.1f}" + (
            f" ± {half:,.1f}" if half is not None else ", one run"
        )

    return pd.DataFrame(
        {
            "Size k": [f"{row.k:,}" for row in rows],
            "Measured, tokens/s": [sure(row) for row in rows],
            "Forecast, tokens/s": [f"{row.predicted:,.1f}" for row in rows],
            "Range": [f"{row.low:,.1f} to {row.high:,.1f}" for row in rows],
            "Error": [f"{100 * row.error:+.1f}%" for row in rows],
            "Acceptance length": [f"{row.length:.3f}" for row in rows],
            "Its forecast": ["{:.3f} to {:.3f}".format(*row.lengths) for row in rows],
            "How": ["in the fit" if row.fitted else "from the other sizes" for row in rows],
        }
    )
