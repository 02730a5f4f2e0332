"""The acceptance-length ceiling of shipped counts, which come without their responses."""

from __future__ import annotations

import functools

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.forecast.ceiling import Ceiling
from vocabtrim_core.shipped.sets import CeilingPoints, ceiling_points, shipped_sets


def shipped_ceiling(curve: CoverageCurve, served: TokenCounts, *, held_out: bool) -> Ceiling | None:
    """The ceiling of a shipped set under an order, interpolated between the shipped sizes.

    Args:
        curve: The order of tokens.
        served: Counts of the evaluation traffic.
        held_out: Whether the order is that of this very text, without rules, and each part of it is
            to be read with the order of the others.

    Returns:
        The ceiling; None for other sets, and for orders for which none is shipped.
    """
    key = served.key
    if key not in shipped_sets():
        return None
    if held_out:
        points = ceiling_points(key, key)
        return points and _between(points)
    for order in shipped_sets():
        points = ceiling_points(order, key)
        if points and order != key and np.array_equal(curve.order, _order_of(order)):
            return _between(points)
    return None


@functools.lru_cache(maxsize=16)
def _order_of(key: str) -> np.ndarray:
    return CoverageCurve.of(shipped_sets()[key].counts()).order


def _between(points: CeilingPoints) -> Ceiling:
    """Lengths at every k, linear in log k."""
    every, known = np.log(np.arange(1, points.ks[-1] + 1)), np.log(points.ks)
    lengths = np.array([np.interp(every, known, at_depth) for at_depth in points.lengths])
    return Ceiling(points.tokens, points.responses, points.tokens / lengths)
