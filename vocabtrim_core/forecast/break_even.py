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
    goal = float(model.middle[baseline_k - 1]) * (1 - loss)

    def excess(coverage: float) -> float:
        two_coverages, limits = np.array([coverage, 1.0]), np.full(2, model.depth + 1.0)
        model_at = AcceptanceModel(
            two_coverages,
            limits,
            model.depth,
            model.full_length,
            training=model.training,
            rates=model.rates,
        )
        return float(model_at.middle[0]) - goal

    if excess(0.0) >= 0:
        return BreakEven(loss, 0.0)
    if excess(1.0) < 0:
        return BreakEven(loss, None)
    return BreakEven(loss, float(root_scalar(excess, bracket=(0.0, 1.0), xtol=1e-6).root))
