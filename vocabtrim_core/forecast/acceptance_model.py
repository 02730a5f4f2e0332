"""Acceptance length of a trimmed draft at every k, with a 90 % band (see `retraining`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import expit, logit

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.band import Z, around
from vocabtrim_core.forecast.retraining import DECAY, LENGTH_NOISE, RARITY, Retraining, retraining

# A measured acceptance length narrows the band around its k; at this factor away (12,000 to
# 48,000 tokens, say) the band is as wide as without it. This is an assumption.
REACH = 4.0
LARGEST_RATE = 1 - 1e-9  # keeps logit finite


def position_rates(length: float, depth: int, decay: float = DECAY) -> np.ndarray:
    """Acceptance per draft position that gives an acceptance length.

    Args:
        length: Tokens per verification, the target's own included, within 1..depth + 1.
        depth: Drafted tokens K.
        decay: Ratio of each position's acceptance to the one before.

    Returns:
        float64[depth]: chance that position j is accepted when all before it were, each 0..1.
    """
    steps = decay ** np.arange(depth)

    def missing(first: float) -> float:
        return expected_tokens(np.minimum(first * steps, 1)) - length

    if missing(0) >= 0:
        return np.zeros(depth)
    most = 1 / steps[-1]
    if missing(most) <= 0:
        return np.ones(depth)
    first = root_scalar(missing, bracket=(0, most), xtol=1e-12).root
    return np.minimum(first * steps, 1)


def expected_tokens(rates: Sequence[float] | np.ndarray) -> float:
    """Compute the acceptance length: 1 + sum over j of the product of the first j rates.

    Args:
        rates: float[K], acceptance of each position after all before it, 0..1.

    Returns:
        1..K + 1.
    """
    return float(1 + np.cumprod(rates).sum())


def order_free_ceiling(coverage: np.ndarray, depth: int) -> np.ndarray:
    """The ceiling that holds in whatever order the tokens come, for counts without responses.

    A missing token ends its cycle, so there are at least as many cycles as missing tokens, and no
    cycle is longer than depth + 1.

    Args:
        coverage: float64[n], shares 0..1.
        depth: Drafted tokens K.

    Returns:
        float64[n]: tokens per cycle of a perfect draft, at most.
    """
    with np.errstate(divide="ignore"):
        return np.minimum(depth + 1, 1 / (1 - np.minimum(coverage, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class AcceptanceModel:
    """Acceptance length at every k: the expected one, and those at the ends of each assumption.

    Attributes:
        coverage: float64[V], C(k) on the evaluation traffic.
        ceiling: float64[V], acceptance length of a perfect draft there at this depth.
        depth: Drafted tokens K.
        full_length: Acceptance length of the full-vocabulary draft, within 1..K + 1.
        measured: k -> acceptance length of trained drafts; they narrow the band around them.
        training: How trimmed drafts are made, a key of RETRAININGS.
        rates: Measured acceptance per position of the full draft, K values; empty: falling by DECAY
            from one position to the next.
        full_range: Least and most of `full_length` that 90 % hold, where it was inferred or
            assumed; empty where it was measured.
        middle: float64[V], the expected acceptance length.
        spreads: Name of an assumption -> acceptance lengths at its two ends, float64[V] each.
        away: float64[V], 0 at a measured k, rising to 1 at a factor REACH from it.
    """

    coverage: np.ndarray
    ceiling: np.ndarray
    depth: int
    full_length: float
    measured: Mapping[int, float] = field(default_factory=dict)
    training: str = "other-text"
    rates: Sequence[float] = ()
    full_range: Sequence[float] = ()
    middle: np.ndarray = field(init=False)
    spreads: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(init=False)
    away: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._check()
        low, high = -Z, Z
        mean, spread = RARITY
        terms = self.terms
        plain = self._lengths(mean, terms.shift)
        factor, away = self._measured(plain)
        ends = {
            "rarity": (self._lengths(mean + z * spread, terms.shift) for z in (low, high)),
            "training": (self._lengths(mean, terms.shift + z * terms.spread) for z in (low, high)),
        }
        top = self.depth + 1
        middle = np.clip(plain * factor, 1, top)
        spreads = {
            name: tuple(np.clip(middle * (end / plain) ** away, 1, top) for end in pair)
            for name, pair in ends.items()
        }
        if self.full_range:
            other_lengths = (self._lengths(mean, terms.shift, full) for full in self.full_range)
            spreads["full length"] = tuple(
                np.clip(lengths * self._measured(lengths)[0], 1, top) for lengths in other_lengths
            )
        object.__setattr__(self, "middle", middle)
        object.__setattr__(self, "away", away)
        object.__setattr__(self, "spreads", spreads)

    def _check(self) -> None:
        size, top = len(self.coverage), self.depth + 1
        for k, length in ((size, self.full_length), *self.measured.items()):
            _check_length(length, k, self.depth)
            if not 1 <= k <= size:
                raise InputError(f"k = {k:,} is outside 1..{size:,}.")
        full = self.measured.get(size, self.full_length)
        if full != self.full_length:
            raise InputError(
                f"The acceptance length of the full vocabulary is given twice, as "
                f"{self.full_length} and as {full}; give it once."
            )
        if self.full_range:
            ends = tuple(self.full_range)
            if len(ends) != 2 or not 1 <= ends[0] <= self.full_length <= ends[1] <= top:
                raise InputError(
                    f"The acceptance length of the full vocabulary, {self.full_length:g}, lies "
                    f"between a least and a most within 1..{top}, but "
                    f"{', '.join(f'{end:g}' for end in ends)} is given for these."
                )
        if not self.rates:
            return
        if len(self.rates) != self.depth or not all(0 <= rate <= 1 for rate in self.rates):
            raise InputError(
                f"Acceptance per position at draft depth {self.depth} is {self.depth} shares of "
                f"0..1, but {', '.join(map(str, self.rates))} is given."
            )
        if abs(expected_tokens(self.rates) - self.full_length) > 0.02 * self.full_length:
            raise InputError(
                f"These acceptances per position make an acceptance length of "
                f"{expected_tokens(self.rates):.2f}, but {self.full_length:.2f} is given for the "
                "full vocabulary; give the two of one measurement."
            )

    @property
    def terms(self) -> Retraining:
        """The terms of how trimmed drafts are made."""
        return retraining(self.training)

    def _lengths(self, rarity: float, delta: float, full: float | None = None) -> np.ndarray:
        """float64[V]: the model at one value of each assumption; at V the full draft's length."""
        assumed = position_rates(self.full_length, self.depth)
        rates = np.array(self.rates) if self.rates else assumed
        if full is None:
            full = self.full_length
        else:  # as much more or less often at each position as the assumed shape says
            change = position_rates(full, self.depth) / np.maximum(assumed, 1 - LARGEST_RATE)
            rates = np.minimum(rates * change, 1)
        missing = 1 - self.coverage
        accepted, length = np.ones_like(missing), np.ones_like(missing)
        for rate in np.minimum(rates, LARGEST_RATE):
            right_where_missing = expit(logit(rate) - rarity) if rate > 0 else 0.0
            here = (rate - right_where_missing * missing) * np.exp(delta)
            accepted = accepted * np.minimum(np.maximum(here, 0), self.coverage)
            length = length + accepted
        length = np.minimum(length, self.ceiling)
        length[-1] = full
        return length

    def _measured(self, plain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The effect of measured lengths: a factor, and the share of the band that is left.

        The factor at a measured k leads from the model to the measurement. It is interpolated along
        log k, to 1 at V, where the length is given.

        Returns:
            float64[V] twice.
        """
        size = len(self.coverage)
        points = {k: v for k, v in sorted(self.measured.items()) if k < size}
        if not points:
            return np.ones(size), np.ones(size)
        at, lengths = np.array(list(points)), np.array(list(points.values()))
        logs, log_at = np.log(np.arange(1, size + 1)), np.log(at)
        factors = np.append(np.log(lengths / plain[at - 1]), 0.0)
        factor = np.exp(np.interp(logs, np.append(log_at, logs[-1]), factors))
        away = np.minimum(np.abs(logs[:, None] - log_at).min(axis=1) / np.log(REACH), 1)
        return factor, away

    def deviations(
        self, ks: np.ndarray, base: int | None = None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Log deviations of an acceptance length, or of its ratio to the one at `base`.

        Args:
            ks: int64[n], each 1..V.
            base: The k compared with; None for the length itself.

        Returns:
            Per assumption its two ends, float64[n] each, for `band.combined`.
        """
        deviations = []
        for pair in self.spreads.values():
            ends = [np.log(end[ks - 1] / self.middle[ks - 1]) for end in pair]
            if base is not None:
                of_base = [np.log(end[base - 1] / self.middle[base - 1]) for end in pair]
                ends = [end - at_base for end, at_base in zip(ends, of_base, strict=True)]
            deviations.append(tuple(ends))
        size = len(self.coverage)
        noise = Z * self.terms.noise * self.away[ks - 1] * (ks < size)
        if base is not None:
            noise = np.where(ks == base, 0.0, noise if base < size else 0.0)
        deviations.append((-noise, noise))
        return deviations

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """float64[V] twice: the ends of the 90 % band of the acceptance length."""
        every = np.arange(1, len(self.coverage) + 1)
        low, _, high = around(self.middle, self.deviations(every))
        top = np.minimum(np.maximum(self.ceiling, self.middle), self.depth + 1)
        return np.maximum(low, 1), np.minimum(high, top)


def _check_length(length: float, k: int, depth: int) -> None:
    """InputError where an acceptance length is outside 1..K + 1."""
    if not 1 <= length <= depth + 1:
        raise InputError(
            f"An acceptance length at draft depth {depth} lies within 1..{depth + 1}, but {length} "
            f"is given for k = {k:,}."
        )


def full_length_from(
    lengths: Mapping[int, float],
    coverage: np.ndarray,
    depth: int,
    training: str,
    noise: float = LENGTH_NOISE,
) -> tuple[float, float, float]:
    """Acceptance length of the full draft from that of the largest measured k.

    Args:
        lengths: k -> measured acceptance length; the largest k is used.
        coverage: float64[V], C(k) on the text that was served.
        depth: Drafted tokens K.
        training: How the measured draft was made, a key of RETRAININGS.
        noise: Standard deviation of the logarithm of the measured length.

    Returns:
        (expected, least, most): the full draft's length under the model, and where the model's
        90 % band at that k, with the noise of the measurement, would still hold what was measured.

    Raises:
        InputError: k is outside 1..V, or the length outside 1..K + 1.
    """
    k = max(lengths)
    if not 1 <= k <= len(coverage):
        raise InputError(f"k = {k:,} was measured, but the target has {len(coverage):,} tokens.")
    length = lengths[k]
    _check_length(length, k, depth)
    if k == len(coverage):
        return length, length, length
    two_coverages = np.array([coverage[k - 1], 1.0])
    top = np.full(2, depth + 1.0)

    def trimmed(full: float, end: int | None) -> float:
        model = AcceptanceModel(two_coverages, top, depth, full, training=training)
        if end is None:
            return float(model.middle[0]) - length
        deviations = [*model.deviations(np.array([1])), (-Z * noise, Z * noise)]
        return float(around(model.middle[:1], deviations)[2 * end][0]) - length

    def solved(end: int | None) -> float:
        if trimmed(1.0, end) >= 0:
            return 1.0
        if trimmed(depth + 1.0, end) <= 0:
            return depth + 1.0
        solution = root_scalar(trimmed, args=(end,), bracket=(1.0, depth + 1.0), xtol=1e-6)
        return float(solution.root)

    return solved(None), solved(1), solved(0)
