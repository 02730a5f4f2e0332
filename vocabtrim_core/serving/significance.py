"""Paired t-tests: p-values, Holm's correction for several of them, and their power.

The noise is that of a run: the standard deviation of the logarithm of its throughput, about its
relative standard deviation. Two runs of a pair are independent but for what both share, which
cancels, so the standard deviation of the logarithm of their ratio is sqrt(2) times as large.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALPHA = 0.05
MOST_RUNS = 10_000  # beyond which nobody measures


def p_value(values: Sequence[float] | np.ndarray) -> float | None:
    """The two-sided p-value of a t-test that the mean of some values is 0.

    Args:
        values: float[n], such as logarithms of ratios of runs.

    Returns:
        The p-value, None for fewer than two values.
    """
    from scipy.special import stdtr  # scipy.stats has the same and takes a second to import

    array = np.asarray(values, float)
    if len(array) < 2:
        return None
    error = array.std(ddof=1) / np.sqrt(len(array))
    if not error:
        return float(array.mean() == 0)
    return float(2 * stdtr(len(array) - 1, -abs(array.mean()) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of p-values for the number of tests.

    Rejecting what has a corrected value of at most alpha keeps the chance of any false rejection
    among all tests at alpha or below, however the tests depend on one another.

    Args:
        p_values: float[m], in any order.

    Returns:
        The corrected values in the same order, at most 1.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def power(runs: int, noise: float, effect: float, tests: int = 1) -> float:
    """How often a paired t-test at 5 % sees a difference between two configurations.

    Args:
        runs: Runs of each configuration, that is pairs; two or more.
        noise: Standard deviation of a run relative to its mean, 0.005 for 0.5 %.
        effect: Relative difference of the means, 0.01 for 1 %.
        tests: Number of tests that Holm's correction is for; the power is that of its strictest
            step.

    Returns:
        The probability of a p-value of at most 0.05 / tests, from the noncentral t-distribution.
    """
    from scipy.special import nctdtr, stdtrit

    if not noise:
        return float(effect != 0)
    freedom = runs - 1
    critical = stdtrit(freedom, 1 - ALPHA / tests / 2)
    shift = abs(np.log1p(effect)) * np.sqrt(runs / 2) / noise
    missed, opposite = nctdtr(freedom, shift, [critical, -critical])
    # Both are NaN far out, where they vanish.
    return float(1 - np.nan_to_num(missed) + np.nan_to_num(opposite))


def runs_for(wanted: float, noise: float, effect: float, tests: int = 1) -> int | None:
    """The fewest runs of each configuration that reach a power.

    Args:
        wanted: The power, such as 0.8.
        noise: As in `power`.
        effect: As in `power`.
        tests: As in `power`.

    Returns:
        The number of runs, None where it is above 10,000.
    """
    low, high = 1, 2  # the power at `low` is too small
    while power(high, noise, effect, tests) < wanted:
        if high > MOST_RUNS:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, noise, effect, tests) < wanted:
            low = middle
        else:
            high = middle
    return high if high <= MOST_RUNS else None
