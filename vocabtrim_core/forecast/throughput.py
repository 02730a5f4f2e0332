"""Predicted throughput for every k, as an interval: acceptance model times cycle model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.cycle_model import CycleRange
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
        full = self.measured.get(len(self.coverage), self.full_length)
        if full != self.full_length:
            raise InputError(
                f"The acceptance length of the full vocabulary is given twice, as "
                f"{self.full_length} and as {full}; give it once."
            )

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

        A measured length has a place between the two extremes, and where it lies outside them
        (a draft trained anew is another draft) a factor beyond the nearer one. Both are carried to
        other k along log k, the factor back to 1 at V, where the length is given; the further from
        a measurement, the more of the plain interval is admitted again.
        """
        low, high = self.pessimistic, self.optimistic
        points = {k: v for k, v in sorted(self.measured.items()) if k < len(low)}
        if not points:
            return low, high
        at, lengths = np.array(list(points)), np.array(list(points.values()))
        inside = np.clip(lengths, low[at - 1], high[at - 1])
        width = high[at - 1] - low[at - 1]
        place = np.divide(inside - low[at - 1], width, out=np.full(len(at), 0.5), where=width > 0)
        logs, log_at = np.log(np.arange(1, len(low) + 1)), np.log(at)
        places = np.interp(logs, log_at, place)
        factors = np.interp(logs, np.append(log_at, logs[-1]), np.append(lengths / inside, 1.0))
        middle = (low + places * (high - low)) * factors
        away = np.minimum(np.abs(logs[:, None] - log_at).min(axis=1) / np.log(REACH), 1)
        least = middle + away * (low * np.minimum(factors, 1) - middle)
        most = middle + away * (high * np.maximum(factors, 1) - middle)
        return np.clip(least, 1, self.depth + 1), np.clip(most, 1, self.depth + 1)


def order_free_ceiling(coverage: np.ndarray, depth: int) -> np.ndarray:
    """float64[V]: the ceiling that holds in whatever order the tokens come.

    A missing token ends its cycle, so there are at least as many cycles as missing tokens, and no
    cycle is longer than depth + 1. For counts without their responses.
    """
    with np.errstate(divide="ignore"):
        return np.minimum(depth + 1, 1 / (1 - np.minimum(coverage, 1)))


def acceptance_rate(length: float, depth: int) -> float:
    """The a in 0..1 with sum over j = 0..depth of a^j = length."""
    roots = np.roots([1.0] * depth + [1.0 - length])
    real = roots[np.abs(roots.imag) < 1e-9].real
    return float(np.clip(real[real >= -1e-9].max(), 0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Throughput relative to a baseline k for every k, under each pair of assumptions.

    lengths: least and most acceptance length, float64[V] each.  cycles: cycle time, two ends.
    Comparing two k, both lengths come from the same end, and both times too.
    low, high, middle: float64[V] least, most and geometric mean of the pairs, 1.0 = the baseline.
    recommended_range: the smallest and the largest throughput optimum of the pairs.
    """

    lengths: tuple[np.ndarray, np.ndarray]
    cycles: CycleRange
    baseline_k: int
    k_min: int = 1
    k_max: int | None = None
    low: np.ndarray = field(init=False)
    high: np.ndarray = field(init=False)
    middle: np.ndarray = field(init=False)
    recommended_range: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        size, last = len(self.lengths[0]), self.k_max
        for name, k in (("baseline", self.baseline_k), ("k-min", self.k_min), ("k-max", last)):
            if k is not None and not 1 <= k <= size:
                raise InputError(f"{name} {k:,} is outside 1..{size:,}.")
        if last is not None and last < self.k_min:
            raise InputError(
                f"The smallest k, {self.k_min:,}, is above the largest k, {last:,}; lower the one "
                "or raise the other."
            )
        pairs = self.relative(np.arange(1, size + 1), self.baseline_k)
        object.__setattr__(self, "low", pairs.min(axis=0))
        object.__setattr__(self, "high", pairs.max(axis=0))
        # The geometric mean, so that the recommended k is the same against every baseline.
        object.__setattr__(self, "middle", np.exp(np.log(pairs).mean(axis=0)))
        bests = [self.best(values) for values in pairs]
        object.__setattr__(self, "recommended_range", (min(bests), max(bests)))

    def relative(self, ks: np.ndarray, baseline_k: int) -> np.ndarray:
        """float64[4, len(ks)]: rho(k) = length(k)/length(base) * T(base)/T(k) per pair."""
        ks = np.asarray(ks)
        return np.stack(
            [
                length[ks - 1] / length[baseline_k - 1] * cycle.speedup(ks, baseline_k)
                for length in self.lengths
                for cycle in (self.cycles.fast, self.cycles.slow)
            ]
        )

    def best(self, values: np.ndarray) -> int:
        """The k within the bounds with the highest of `values`; ties go to the smaller k."""
        return self.k_min + int(np.argmax(values[self.k_min - 1 : self.k_max]))

    @property
    def recommended_k(self) -> int:
        """The throughput optimum of the middle."""
        return self.best(self.middle)

    def rates(self, ks: np.ndarray) -> np.ndarray:
        """float64[4, len(ks)]: output tokens/s of one sequence, length(k) / T(k), per pair."""
        ks = np.asarray(ks)
        return np.stack(
            [
                length[ks - 1] / cycle.cycle_s(ks)
                for length in self.lengths
                for cycle in (self.cycles.fast, self.cycles.slow)
            ]
        )

    def tokens_per_s(self, k: int) -> tuple[float, float]:
        """Least and most output tokens per second of one sequence."""
        rates = self.rates(np.array([k]))
        return float(rates.min()), float(rates.max())

    def against(self, k: int, other_k: int) -> tuple[float, float]:
        """Least and most relative gain of k over other_k (0.03 = +3 %)."""
        gains = self.relative(np.array([k]), other_k)[:, 0] - 1
        return float(gains.min()), float(gains.max())


def forecast(
    acceptance: AcceptanceModel,
    cycles: CycleRange,
    *,
    baseline_k: int | None = None,
    k_min: int = 1,
    k_max: int | None = None,
) -> Forecast:
    """The forecast for every k; baseline_k None is V. InputError for a k outside 1..V."""
    base = len(acceptance.coverage) if baseline_k is None else baseline_k
    return Forecast(acceptance.interval(), cycles, base, k_min, k_max)


def implied_alpha(tradeoff: TradeOff, k: int) -> float:
    """The alpha in 0..1 whose utility optimum is at k: the alpha this hardware implies.

    At the optimum a token's share of the corpus equals (1 - alpha)/alpha * 2H/FLOPs(V).
    """
    architecture, curve = tradeoff.architecture, tradeoff.curve
    slope = 2 * architecture.hidden_size / architecture.flops(curve.vocab_size)
    share = curve.sorted_counts[curve.check_k(k) - 1] / curve.tokens
    return float(slope / (slope + share))
