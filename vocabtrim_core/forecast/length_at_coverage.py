"""Acceptance lengths at given coverages, where no counts by token are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vocabtrim_core.forecast.acceptance_model import AcceptanceModel, order_free_ceiling


class LengthBand(NamedTuple):
    """An acceptance length with its 90 % band, in tokens per verification.

    Attributes:
        low: Lower end of the band.
        middle: The expected length.
        high: Upper end of the band.
    """

    low: float
    middle: float
    high: float


def lengths_at(coverages: Sequence[float], full_length: float, depth: int) -> list[LengthBand]:
    """Forecast the acceptance length of a sliced draft, which proposes kept tokens only.

    The model of `forecast.retraining`, under the bound on a perfect draft that holds in whatever
    order the tokens come.

    Args:
        coverages: Shares of the served tokens that are kept, 0..1 each.
        full_length: Acceptance length of the full vocabulary at this depth, 1..depth + 1.
        depth: Drafted tokens per cycle.

    Returns:
        One band per coverage.

    Raises:
        InputError: `full_length` is outside 1..depth + 1.
    """
    all_coverages = np.array([*coverages, 1.0])  # the model ends at the full vocabulary
    ceiling = order_free_ceiling(all_coverages, depth)
    model = AcceptanceModel(all_coverages, ceiling, depth, full_length, training="sliced")
    bands = zip(model.interval()[0], model.middle, model.interval()[1], strict=True)
    return [LengthBand(*map(float, band)) for band in bands][:-1]
