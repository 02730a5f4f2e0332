"""Throughput in a report: forecast from a choice's settings, and measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.decision import TrafficForecast, worst_served
from vocabtrim_core.forecast.devices import device
from vocabtrim_core.forecast.inputs import Acceptance, acceptance_on, of_several, served_text
from vocabtrim_core.forecast.other_kinds import of_kind
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import Forecast, forecast
from vocabtrim_core.generalization.held_out import StabilitySample
from vocabtrim_core.report.inputs import Measured
from vocabtrim_core.selection.selection import apply_rules
from vocabtrim_core.selection_spec.opened import Opened
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.serving.measurement import Measurement


def acceptance_for(
    choice: SelectionSpec,
    opened: Opened,
    served: TokenCounts,
    responses: Responses | None = None,
    sample: StabilitySample | None = None,
) -> Acceptance | None:
    """Acceptance of a choice on the evaluation traffic.

    Args:
        choice: The choice, with its forecast settings and rules.
        opened: The choice on its counts.
        served: Counts of the evaluation traffic.
        responses: Its responses, None where they are not stored.
        sample: What it can be divided in, None for its responses.

    Returns:
        The acceptance, None where the choice has no forecast.
    """
    if choice.forecast.full_length is None:
        return None
    text = served_text(
        opened.tradeoff.curve,
        served,
        responses=responses,
        sample=sample,
        rank=lambda counts: apply_rules(counts, choice.rules).curve.order,
    )
    return of_kind(acceptance_on(text, choice.forecast), opened.tradeoff.architecture.kind)


def predict(
    settings: ForecastSettings, opened: Opened, acceptance: Acceptance | None
) -> Forecast | None:
    """Forecast the throughput of every size.

    Args:
        settings: Assumptions of the forecast.
        opened: The choice on its counts.
        acceptance: Acceptance at every size on the evaluation traffic; None for no forecast.

    Returns:
        The forecast, None where no acceptance is given.
    """
    if acceptance is None:
        return None
    tradeoff = opened.tradeoff
    return forecast(
        acceptance.model,
        cycle_times(settings, tradeoff.architecture),
        baseline_k=settings.baseline_k,
    )


def worst_acceptance(
    choice: SelectionSpec, opened: Opened, acceptances: Sequence[Acceptance | None]
) -> Acceptance | None:
    """Choose the text on which the choice gains least.

    Args:
        choice: The choice, with its forecast settings.
        opened: The choice on its counts.
        acceptances: Acceptance on each text, None without a forecast.

    Returns:
        One of them; of several it says so among its assumptions.
    """
    texts = [acceptance for acceptance in acceptances if acceptance is not None]
    if len(texts) < 2:
        return texts[0] if texts else None
    forecasts = [predict(choice.forecast, opened, acceptance) for acceptance in texts]
    served = [
        TrafficForecast(acceptance.served, acceptance.basis, forecast)
        for acceptance, forecast in zip(texts, forecasts, strict=True)
        if forecast is not None
    ]
    worst = worst_served(opened.tradeoff, served, opened.choice.k, equivalent_top_k(opened))
    acceptance = texts[served.index(worst)]
    return of_several(acceptance, [text.served for text in texts])


def check(settings: ForecastSettings, architecture: DraftArchitecture) -> None:
    """Check that assumptions made elsewhere give a forecast for a draft.

    Args:
        settings: The assumptions.
        architecture: The draft.

    Raises:
        InputError: A value is out of range for it.
    """
    cycle_times(settings, architecture)
    check_values(settings, architecture.vocab_size)


def check_values(settings: ForecastSettings, size: int) -> None:
    """Check that assumptions are in range, whatever the draft.

    Args:
        settings: The assumptions.
        size: V.

    Raises:
        InputError: A value is out of range.
    """
    device(settings.hardware)
    for name, value, least in (("batch", settings.batch, 1), ("context", settings.context, 0)):
        if value < least:
            raise InputError(f"{name} must be {least} or more, but it is {value}.")
    if settings.full_length is not None:
        most = np.full(size, settings.depth + 1.0)
        lengths = dict(settings.measured)
        AcceptanceModel(
            np.ones(size),
            most,
            settings.depth,
            settings.full_length,
            lengths,
            rates=settings.rates,
            full_range=settings.full_range,
        )
    for k, _ in settings.cycles:
        if k > size:
            raise InputError(f"A cycle time is given for k = {k:,}, which is outside 1..{size:,}.")


def equivalent_top_k(opened: Opened) -> int:
    """Find the fewest most frequent tokens that cover what the chosen ones cover.

    Tokens that were not chosen by frequency cost their own number of rows, and are taken to be
    accepted as often as these.

    Args:
        opened: The choice on its counts.

    Returns:
        The number of tokens, k itself for plain top-k.
    """
    if opened.vocabulary == opened.tradeoff.curve.vocabulary(len(opened.vocabulary)):
        return len(opened.vocabulary)
    curve = opened.tradeoff.curve
    return curve.smallest_k(opened.choice.coverage)


def comparisons(measurements: Iterable[Measurement], k: int, vocab_size: int) -> list[Measured]:
    """Compare the measured sizes: k with every baseline, other sizes with the first.

    Baselines are in this order: all V tokens, the 32,000 of published drafts, no speculation.

    Args:
        measurements: The measurements.
        k: Size of the choice.
        vocab_size: V of the choice.

    Returns:
        A row per comparison.

    Raises:
        InputError: A measurement is over another V.
    """
    from vocabtrim_core.serving.summary import baselines, summary

    gains = []
    for measurement in measurements:
        if measurement.vocab_size not in (None, vocab_size):
            raise InputError(
                f"The measurement {measurement.key} on {measurement.prompts} has V = "
                f"{measurement.vocab_size:,}, but the choice has V = {vocab_size:,}; give "
                "one of the same target."
            )
        for concurrency in measurement.concurrencies:
            rows = {row.label: row for row in summary(measurement, concurrency)}
            several = len({row.steps for row in rows.values() if row.steps}) > 1
            for row in rows.values():
                if row.k is None or row.k == measurement.vocab_size:
                    continue
                labels = baselines(measurement, row.label)
                names = sorted(row.ratios, key=lambda name: name == "no speculation")
                for name in names if row.k == k else names[:1]:
                    ratio = row.ratios[name].ratio
                    gains.append(
                        Measured(
                            measurement.prompts
                            + (f", {concurrency} at once" if concurrency > 1 else "")
                            + (f", n = {row.steps}" if several else ""),
                            row.k,
                            name,
                            ratio.mean - 1,
                            None if ratio.half is None else ratio.low - 1,
                            None if ratio.half is None else ratio.high - 1,
                            row.acceptance_length,
                            rows[labels[name]].acceptance_length,
                            ", ".join(
                                filter(
                                    None,
                                    (measurement.engine, measurement.device, _origin(measurement)),
                                )
                            ),
                        )
                    )
    return gains


def _origin(measurement: Measurement) -> str:
    return "imported" if measurement.origin == "imported" else ""
