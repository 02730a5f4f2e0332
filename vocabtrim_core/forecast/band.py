"""A 90 % band around a middle, from assumptions that are each known only roughly.

Every uncertain assumption is set to its 5 % and to its 95 % value while the others stay at their
middle. The deviations are taken as independent and added in quadrature, downwards and upwards
apart, on a logarithmic scale.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Z = 1.6449  # standard normal quantile at 95 %: the ends of a band that holds 90 %


def combined(
    deviations: Iterable[tuple[np.ndarray | float, np.ndarray | float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Add independent deviations in quadrature.

    Args:
        deviations: Per assumption the log deviation from the middle at one end of the assumption
            and at the other, float64[n] or float each; which of them is lower does not matter.

    Returns:
        (down, up), float64[n] each and both >= 0: how far the band reaches below and above.
    """
    down, up = np.zeros(()), np.zeros(())
    for one_end, other_end in deviations:
        down = down + np.minimum(np.minimum(one_end, other_end), 0) ** 2
        up = up + np.maximum(np.maximum(one_end, other_end), 0) ** 2
    return np.sqrt(down), np.sqrt(up)


def around(
    middle: np.ndarray | float,
    deviations: Iterable[tuple[np.ndarray | float, np.ndarray | float]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The band of independent deviations around a middle.

    Args:
        middle: float64[n] or float, above 0.
        deviations: As for `combined`.

    Returns:
        (low, middle, high), float64[n] each.
    """
    down, up = combined(deviations)
    return middle * np.exp(-down), np.asarray(middle), middle * np.exp(up)
