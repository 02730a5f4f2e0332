"""How far to trust a coverage and a k*: resampled conversations, held-out halves, unseen mass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numba
import numpy as np

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.responses import Responses
from vocabtrim_core.tradeoff import TradeOff

LEVEL = 0.95
Progress = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its percentile interval at LEVEL."""

    value: float
    low: float
    high: float


def _interval(value: float, draws: np.ndarray) -> Interval:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(low), float(high))


def _reflected(value: float, draws: np.ndarray) -> Interval:
    """Basic bootstrap: a resample re-selects on repeated conversations and so flatters itself the
    way the sample flatters itself; reflecting about the estimate takes that bias out."""
    plain = _interval(value, draws)
    return Interval(plain.value, 2 * plain.value - plain.high, 2 * plain.value - plain.low)


def unseen_mass(counts: np.ndarray) -> float:
    """Good-Turing estimate of the chance that the next token is one never seen: N1 / N."""
    return float(np.count_nonzero(counts == 1) / counts.sum())


def coverage_interval(
    responses: Responses, kept: np.ndarray, draws: int = 1000, seed: int = 0
) -> Interval:
    """Frequency-weighted coverage with a bootstrap over conversations.

    kept: bool[V].  Conversations, not tokens, are resampled, since tokens of one answer belong
    together. InputError when there are fewer than two conversations.
    """
    _need_two(responses)
    at = responses.conversation_offsets()
    inside = np.concatenate([[0], np.cumsum(kept[responses.ids])])
    hits, sizes = np.diff(inside[at]), np.diff(at)
    rng = np.random.default_rng(seed)
    samples = np.empty(draws)
    for i in range(draws):
        chosen = rng.integers(0, len(sizes), len(sizes))
        samples[i] = hits[chosen].sum() / max(sizes[chosen].sum(), 1)
    return _interval(hits.sum() / sizes.sum(), samples)


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """How k* moves with the sample (paper figure 3).

    sizes: conversations drawn.  ks: int64[len(sizes), repeats], k* of each subsample.
    bootstrap_k, bootstrap_coverage: k* and C(k*) under resampling of all conversations.
    """

    sizes: np.ndarray
    ks: np.ndarray
    bootstrap_k: Interval
    bootstrap_coverage: Interval
    unseen_mass: float
    conversations: int
    complete: bool


def stability(
    responses: Responses,
    tradeoff: TradeOff,
    *,
    sizes: Sequence[int] | None = None,
    repeats: int = 20,
    draws: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> Stability:
    """Repeat the selection on subsamples without replacement, and on bootstrap resamples.

    tradeoff gives alpha, floor, bounds and architecture; its own curve is the full sample's.
    """
    _need_two(responses)
    n = responses.conversations
    if sizes is None:
        steps = [b * 10**e for e in range(2, 9) for b in (1, 2, 5)]
        sizes = [s for s in steps if s < n]
    sizes = np.array(sorted({*sizes, n} if len(sizes) else {n}), np.int64)
    if sizes[0] < 1 or sizes[-1] > n:
        raise InputError(f"Sample sizes must lie within 1..{n:,}, the conversations there are.")
    rng = np.random.default_rng(seed)
    total = len(sizes) * repeats + draws
    done = 0
    at = responses.conversation_offsets()

    def optimum(counts: np.ndarray) -> tuple[int, float]:
        best = _resized(tradeoff, counts).optimum
        return best.k, best.coverage

    ks = np.empty((len(sizes), repeats), np.int64)
    for row, size in enumerate(sizes):
        for column in range(repeats):
            chosen = np.zeros(n, np.uint8)
            chosen[rng.choice(n, size, replace=False)] = 1
            ks[row, column] = optimum(_weighted(responses.ids, at, chosen, responses.vocab_size))[0]
            done += 1
            if progress:
                progress(done, total, f"subsamples of {size:,} conversations")
    boot = np.empty((draws, 2))
    for i in range(draws):
        times = rng.multinomial(n, np.full(n, 1 / n)).astype(np.uint8)
        boot[i] = optimum(_weighted(responses.ids, at, times, responses.vocab_size))
        done += 1
        if progress:
            progress(done, total, "bootstrap resamples")
    counts = responses.counts()
    best = _resized(tradeoff, counts).optimum
    return Stability(
        sizes,
        ks,
        _reflected(best.k, boot[:, 0]),
        _reflected(best.coverage, boot[:, 1]),
        unseen_mass(counts),
        n,
        responses.complete,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Optimism:
    """In-sample against held-out coverage, from repeated random halves of the conversations.

    ks: int64[points]; in_sample, held_out: float64[repeats, points] coverage of the half that
    chose the vocabulary and of the other half.
    """

    ks: np.ndarray
    in_sample: np.ndarray
    held_out: np.ndarray

    def at(self, k: int) -> Interval:
        """in-sample minus held-out coverage at the nearest computed k."""
        point = int(np.argmin(np.abs(self.ks - k)))
        gaps = self.in_sample[:, point] - self.held_out[:, point]
        return _interval(gaps.mean(), gaps)


def optimism(responses: Responses, repeats: int = 10, points: int = 60, seed: int = 0) -> Optimism:
    """Split by conversation, choose on one half, measure on the other."""
    _need_two(responses)
    n, size = responses.conversations, responses.vocab_size
    ks = np.unique(np.geomspace(1, size, points).astype(np.int64))
    rng = np.random.default_rng(seed)
    everything = responses.counts()
    inside, outside = np.empty((repeats, len(ks))), np.empty((repeats, len(ks)))
    for i in range(repeats):
        half = np.zeros(n, bool)
        half[rng.choice(n, n // 2, replace=False)] = True
        chosen = responses.counts(half)
        other = everything - chosen
        if not chosen.any() or not other.any():
            raise InputError("One half of the conversations holds no tokens; count more of them.")
        order = np.argsort(-chosen, kind="stable")
        inside[i] = (np.cumsum(chosen[order]) / chosen.sum())[ks - 1]
        outside[i] = (np.cumsum(other[order]) / other.sum())[ks - 1]
    return Optimism(ks, inside, outside)


def _resized(tradeoff: TradeOff, counts: np.ndarray) -> TradeOff:
    return TradeOff(
        CoverageCurve.of(counts),
        tradeoff.architecture,
        tradeoff.alpha,
        tradeoff.floor,
        tradeoff.k_min,
        tradeoff.k_max,
    )


def _need_two(responses: Responses) -> None:
    if responses.conversations < 2 or not responses.tokens:
        raise InputError(
            "An interval needs two conversations with counted tokens at least, but there are "
            f"{responses.conversations}; add conversations."
        )


@numba.njit(cache=True, nogil=True)
def _weighted(ids, at, times, size):  # pragma: no cover - compiled
    """int64[size]: counts with every conversation taken `times` times."""
    counts = np.zeros(size, np.int64)
    for c in range(len(times)):
        weight = times[c]
        if weight:
            for i in range(at[c], at[c + 1]):
                counts[ids[i]] += weight
    return counts
