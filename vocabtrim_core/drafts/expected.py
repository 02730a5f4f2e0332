"""The acceptance length that a head trimmed without training is expected to reach."""

from __future__ import annotations

from vocabtrim_core.forecast.length_at_coverage import lengths_at


def expected_length(coverage: float, full_length: float, depth: int) -> tuple[float, float]:
    """Forecast the acceptance length of a draft that proposes kept tokens only.

    Args:
        coverage: Share of the traffic's tokens that are kept, 0..1.
        full_length: Acceptance length before the trim, at this draft depth, 1..depth + 1.
        depth: Draft tokens per step.

    Returns:
        Both ends of the 90 % band.

    Raises:
        InputError: `full_length` is outside 1..depth + 1.
    """
    ((low, _, high),) = lengths_at([coverage], full_length, depth, "sliced")
    return low, high
