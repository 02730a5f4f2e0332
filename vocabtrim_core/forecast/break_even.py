"""How much acceptance length and coverage a size may lose before it is no faster."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import root_scalar

from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.throughput import Forecast


class BreakEven(NamedTuple):
    """Where k is exactly as fast as the baseline, at the expected cycle times.

    Attributes:
        loss: Share of the baseline's acceptance length that may be lost; negative where cycles are
            no shorter at k.
        coverage: Least coverage of the served text at which k is still as fast; 0 where k wins at
            any, None where it loses even with everything covered.
    """

    loss: float
    coverage: float | None


def break_even(forecast: Forecast, k: int, baseline_k: int) -> BreakEven:
    """The break-even of a size.

    Args:
        forecast: Acceptance model and cycle times.
        k: The size, 1..V.
        baseline_k: The size compared with, 1..V.

    Returns:
        The greatest loss of acceptance and the least coverage.
    """
    loss = forecast.cycles.middle.break_even_loss(k, baseline_k)
    model = forecast.acceptance
    top = np.full(2, model.depth + 1.0)

    def length(coverage: float) -> float:
        """Expected acceptance length at a coverage, without measured lengths."""
        at = AcceptanceModel(
            np.array([coverage, 1.0]),
            top,
            model.depth,
            model.full_length,
            training=model.training,
            rates=model.rates,
        )
        return float(at.middle[0])

    goal = float(model.middle[baseline_k - 1]) * (1 - loss)
    if model.measured:  # as far off as at k are lengths at other coverages
        goal *= length(float(model.coverage[k - 1])) / float(model.middle[k - 1])
    if length(0.0) >= goal:
        return BreakEven(loss, 0.0)
    if length(1.0) < goal:
        return BreakEven(loss, None)
    crossing = root_scalar(lambda coverage: length(coverage) - goal, bracket=(0.0, 1.0), xtol=1e-6)
    return BreakEven(loss, float(crossing.root))
