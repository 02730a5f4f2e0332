"""The acceptance length that a head trimmed without training is expected to reach."""

from __future__ import annotations

import numpy as np

from vocabtrim_core.forecast.acceptance_model import AcceptanceModel, order_free_ceiling


def expected_length(coverage: float, full_length: float, depth: int) -> tuple[float, float]:
    """Forecast the acceptance length of a draft that proposes kept tokens only.

    The model of `forecast.retraining` for rows that are cut out, under the bound on a perfect draft
    that counts alone give.

    Args:
        coverage: Share of the traffic's tokens that are kept, 0..1.
        full_length: Acceptance length before the trim, at this draft depth, 1..depth + 1.
        depth: Draft tokens per step.

    Returns:
        Both ends of the 90 % band.

    Raises:
        InputError: `full_length` is outside 1..depth + 1.
    """
    coverages = np.array([coverage, 1.0])  # the trimmed vocabulary, and the full one
    ceiling = order_free_ceiling(coverages, depth)
    model = AcceptanceModel(coverages, ceiling, depth, full_length, training="sliced")
    low, high = model.interval()
    return float(low[0]), float(high[0])
