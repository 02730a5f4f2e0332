"""What a head cut without training is expected to lose."""

from __future__ import annotations

import numpy as np

from vocabtrim_core.forecast.throughput import AcceptanceModel, order_free_ceiling


def expected_length(coverage: float, full_length: float, depth: int) -> tuple[float, float]:
    """Least and most acceptance length of a draft that proposes kept tokens only.

    coverage: of the kept tokens on the traffic, 0..1.  full_length: acceptance length before the
    cut, at this draft depth.  The same two extremes as the forecast's, with the bound on a perfect
    draft that counts alone give. InputError for a length outside 1..depth + 1.
    """
    both = np.array([coverage, 1.0])  # the trimmed vocabulary, and the full one
    model = AcceptanceModel(both, order_free_ceiling(both, depth), depth, full_length)
    low, high = model.interval()
    return float(low[0]), float(high[0])
