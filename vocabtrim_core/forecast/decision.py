"""The decision: which size to serve, which are equivalent, and the expected gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.forecast.break_even import BreakEven, break_even
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.forecast.throughput import Forecast, Gain, implied_alpha, optimum_near
from vocabtrim_core.tradeoff import TradeOff

WORTH = 0.03  # least gain over the usual 32,000 that is worth retraining a draft


@dataclass(frozen=True, slots=True)
class Decision:
    """A size with what speaks for it.

    Attributes:
        k: The size in view: the user's own, else the optimum of the utility.
        recommended_k: `k` where it is as good as the fastest, else the nearest size that is.
        equivalent: Smallest and largest size that are as good as the fastest on this evidence.
        optimum_k: The optimum of the utility at `alpha`.
        alpha: Weight of coverage in the utility.
        fastest_k: The k of the highest expected throughput.
        equivalent_alpha: The alpha whose optimum is `alpha_k`.
        alpha_k: `fastest_k`, or the nearest size that an alpha can keep where tokens are equally
            frequent there.
        stability: Between which sizes unlimited text of the kind would put k*; None where not
            computed.
        gains: Baseline k -> relative gain of `k` over it.
        recommended_gains: The same of `recommended_k`.
        too_little: Whether k* is as many tokens as were seen, or the `stability` reaches that far:
            then more text of the kind may ask for more tokens than this one can name.
        seen: Distinct tokens of the text that chooses.
        constrained: Whether a floor or bounds limit the sizes.
        break_even: Of `k` against V.
        served: Name of the evaluation traffic, the worst of several.
        basis: Where its coverage comes from: held out, another set, in sample.
        coverage: C(k) on it.
    """

    k: int
    recommended_k: int
    equivalent: tuple[int, int]
    optimum_k: int
    alpha: float
    fastest_k: int
    equivalent_alpha: float
    alpha_k: int
    stability: tuple[int, int] | None
    gains: dict[int, Gain]
    recommended_gains: dict[int, Gain]
    too_little: bool
    seen: int
    constrained: bool
    break_even: BreakEven
    served: str
    basis: str
    coverage: float

    @property
    def worth_it(self) -> bool:
        """Whether a gain of 3 % over the usual 32,000 (or over a smaller V) is in the band."""
        gains = self.recommended_gains
        return (gains.get(SHIPPED_K) or next(iter(gains.values()))).high >= WORTH

    @property
    def expected_loss(self) -> bool:
        """Whether the recommended size is expected to be slower than all tokens."""
        return next(iter(self.recommended_gains.values())).middle < 0

    @property
    def loses(self) -> bool:
        """Whether even the recommended size is slower than all tokens, through the whole band."""
        return next(iter(self.recommended_gains.values())).high < 0


@dataclass(frozen=True, slots=True, eq=False)
class TrafficForecast:
    """Evaluation traffic with the forecast made for it.

    Attributes:
        name: Of the text.
        basis: Where its coverage comes from: held out, another set, in sample.
        forecast: Throughput at every k.
    """

    name: str
    basis: str
    forecast: Forecast


def worst_served(
    tradeoff: TradeOff,
    served: Sequence[TrafficForecast],
    chosen_k: int | None = None,
    accepted_like: int | None = None,
) -> TrafficForecast:
    """The text on which the size in view gains least over all tokens.

    Args:
        tradeoff: Utility, bounds and floor.
        served: One or more texts.
        chosen_k: As of `decide`.
        accepted_like: As of `decide`.

    Returns:
        One of them, the first of those alike.

    Raises:
        InputError: No size within the bounds reaches the floor.
    """
    if len(served) == 1:
        return served[0]
    size = tradeoff.curve.vocab_size
    k = chosen_k or _seen_optimum(tradeoff)
    return min(served, key=lambda text: text.forecast.gain(k, size, accepted_like or k).middle)


def _seen_optimum(tradeoff: TradeOff) -> int:
    """The optimum of the utility, at most as many tokens as were seen."""
    seen = min(tradeoff.curve.distinct, tradeoff.last_k)
    return min(tradeoff.optimum.k, max(seen, tradeoff.k_min))


def _too_little(tradeoff: TradeOff, stability: tuple[int, int] | None) -> bool:
    seen = tradeoff.curve.distinct
    if seen == tradeoff.curve.vocab_size:
        return False
    return seen <= max(tradeoff.optimum.k, stability[1] if stability else 0)


def decide(
    tradeoff: TradeOff,
    served: Sequence[TrafficForecast],
    *,
    chosen_k: int | None = None,
    accepted_like: int | None = None,
    stability: tuple[int, int] | None = None,
) -> Decision:
    """What to serve.

    The size in view is served where the forecast finds it as good as the fastest size, and else
    the nearest size that is, with the fewer bytes where two are as near. No size is recommended
    that has more tokens than the choosing text has seen.

    Args:
        tradeoff: Utility, bounds and floor.
        served: One or more texts; the answer is for the one that gains least.
        chosen_k: The user's own size; None for the optimum of the utility.
        accepted_like: Number of most frequent tokens that are accepted as often as the `chosen_k`,
            where those are other tokens.
        stability: Interval of the k* of unlimited text of the kind, if computed.

    Returns:
        The decision.

    Raises:
        InputError: No size within the bounds reaches the floor.
    """
    size = tradeoff.curve.vocab_size
    seen = min(tradeoff.curve.distinct, tradeoff.last_k)
    optimum = _seen_optimum(tradeoff)
    k = chosen_k or optimum
    like = accepted_like or k
    worst = worst_served(tradeoff, served, chosen_k, accepted_like)
    forecast = worst.forecast
    within = np.flatnonzero(tradeoff.within()) + 1
    within = within[within <= max(seen, int(within[0]))]
    # Among tokens that occur equally often only the last can be where a utility has its optimum.
    counts = np.append(tradeoff.curve.sorted_counts, -1)
    ends = within[(counts[within - 1] != counts[within]) | (within == within[-1])]
    fastest = int(ends[np.argmax(forecast.middle[ends - 1])])
    as_good = within[forecast.relative(within, fastest)[2] >= 1]
    nearest = int(as_good[np.argmin(np.abs(as_good - k))])
    if forecast.gain(k, fastest, like).high >= 0 and k <= max(seen, int(within[0])):
        nearest = k
    baselines = dict.fromkeys(base for base in (size, SHIPPED_K) if base <= size)
    gains = {base: forecast.gain(k, base, like) for base in baselines}
    return Decision(
        k=k,
        recommended_k=nearest,
        equivalent=(int(as_good[0]), int(as_good[-1])),
        optimum_k=optimum,
        alpha=tradeoff.alpha,
        fastest_k=fastest,
        equivalent_alpha=implied_alpha(tradeoff, fastest),
        alpha_k=optimum_near(tradeoff, fastest),
        stability=stability,
        gains=gains,
        recommended_gains=gains
        if nearest == k
        else {base: forecast.gain(nearest, base) for base in baselines},
        too_little=_too_little(tradeoff, stability),
        seen=tradeoff.curve.distinct,
        constrained=tradeoff.floor > 0 or tradeoff.k_min > 1 or tradeoff.last_k < size,
        break_even=break_even(forecast, k, size),
        served=worst.name,
        basis=worst.basis,
        coverage=float(forecast.acceptance.coverage[like - 1]),
    )
