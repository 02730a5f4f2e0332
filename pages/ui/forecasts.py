"""Forecasts and the decision, as every page shows them: computed once per set of assumptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from pages.ui import eval_sets
from pages.ui.caching import cached
from pages.ui.format import ESTIMATED, IN_SAMPLE_BADGE, plain
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.decision import Decision, TrafficForecast, decide, worst_served
from vocabtrim_core.forecast.decision_text import decision_text
from vocabtrim_core.forecast.inputs import (
    IN_SAMPLE,
    Acceptance,
    ServedText,
    acceptance_on,
    of_several,
    served_text,
)
from vocabtrim_core.forecast.other_kinds import of_kind
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import Forecast, forecast
from vocabtrim_core.generalization.held_out import by_count
from vocabtrim_core.generalization.k_range import k_range
from vocabtrim_core.generalization.stability import best_sample
from vocabtrim_core.tradeoff import TradeOff

Rank = Callable[[np.ndarray], np.ndarray]


@cached(6, "Measuring the evaluation traffic, for every k")
def _text_of(order: str, served: StoredCounts, _curve, _rank: Rank) -> ServedText:
    """What no assumption changes: coverage and ceiling, held out where the text chooses too."""
    responses = eval_sets.responses_of(served)
    if responses is not None and not responses.tokens:
        responses = None
    sample = best_sample(served.counts, responses)
    return served_text(_curve, served.counts, responses=responses, sample=sample, rank=_rank)


@cached(12)
def acceptance_of(
    order: str,
    served: StoredCounts,
    settings: ForecastSettings,
    _curve: CoverageCurve,
    _rank: Rank = by_count,
) -> Acceptance:
    """Acceptance at every size on the evaluation traffic.

    Args:
        order: name of the order of tokens: the key of the counts, with its rules where it has any.
        served: the evaluation traffic.
        settings: what the forecast assumes.
        _curve: the coverage curve in that order.
        _rank: how counts become that order.

    Returns:
        The acceptance.
    """
    return acceptance_on(_text_of(order, served, _curve, _rank), settings)


def forecast_of(
    stored: StoredCounts,
    served: Sequence[StoredCounts],
    tradeoff: TradeOff,
    settings: ForecastSettings,
    cycles: CycleRange | None = None,
    baseline_k: int | None = None,
    chosen_k: int | None = None,
) -> tuple[Acceptance, Forecast]:
    """The forecast over the most frequent tokens of a counted set.

    Args:
        stored: the counted set that chooses.
        served: the evaluation traffic.
        tradeoff: its trade-off.
        settings: what the forecast assumes.
        cycles: cycle times, None for those of the settings.
        baseline_k: the size compared with, None for V.
        chosen_k: the user's own size, None for the optimum.

    Returns:
        Acceptance and forecast on the text that gains least. InputError where the settings give
        none.
    """
    cycles = cycles or cycle_times(settings, tradeoff.architecture)
    acceptances: list[Acceptance] = []
    texts: list[TrafficForecast] = []
    for text in served:
        acceptance = acceptance_of(stored.key, text, settings, tradeoff.curve)
        names = (stored.key, text.key, settings)
        predicted = _forecast(names, cycles, baseline_k, acceptance)
        acceptances.append(acceptance)
        texts.append(TrafficForecast(acceptance.served, acceptance.basis, predicted))
    worst = worst_served(tradeoff, texts, chosen_k)
    names = [text.name for text in texts]
    acceptance = of_several(acceptances[texts.index(worst)], names)
    return of_kind(acceptance, tradeoff.architecture.kind), worst.forecast


@cached(12)
def _forecast(
    names: tuple[str, str, ForecastSettings],
    cycles: CycleRange,
    baseline_k: int | None,
    _acceptance: Acceptance,
) -> Forecast:
    """Cached by what names the acceptance, the cycle times and the baseline."""
    return forecast(_acceptance.model, cycles, baseline_k=baseline_k)


LARGEST_SAMPLE = 5_000_000  # tokens whose halves are drawn while a slider moves


@cached(40)
def _k_range(
    stored: StoredCounts, names: tuple[object, ...], _tradeoff: TradeOff
) -> tuple[int, int] | None:
    responses = eval_sets.responses_of(stored)
    if responses is None:
        return k_range(best_sample(stored.counts, None), _tradeoff)
    return None if stored.counts.tokens > LARGEST_SAMPLE else k_range(responses, _tradeoff)


def k_range_of(stored: StoredCounts, tradeoff: TradeOff) -> tuple[int, int] | None:
    """Between which sizes k* would lie on other samples of a counted set.

    Args:
        stored: the counted set that chooses.
        tradeoff: its trade-off.

    Returns:
        Smallest and largest size; None where that is not known at once.
    """
    bounds = (tradeoff.alpha, tradeoff.floor, tradeoff.k_min, tradeoff.k_max)
    return _k_range(stored, (*bounds, tradeoff.architecture), tradeoff)


def decision_of(
    stored: StoredCounts,
    tradeoff: TradeOff,
    acceptance: Acceptance,
    predicted: Forecast,
    chosen_k: int | None,
) -> Decision:
    """The decision on one set of evaluation traffic.

    Args:
        stored: the counted set that chooses.
        tradeoff: utility, floor and bounds.
        acceptance: acceptance on that text.
        predicted: the forecast on it.
        chosen_k: the user's own size, None for none.

    Returns:
        The decision.
    """
    text = TrafficForecast(acceptance.served, acceptance.basis, predicted)
    stability = k_range_of(stored, tradeoff)
    return decide(tradeoff, [text], chosen_k=chosen_k, stability=stability)


def card(decision: Decision, vocab_size: int) -> None:
    """The decision card.

    Args:
        decision: the decision.
        vocab_size: V.
    """
    words = decision_text(decision, vocab_size)
    with st.container(border=True, key="decision_card"):
        st.markdown(f"**{plain(words.headline)}** {plain(words.equivalent)}")
        sample = f" {IN_SAMPLE_BADGE}" if decision.basis == IN_SAMPLE else ""
        st.markdown(f"{plain(words.expected)} {ESTIMATED}{sample}")
        for sentence in filter(None, (words.caution, words.break_even, words.alpha)):
            st.caption(plain(sentence))
