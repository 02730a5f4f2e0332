"""Predicted throughput for every k, with a 90 % band: acceptance model times cycle model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.band import around
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.tradeoff import TradeOff


class Gain(NamedTuple):
    """A relative change with its 90 % band; 0.03 = +3 %.

    Attributes:
        low: Lower end.
        middle: Expected.
        high: Upper end.
    """

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Throughput relative to a baseline k, for every k.

    Attributes:
        acceptance: Acceptance length at every k.
        cycles: Seconds per cycle at every k.
        baseline_k: The k whose throughput is 1.0.
        low: float64[V], lower end of the 90 % band.
        middle: float64[V], expected.
        high: float64[V], upper end.
    """

    acceptance: AcceptanceModel
    cycles: CycleRange
    baseline_k: int
    low: np.ndarray = field(init=False)
    middle: np.ndarray = field(init=False)
    high: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.acceptance.coverage)
        if not 1 <= self.baseline_k <= size:
            raise InputError(f"baseline {self.baseline_k:,} is outside 1..{size:,}.")
        every = np.arange(1, size + 1)
        for name, values in zip(
            ("low", "middle", "high"), self.relative(every, self.baseline_k), strict=True
        ):
            object.__setattr__(self, name, values)

    @property
    def lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """float64[V] twice: the ends of the acceptance length's 90 % band."""
        return self.acceptance.interval()

    def relative(
        self, ks: np.ndarray, baseline_k: int, accepted_like: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Throughput at ks over that at baseline_k.

        Args:
            ks: int64[n], rows of the draft's head, each 1..V.
            baseline_k: The k compared with.
            accepted_like: int64[n], the k whose acceptance length holds; None for ks. Tokens that
                are not the most frequent ones cover as much as fewer of those.

        Returns:
            (low, middle, high), float64[n] each: 1.0 is as fast as the baseline.
        """
        ks = np.asarray(ks)
        like = ks if accepted_like is None else np.asarray(accepted_like)
        lengths = self.acceptance.middle
        expected = self.cycles.middle.speedup(ks, baseline_k)
        middle = lengths[like - 1] / lengths[baseline_k - 1] * expected
        fast, slow = (
            np.log(model.speedup(ks, baseline_k) / expected) for model in self.cycles.ends
        )
        return around(middle, [*self.acceptance.deviations(like, baseline_k), (fast, slow)])

    def rates(self, ks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Output tokens/s of one sequence: acceptance length / seconds per cycle.

        Args:
            ks: int64[n], each 1..V.

        Returns:
            (low, middle, high), float64[n] each.
        """
        ks = np.asarray(ks)
        expected = self.cycles.middle.cycle_s(ks)
        middle = self.acceptance.middle[ks - 1] / expected
        fast, slow = (np.log(expected / model.cycle_s(ks)) for model in self.cycles.ends)
        return around(middle, [*self.acceptance.deviations(ks), (fast, slow)])

    def tokens_per_s(self, k: int) -> tuple[float, float]:
        """Compute output tokens per second of one sequence.

        Args:
            k: Rows of the draft's head, 1..V.

        Returns:
            Both ends of the band.
        """
        low, _, high = self.rates(np.array([k]))
        return float(low[0]), float(high[0])

    def gain(self, k: int, other_k: int, accepted_like: int | None = None) -> Gain:
        """Compute the relative gain of k over another size.

        Args:
            k: Rows of the draft's head, 1..V.
            other_k: The k compared with, 1..V.
            accepted_like: The k whose acceptance length holds; None for k.

        Returns:
            The gain with its band.
        """
        like = np.array([accepted_like or k])
        return Gain(*(float(end[0]) - 1 for end in self.relative(np.array([k]), other_k, like)))


def forecast(
    acceptance: AcceptanceModel, cycles: CycleRange, *, baseline_k: int | None = None
) -> Forecast:
    """The forecast for every k.

    Args:
        acceptance: Acceptance length at every k.
        cycles: Seconds per cycle at every k.
        baseline_k: The k compared with; None for V.

    Returns:
        The forecast.

    Raises:
        InputError: The baseline is outside 1..V.
    """
    base = len(acceptance.coverage) if baseline_k is None else baseline_k
    return Forecast(acceptance, cycles, base)


def optimum_near(tradeoff: TradeOff, k: int) -> int:
    """The size nearest to k at which the optimum of some alpha in 0..1 can lie.

    Among tokens that occur equally often each adds the same to coverage and costs the same, so no
    alpha stops between them.

    Args:
        tradeoff: Counts and architecture.
        k: The size, 1..V.

    Returns:
        k itself where the token after it is rarer; else the nearer end of the run of equally
        frequent tokens, the smaller one in a tie. No alpha keeps tokens that never occur.
    """
    counts = tradeoff.curve.sorted_counts
    own = counts[tradeoff.curve.check_k(k) - 1]
    before = int(np.flatnonzero(counts[:k] != own)[-1]) + 1 if (counts[:k] != own).any() else 0
    others = np.flatnonzero(counts[k:] != own)
    last = k + int(others[0]) if len(others) else len(counts)
    if before and (own == 0 or k - before <= last - k != 0):
        return before
    return last


def implied_alpha(tradeoff: TradeOff, k: int) -> float:
    """The alpha in 0..1 whose utility optimum is exactly k: its equivalent alpha.

    The optimum is k as long as (1 - alpha)/alpha * 2H/FLOPs(V) lies between the corpus share of
    the k-th token and that of the next. Of that range the alpha with the fewest digits is returned.

    Args:
        tradeoff: Counts and architecture.
        k: The size, 1..V.

    Returns:
        The alpha; of `optimum_near` where k lies among equally frequent tokens.
    """
    architecture, curve = tradeoff.architecture, tradeoff.curve
    k = optimum_near(tradeoff, k)
    slope = 2 * architecture.row_weights / architecture.flops(curve.vocab_size)
    last = curve.sorted_counts[k - 1] / curve.tokens
    after = curve.sorted_counts[k] / curve.tokens if k < curve.vocab_size else 0.0
    least, most = slope / (slope + last), slope / (slope + after)
    middle = float((least + most) / 2)
    rounded = (round(middle, digits) for digits in range(2, 15))
    margin = (most - least) / 100  # at an end itself, rounding decides between two sizes
    return next((alpha for alpha in rounded if least + margin < alpha < most - margin), middle)
