"""Intervals over prompts, from the answers that a measurement keeps.

Runs repeat the same prompts, so an interval over runs says what another run of these prompts would
show; one over prompts says what other prompts of the kind would. Here the prompt is the unit: what
all runs of a configuration made of it is one value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.acceptance_length import noise_of_prompts
from vocabtrim_core.serving.measurement import Answer, Measurement
from vocabtrim_core.serving.statistics import RatioInterval, paired_ratio, quantile


def ratio_over_prompts(
    measurement: Measurement, label: str, baseline_label: str, concurrency: int | None = None
) -> RatioInterval | None:
    """Compare the rates at which two configurations answered the same prompts, prompt by prompt.

    The rate of a prompt is the tokens of its answers over their seconds, of all runs together.

    Args:
        measurement: The measurement.
        label: Label of the configuration.
        baseline_label: Label of the baseline.
        concurrency: Requests at once; None for all runs.

    Returns:
        The geometric mean of the ratios and its 95 % t-interval over prompts; None where the
        answers were not stored.
    """
    rates = [_rates(measurement, name, concurrency) for name in (label, baseline_label)]
    if not rates[0] or len(rates[0]) != len(rates[1]):
        return None
    try:
        return paired_ratio(*rates)
    except InputError:  # an answer without a token, or that took no time
        return None


def length_over_prompts(
    measurement: Measurement, label: str, concurrency: int | None = None
) -> RatioInterval | None:
    """The acceptance length of a configuration with its interval over prompts.

    Args:
        measurement: The measurement.
        label: Label of the configuration.
        concurrency: Requests at once; None for all runs.

    Returns:
        A ratio of sums over all prompts and runs, with the 95 % interval of the linearized ratio;
        None without speculation, or where answers or their verifications were not stored.
    """
    given, verified = np.array(
        [
            (sum(a.given for a in own), sum(a.verified or 0 for a in own))
            for own in by_prompt(measurement, label, concurrency)
        ]
        or [(0, 0)]
    ).T
    noise = noise_of_prompts(given, verified)
    if not verified.sum() or noise is None:
        return None
    length, n = float(given.sum() / verified.sum()), int((verified > 0).sum())
    return RatioInterval(length, length * noise * quantile(n - 1), n)


def by_prompt(
    measurement: Measurement, label: str, concurrency: int | None = None
) -> list[tuple[Answer, ...]]:
    """Gather the answers of a configuration by their prompt.

    Args:
        measurement: The measurement.
        label: Label of the configuration.
        concurrency: Requests at once; None for all runs.

    Returns:
        The answers of all good runs to each prompt, in the order of the prompts; empty where they
        were not stored with every run.
    """
    runs = measurement.good(label, concurrency)
    if len({len(run.answers) for run in runs}) != 1:
        return []
    return list(zip(*(run.answers for run in runs), strict=True))


def _rates(measurement: Measurement, label: str, concurrency: int | None) -> Sequence[float]:
    return [
        sum(a.tokens for a in own) / max(sum(a.seconds for a in own), 1e-9)
        for own in by_prompt(measurement, label, concurrency)
    ]
