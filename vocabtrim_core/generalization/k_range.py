"""The range of k* on other samples of the same text, for the decision."""

from __future__ import annotations

from vocabtrim_core.generalization.held_out import StabilitySample
from vocabtrim_core.generalization.k_interval import k_interval
from vocabtrim_core.tradeoff import TradeOff

DRAWS = 60  # fewer than `stability` draws, to be quick


def k_range(
    sample: StabilitySample | None, tradeoff: TradeOff, draws: int = DRAWS
) -> tuple[int, int] | None:
    """Compute the 95 % interval of k*, with the sample's own k* inside.

    Args:
        sample: What the choosing text can be divided in; None where nothing is stored.
        tradeoff: Gives alpha, floor, bounds and architecture.
        draws: Random halves.

    Returns:
        Smallest and largest size; None without two units, or where the sample is too small for an
        upper end.

    Raises:
        InputError: No k within the bounds reaches the floor.
    """
    if sample is None or sample.units < 2:
        return None
    interval = k_interval(sample, tradeoff, draws=draws)
    if not interval.bounded:
        return None
    own = tradeoff.optimum.k
    return round(min(interval.low, own)), round(max(interval.high, own))
