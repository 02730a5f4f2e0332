"""How well a sample determines k*: an interval for the k* of unlimited text of the same kind.

The k* of a sample differs from that of its source in three ways.
- Whole counts: a token is kept when it occurs at least so many times, so k* changes by all tokens
of one count at once as the sample grows. Counts are therefore read as a curve that is continuous
between whole numbers.
- Bias: by chance more rare tokens come above the threshold than frequent ones below it, and the
rarest are not seen at all. On halves of the sample the bias is about twice as large, so the
difference is subtracted once. The part that halves do not show has stayed below half a count on
real text (benchmarks/generalize_calibration.py), and widens the interval to that side.
- Spread, measured by correcting random halves in the same way (by halves of them): halves differ
from the sample as the sample does from its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.generalization.held_out import StabilitySample, held_out_curve
from vocabtrim_core.tradeoff import TradeOff

Z = 1.96  # of a normal 95 % interval
RESOLUTION = 0.5  # occurrences: bias that halves do not show, and the least difference of counts


@dataclass(frozen=True, slots=True, eq=False)
class CountCurve:
    """Number of tokens that occur more than x times, for real x; log-linear between half counts.

    Attributes:
        rising: int64[V], the counts in ascending order.
    """

    rising: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray) -> CountCurve:
        """Sort counts.

        Args:
            counts: int64[V].

        Returns:
            The curve.
        """
        return cls(np.sort(counts))

    def above(self, occurrences: float) -> float:
        """Number of tokens that occur more than so many times.

        Below half an occurrence it rises to Chao's estimate of the number of distinct tokens, seen
        or not.

        Args:
            occurrences: 0 or more; may be infinite.

        Returns:
            At least 0.5.
        """
        if not np.isfinite(occurrences):
            return 0.5
        whole = int(occurrences + 0.5)
        part = occurrences - (whole - 0.5) if whole else 2 * occurrences
        upper = self._from(whole) if whole else self._kinds()
        return float(upper ** (1 - part) * self._from(whole + 1) ** part)

    def level(self, k: float) -> float:
        """The number of occurrences that about k tokens exceed; the inverse of `above`.

        Args:
            k: Number of tokens, above 0.

        Returns:
            0 where k is above the number of seen tokens.
        """
        place = min(max(int(np.ceil(k)), 1), len(self.rising))
        whole = int(self.rising[-place])
        if not whole:
            return 0.0
        upper, lower = self._from(whole), self._from(whole + 1)
        part = np.log(upper / max(k, 0.5)) / np.log(upper / lower)
        return whole - 0.5 + float(np.clip(part, 0, 1))

    def smallest_k(self, floor: float) -> int:
        """Fewest tokens that cover a share of the sample itself.

        Args:
            floor: Coverage, 0..1.

        Returns:
            1..V.
        """
        covered = np.cumsum(self.rising[::-1])
        return min(int(np.searchsorted(covered, floor * covered[-1])) + 1, len(covered))

    def _from(self, occurrences: int) -> float:
        return max(len(self.rising) - float(np.searchsorted(self.rising, occurrences)), 0.5)

    def _kinds(self) -> float:
        seen, beyond_one, beyond_two = (self._from(n) for n in (1, 2, 3))
        once, twice = seen - beyond_one, beyond_one - beyond_two
        return seen + once**2 / (2 * max(twice, 1))


def _parts(
    sample: StabilitySample, draws: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Counts of a random half of the units and of half of those, `draws` times."""
    units = sample.units
    for _ in range(draws):
        order = rng.permutation(units)
        half, quarter = np.zeros((2, units), np.uint8)
        half[order[: units // 2]] = 1
        quarter[order[: units // 4]] = 1
        yield sample.weighted(half), sample.weighted(quarter)


@dataclass(frozen=True, slots=True)
class KInterval:
    """An estimate of the k* of the source, from a sample.

    Attributes:
        expected: The sample's own k* without its bias.
        low: Lower end at 95 %.
        high: Upper end at 95 %; the largest k allowed where the sample is too small for a bound.
        bounded: Whether the sample is large enough for an upper end.
    """

    expected: float
    low: float
    high: float
    bounded: bool


def k_interval(
    sample: StabilitySample,
    tradeoff: TradeOff,
    *,
    draws: int = 200,
    seed: int | np.random.Generator = 0,
    step: Callable[[], None] = lambda: None,
) -> KInterval:
    """Estimate the interval for k* of the text that a sample stands for.

    Args:
        sample: Two units at least (`StabilitySample`).
        tradeoff: Gives alpha, floor, bounds and architecture; its own curve is not used.
        draws: Random halves, which come in pairs: each with the other half.
        seed: Of the halves.
        step: Called after each pair of halves.

    Returns:
        The interval, within the bounds of the trade-off.
    """
    counts = sample.weighted(np.ones(sample.units, np.uint8))
    share = float(tradeoff.least_share(tradeoff.alpha))

    def sizes(part: np.ndarray) -> np.ndarray:
        """k* of these counts by the threshold, and by the least coverage."""
        curve = CountCurve.of(part)
        by_floor = curve.smallest_k(tradeoff.floor) if tradeoff.floor else 1
        return np.array([curve.above(share * part.sum()), by_floor])

    means, corrected = [], []
    for half, quarter in _parts(sample, max(draws // 2, 2), np.random.default_rng(seed)):
        of_half = sizes(half)
        means.append((of_half + sizes(counts - half)) / 2)
        corrected.append(2 * of_half - (sizes(quarter) + sizes(half - quarter)) / 2)
        step()
    share_mean, floor_mean = np.mean(means, axis=0)
    share_sd, floor_sd = np.std(corrected, axis=0, ddof=1)

    curve, least = CountCurve.of(counts), share * counts.sum()
    expected = 2 * curve.above(least) - share_mean
    down = curve.above(least) - curve.above(least + RESOLUTION)
    # Below one occurrence unseen tokens matter, and halves show too few of them.
    up = curve.above(max(least - RESOLUTION, 0)) - curve.above(least) if least < 1 else 0
    low, high = expected - down - Z * share_sd, expected + up + Z * share_sd
    bounded = bool(least >= RESOLUTION)
    if tradeoff.floor:
        # In-sample coverage is above that of the source, held-out coverage below.
        inside = 2 * curve.smallest_k(tradeoff.floor) - floor_mean
        outside = np.searchsorted(held_out_curve(sample), tradeoff.floor) + 1
        expected = max(expected, (inside + outside) / 2)
        low, high = max(low, inside - Z * floor_sd), max(high, outside + Z * floor_sd)
    first, last = tradeoff.k_min, tradeoff.last_k
    if not bounded:
        high = last
    expected, low, high = (float(np.clip(k, first, last)) for k in (expected, low, high))
    return KInterval(expected, low, high, bounded)
