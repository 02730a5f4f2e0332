"""Statistics of measurements: t-intervals over runs, paired ratios, and acceptance.

The unit is a run, because the requests of a run share the server's state and are not independent.
Runs with the same index followed each other closely, so they are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.acceptance_length import added
from vocabtrim_core.serving.measurement import Measurement, Run
from vocabtrim_core.serving.significance import ALPHA, p_value

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """A mean with its confidence interval, mean - half to mean + half.

    Attributes:
        mean: The mean.
        half: Half the width of the interval, None for a single value.
        n: Number of values.
    """

    mean: float
    half: float | None
    n: int

    @property
    def low(self) -> float:
        """The lower end; the mean itself where there is no interval."""
        return self.mean - (self.half or 0.0)

    @property
    def high(self) -> float:
        """The upper end; the mean itself where there is no interval."""
        return self.mean + (self.half or 0.0)


def interval(values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE) -> RatioInterval:
    """The mean of some values with its t-interval.

    Args:
        values: float[n].
        confidence: Confidence level, 0..1.

    Returns:
        The mean and its interval.

    Raises:
        InputError: There are no values.
    """
    array = np.asarray(values, float)
    if not len(array):
        raise InputError("There are no runs to take a mean of.")
    half = None
    if len(array) > 1:
        half = quantile(len(array) - 1, confidence) * array.std(ddof=1) / np.sqrt(len(array))
    return RatioInterval(float(array.mean()), None if half is None else float(half), len(array))


def quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The t for which Student's distribution has the share `confidence` between -t and t.

    Args:
        freedom: Degrees of freedom.
        confidence: The share, 0..1.

    Returns:
        t.
    """
    from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import

    return float(stdtrit(freedom, (1 + confidence) / 2))


def paired_ratio(
    numerator: Sequence[float], denominator: Sequence[float], *, confidence: float = CONFIDENCE
) -> RatioInterval:
    """The ratio of two kinds of runs that alternated, paired by position.

    Mean and t-interval are those of the logarithms of the ratios, transformed back. So the mean is
    the geometric mean, and `half` is half the width of the transformed interval.

    Args:
        numerator: float[n], positive.
        denominator: float[n], positive.
        confidence: Confidence level, 0..1.

    Returns:
        The ratio and its interval.

    Raises:
        InputError: The lengths differ, there are no values, or one is not positive.
    """
    log = interval(log_ratios(numerator, denominator), confidence)
    mean = float(np.exp(log.mean))
    return RatioInterval(mean, None if log.half is None else mean * np.sinh(log.half), log.n)


def log_ratios(numerator: Sequence[float], denominator: Sequence[float]) -> np.ndarray:
    """Logarithms of the ratios of runs that make pairs.

    Args:
        numerator: float[n], positive.
        denominator: float[n], positive.

    Returns:
        float64[n].

    Raises:
        InputError: The lengths differ, there are no values, or one is not positive.
    """
    above, below = np.asarray(numerator, float), np.asarray(denominator, float)
    if len(above) != len(below):
        raise InputError(f"{len(above)} runs cannot be paired with {len(below)}.")
    if not len(above):
        raise InputError("There are no pairs of runs to compare.")
    if (above <= 0).any() or (below <= 0).any():
        raise InputError("A ratio of runs needs positive numbers.")
    return np.log(above / below)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The throughput of a configuration relative to a baseline.

    Attributes:
        ratio: Configuration over baseline; 1.041 is 4.1 % faster.
        p: P-value of the paired t-test on the logarithms of the ratios, corrected by Holm for the
            `tests`; None for a single pair.
        noise: Standard deviation of a run relative to its mean, from the spread of the ratios;
            None for a single pair.
        tests: Configurations that were compared with the same baseline at once.
        distinguishable: Whether p is at most 5 %; None for a single pair.
    """

    ratio: RatioInterval
    p: float | None
    noise: float | None
    tests: int = 1
    distinguishable: bool | None = field(init=False)

    def __post_init__(self) -> None:
        clear = None if self.p is None else self.p <= ALPHA
        object.__setattr__(self, "distinguishable", clear)


def compare(
    measurement: Measurement,
    label: str,
    baseline_label: str,
    concurrency: int | None = None,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare the throughput of two configurations, run by run.

    Args:
        measurement: The measurement.
        label: Label of the configuration.
        baseline_label: Label of the baseline.
        concurrency: Requests at once; None for the pairs at all concurrencies.
        confidence: Confidence level of the interval.

    Returns:
        The comparison, without a correction for others.

    Raises:
        InputError: No two runs make a pair.
    """
    rates, baseline_rates = (
        {
            (run.concurrency, run.index): run.throughput
            for run in measurement.good(name, concurrency)
        }
        for name in (label, baseline_label)
    )
    shared = sorted(rates.keys() & baseline_rates.keys())
    if not shared:
        raise InputError(f"{label} and {baseline_label} have no two runs that make a pair.")
    above, below = [rates[pair] for pair in shared], [baseline_rates[pair] for pair in shared]
    logs = log_ratios(above, below)
    noise = float(logs.std(ddof=1) / np.sqrt(2)) if len(logs) > 1 else None
    return Comparison(paired_ratio(above, below, confidence=confidence), p_value(logs), noise)


# --- acceptance ----------------------------------------------------------------------------------


def acceptance_length(runs: Sequence[Run]) -> float | None:
    """The acceptance length over several runs, weighted by their verifications.

    Where the verifications of a run are unknown, as in some imports, it is the mean over runs.

    Args:
        runs: The runs.

    Returns:
        Tokens per cycle, None without speculation.
    """
    pairs = [(run.acceptance_length, run.verified) for run in runs if run.acceptance_length]
    if not pairs:
        return None
    lengths = np.array([length for length, _ in pairs])
    weights = np.array([verified or 0 for _, verified in pairs], float)
    return float(np.average(lengths, weights=weights if weights.all() else None))


def position_acceptance(runs: Sequence[Run]) -> tuple[float, ...]:
    """Share of the cycles of all runs in which the token at each draft position was accepted.

    Args:
        runs: The runs.

    Returns:
        The shares at positions 1, 2, …; empty where unknown.
    """
    return Run("", 0, 0, accepted=added(run.accepted for run in runs)).position_acceptance
