"""What a report says of throughput: forecast from a choice's settings, and measurements."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import (
    AcceptanceModel,
    Forecast,
    forecast,
    order_free_ceiling,
)
from vocabtrim_core.report.inputs import Measured
from vocabtrim_core.selection_spec.opened import Opened
from vocabtrim_core.serving.measurement import Measurement


def predict(
    settings: ForecastSettings, opened: Opened, ceiling: np.ndarray | None = None
) -> Forecast | None:
    """The forecast these settings ask for; None when no acceptance length is given."""
    if settings.full_length is None:
        return None
    tradeoff, curve = opened.tradeoff, opened.tradeoff.curve
    acceptance = AcceptanceModel(
        curve.coverage,
        order_free_ceiling(curve.coverage, settings.depth) if ceiling is None else ceiling,
        settings.depth,
        settings.full_length,
        dict(settings.measured),
    )
    return forecast(
        acceptance,
        CycleRange.of(settings, tradeoff.architecture),
        baseline_k=settings.baseline_k,
        k_min=tradeoff.k_min,
        k_max=tradeoff.k_max,
    )


def check(settings: ForecastSettings, architecture: DraftArchitecture) -> None:
    """InputError where these assumptions, made elsewhere, give no forecast for this draft."""
    CycleRange.of(settings, architecture)
    size = architecture.vocab_size
    if settings.full_length is not None:
        most = np.full(size, settings.depth + 1.0)
        lengths = dict(settings.measured)
        AcceptanceModel(np.ones(size), most, settings.depth, settings.full_length, lengths)
    for k, _ in settings.cycles:
        if k > size:
            raise InputError(f"A cycle time is given for k = {k:,}, which is outside 1..{size:,}.")


def as_many_covering(opened: Opened) -> int:
    """The fewest most frequent tokens that cover what the chosen ones cover.

    That is k itself for plain top-k. Tokens chosen otherwise cost their own number of rows, and
    are taken to be accepted as often as these.
    """
    if opened.vocabulary == opened.tradeoff.curve.vocabulary(len(opened.vocabulary)):
        return len(opened.vocabulary)
    curve = opened.tradeoff.curve
    return curve.smallest_k(opened.choice.coverage)


def ratios(predicted: Forecast, k: int, like_k: int, other_k: int) -> np.ndarray:
    """float64[4]: throughput of k rows accepted like the first like_k tokens, over other_k."""
    return np.array(
        [
            length[like_k - 1] / length[other_k - 1] * cycle.speedup(np.array([k]), other_k)[0]
            for length in predicted.lengths
            for cycle in (predicted.cycles.fast, predicted.cycles.slow)
        ]
    )


def comparisons(measurements: Iterable[Measurement], k: int, vocab_size: int) -> list[Measured]:
    """A row per measured size: k against every baseline, other sizes against the first.

    Baselines in this order: all V tokens, the 32,000 of published drafts, no speculation.
    InputError for a measurement over another V.
    """
    from vocabtrim_core.serving.statistics import baselines, summary

    found = []
    for each in measurements:
        if each.vocab_size not in (None, vocab_size):
            raise InputError(
                f"The measurement {each.key} on {each.prompts} has V = {each.vocab_size:,}, but "
                f"the choice has V = {vocab_size:,}; give one of the same target."
            )
        for at_once in each.concurrencies:
            rows = {row.label: row for row in summary(each, at_once)}
            for row in rows.values():
                if row.k is None or row.k == each.vocab_size:
                    continue
                named = baselines(each, row.label)
                names = sorted(row.ratios, key=lambda name: name == "no speculation")
                for name in names if row.k == k else names[:1]:
                    ratio = row.ratios[name].ratio
                    found.append(
                        Measured(
                            each.prompts + (f", {at_once} at once" if at_once > 1 else ""),
                            row.k,
                            name,
                            ratio.mean - 1,
                            None if ratio.half is None else ratio.low - 1,
                            None if ratio.half is None else ratio.high - 1,
                            row.acceptance_length,
                            rows[named[name]].acceptance_length,
                            ", ".join(filter(None, (each.engine, each.device, _origin(each)))),
                            each.toy,
                        )
                    )
    return found


def _origin(measurement: Measurement) -> str:
    return "imported" if measurement.origin == "imported" else ""
