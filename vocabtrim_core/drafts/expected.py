"""The acceptance length that a head trimmed without training is expected to reach."""

from __future__ import annotations

import numpy as np

from vocabtrim_core.forecast.throughput import AcceptanceModel, order_free_ceiling


def expected_length(coverage: float, full_length: float, depth: int) -> tuple[float, float]:
    """Bound the acceptance length of a draft that proposes kept tokens only.

    These are the two extremes of the forecast (`forecast.throughput`), with the bound on a perfect
    draft that counts alone give.

    Args:
        coverage: Share of the traffic's tokens that are kept, 0..1.
        full_length: Acceptance length before the trim, at this draft depth, 1..depth + 1.
        depth: Draft tokens per step.

    Returns:
        The least and the largest acceptance length.

    Raises:
        InputError: `full_length` is outside 1..depth + 1.
    """
    coverages = np.array([coverage, 1.0])  # the trimmed vocabulary, and the full one
    model = AcceptanceModel(coverages, order_free_ceiling(coverages, depth), depth, full_length)
    low, high = model.interval()
    return float(low[0]), float(high[0])
