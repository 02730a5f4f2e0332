"""Break-even on Forecast: what each text and each domain of it leaves of the gain."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import eval_sets, forecasts
from pages.ui.forecast.assumptions_form import Assumed
from pages.ui.forecast.forecast_view import ForecastAnswer
from pages.ui.format import ESTIMATED, MEASURED, percent, plain
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.forecast.break_even import break_even
from vocabtrim_core.generalization.domains import coverage_by_domain
from vocabtrim_core.wording import expected


def break_evens(stored: StoredCounts, answer: ForecastAnswer, assumed: Assumed) -> None:
    """Coverage beside the least that is needed, for every comparable text and its domains.

    Args:
        stored: the counted set that chooses.
        answer: the forecast.
        assumed: what the forecast assumes.
    """
    at = break_even(answer.predicted, answer.k, answer.size)
    needed = "none is enough" if at.coverage is None else percent(at.coverage)
    st.markdown(
        f"Against all {answer.size:,} tokens, {answer.k:,} break even where {needed} of the text "
        f"is covered, or where {percent(max(at.loss, 0.0))} of the acceptance length is lost. "
        f"{ESTIMATED}"
    )
    others, _ = eval_sets.comparable(stored)
    rows = [row for text in (stored, *others) for row in _rows(stored, text, answer, assumed)]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="break_even_table")
    st.caption(
        f"Coverage is {MEASURED}; that of the set that chooses is held out, its domains are in "
        "sample. The acceptance length with all tokens is taken to be the same on every text."
    )


def _rows(
    stored: StoredCounts, text: StoredCounts, answer: ForecastAnswer, assumed: Assumed
) -> list[dict[str, str]]:
    acceptance, predicted = forecasts.forecast_of(
        stored,
        (text,),
        answer.tradeoff,
        assumed.settings,
        assumed.cycles(answer.tradeoff.architecture),
    )
    gain = predicted.gain(answer.k, answer.size)
    least = break_even(predicted, answer.k, answer.size).coverage
    covered = float(acceptance.model.coverage[answer.k - 1])
    band = expected(*gain)
    rows = [_row(plain(text.counts.name), acceptance.basis, covered, least, band)]
    responses = eval_sets.responses_of(text)
    if responses is not None and responses.domains:
        is_kept = answer.tradeoff.curve.vocabulary(answer.k).t2d
        rows += [
            _row(f"{plain(text.counts.name)}, {plain(d.domain)}", "domain", d.coverage, least, "")
            for d in coverage_by_domain(responses, is_kept)
        ]
    return rows


def _row(name: str, basis: str, covered: float, least: float | None, band: str) -> dict[str, str]:
    wins = least is not None and covered >= least
    return {
        "Text": name,
        "Basis": basis,
        "Covered": percent(covered, 2),
        "Break-even": "none" if least is None else percent(least, 2),
        "Expected gain, 90 % band": band,
        "": "faster than all tokens" if wins else "not faster",
    }
