"""Predicted throughput for every k, as an interval: acceptance model times cycle model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.cycle_model import CycleRange
from vocabtrim_core.errors import InputError
from vocabtrim_core.tradeoff import TradeOff

# A measured acceptance length narrows the interval around its k; at this factor away (12,000 to
# 48,000 tokens, say) the interval is as wide as without it. An assumption, said where it is shown.
REACH = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class AcceptanceModel:
    """Acceptance length at every k, between two extremes.

    coverage: float64[V], C(k) on the responses to be served.  ceiling: float64[V], a perfect
    draft's acceptance length there at this depth.  full_length: acceptance length of the
    full-vocabulary draft, in 1..depth+1.  measured: k -> acceptance length of trained drafts.
    """

    coverage: np.ndarray
    ceiling: np.ndarray
    depth: int
    full_length: float
    measured: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        top = self.depth + 1
        for k, length in ((len(self.coverage), self.full_length), *self.measured.items()):
            if not 1 <= length <= top:
                raise InputError(
                    f"An acceptance length at draft depth {self.depth} lies within 1..{top}, "
                    f"but {length} is given for k = {k:,}."
                )
            if not 1 <= k <= len(self.coverage):
                raise InputError(f"k = {k:,} is outside 1..{len(self.coverage):,}.")

    @property
    def optimistic(self) -> np.ndarray:
        """float64[V]: tokens outside the vocabulary are ones the draft would miss anyway."""
        return np.minimum(self.full_length, self.ceiling)

    @property
    def pessimistic(self) -> np.ndarray:
        """float64[V]: they are independent of the draft's other misses, sum over j of (a C)^j.

        a is the per-token acceptance that gives full_length at C = 1.
        """
        chance = acceptance_rate(self.full_length, self.depth) * self.coverage
        independent = sum(chance**j for j in range(self.depth + 1))
        return np.minimum(independent, self.optimistic)

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """float64[V] twice: least and most acceptance length, narrowed by what was measured.

        A measured length may lie outside the two extremes; near its k the interval follows it.
        """
        low, high = self.pessimistic, self.optimistic
        points = {k: v for k, v in sorted(self.measured.items()) if high[k - 1] > low[k - 1]}
        if not points:
            return low, high
        at = np.array(list(points))
        place = (np.array(list(points.values())) - low[at - 1]) / (high[at - 1] - low[at - 1])
        logs, log_at = np.log(np.arange(1, len(low) + 1)), np.log(at)
        middle = np.interp(logs, log_at, place)
        away = np.abs(logs[:, None] - log_at).min(axis=1) / np.log(REACH)
        away = np.minimum(away, 1)
        least = middle + away * (np.minimum(0, middle) - middle)
        most = middle + away * (np.maximum(1, middle) - middle)
        return low + least * (high - low), low + most * (high - low)


def acceptance_rate(length: float, depth: int) -> float:
    """The a in 0..1 with sum over j = 0..depth of a^j = length."""
    roots = np.roots([1.0] * depth + [1.0 - length])
    real = roots[np.abs(roots.imag) < 1e-9].real
    return float(np.clip(real[real >= -1e-9].max(), 0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Throughput relative to a baseline k, for every k: float64[V] each, 1.0 = as the baseline."""

    baseline_k: int
    low: np.ndarray
    high: np.ndarray
    length_low: np.ndarray
    length_high: np.ndarray
    k_min: int = 1
    k_max: int | None = None

    @property
    def middle(self) -> np.ndarray:
        """float64[V]: midpoint of the interval, what the recommendation maximises."""
        return (self.low + self.high) / 2

    def best(self, values: np.ndarray) -> int:
        """The k within the bounds with the highest of `values`; ties go to the smaller k."""
        return self.k_min + int(np.argmax(values[self.k_min - 1 : self.k_max]))

    @property
    def recommended_k(self) -> int:
        """The throughput optimum of the midpoint."""
        return self.best(self.middle)

    @property
    def recommended_range(self) -> tuple[int, int]:
        """Throughput optima of the two ends of the interval, smaller first."""
        first, second = sorted((self.best(self.low), self.best(self.high)))
        return first, second

    def against(self, k: int, other_k: int) -> tuple[float, float]:
        """Least and most relative gain of k over other_k (0.03 = +3 %), end against same end."""
        ends = [self.low[k - 1] / self.low[other_k - 1], self.high[k - 1] / self.high[other_k - 1]]
        return min(ends) - 1, max(ends) - 1


def forecast(
    acceptance: AcceptanceModel,
    cycles: CycleRange,
    *,
    baseline_k: int | None = None,
    k_min: int = 1,
    k_max: int | None = None,
) -> Forecast:
    """rho(k) = length(k)/length(baseline) * T(baseline)/T(k) at both ends of both models.

    baseline_k None is V. Both lengths of a ratio come from the same end of the interval.
    """
    size = len(acceptance.coverage)
    base = size if baseline_k is None else baseline_k
    if not 1 <= base <= size:
        raise InputError(f"The baseline k = {base:,} is outside 1..{size:,}.")
    ks = np.arange(1, size + 1)
    length_low, length_high = acceptance.interval()
    speedups = np.stack([cycles.fast.speedup(ks, base), cycles.slow.speedup(ks, base)])
    low = length_low / length_low[base - 1] * speedups.min(axis=0)
    high = length_high / length_high[base - 1] * speedups.max(axis=0)
    low, high = np.minimum(low, high), np.maximum(low, high)
    return Forecast(base, low, high, length_low, length_high, k_min, k_max)


def implied_alpha(tradeoff: TradeOff, k: int) -> float:
    """The alpha in 0..1 whose utility optimum is at k: the alpha this hardware implies.

    At the optimum a token's share of the corpus equals (1 - alpha)/alpha * 2H/FLOPs(V).
    """
    architecture, curve = tradeoff.architecture, tradeoff.curve
    slope = 2 * architecture.hidden_size / architecture.flops(curve.vocab_size)
    share = curve.sorted_counts[curve.check_k(k) - 1] / curve.tokens
    return float(slope / (slope + share))
