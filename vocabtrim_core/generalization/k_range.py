"""Between which sizes k* would lie on other samples of the same text, for the decision."""

from __future__ import annotations

from vocabtrim_core.generalization.held_out import StabilitySample
from vocabtrim_core.generalization.k_interval import k_interval
from vocabtrim_core.tradeoff import TradeOff

DRAWS = 60  # a third of what `stability` draws: a quick look


def k_range(
    sample: StabilitySample | None, tradeoff: TradeOff, draws: int = DRAWS
) -> tuple[int, int] | None:
    """The 95 % interval of k*, with the sample's own k* inside.

    Args:
        sample: What the choosing text can be divided in; None where nothing is stored.
        tradeoff: Gives alpha, floor, bounds and architecture.
        draws: Random halves.

    Returns:
        Smallest and largest size; None without two units, or where the sample is too small for an
        upper end.
    """
    if sample is None or sample.units < 2:
        return None
    found = k_interval(sample, tradeoff, draws=draws)
    if not found.bounded:
        return None
    own = tradeoff.optimum.k
    return round(min(found.low, own)), round(max(found.high, own))
