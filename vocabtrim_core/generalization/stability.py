"""How k* moves with the sample it is chosen from (paper figure 3), and how well it is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counting.shard_counts import ShardCounts, load_shards
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.held_out import StabilitySample
from vocabtrim_core.generalization.uncertainty import CoverageInterval
from vocabtrim_core.tradeoff import TradeOff

Progress = Callable[..., None]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Counts by piece of a corpus as a sample: coarser than conversations, but of any corpus."""

    shards: ShardCounts
    vocab_size: int

    @property
    def conversations(self) -> int:
        return int(self.shards.conversations.sum())

    @property
    def units(self) -> int:
        return len(self.shards)

    def weighted(self, times: np.ndarray) -> np.ndarray:
        return self.shards.total(self.vocab_size, times.astype(np.int64))


LEAST_PIECES = 8  # fewer pieces say less than a random part of the conversations


def best_sample(
    counts: TokenCounts, responses: Responses | None
) -> tuple[StabilitySample, str] | None:
    """What resampling draws from: all conversations, else pieces of the corpus, else a part.

    Args:
        counts: Counts of the corpus.
        responses: Its responses, None where they are not stored.

    Returns:
        (the sample, what it is made of in a few words); None where nothing is stored.
    """
    if responses is not None and responses.complete:
        return responses, "conversations"
    shards = load_shards(counts.key)
    if shards is not None and len(shards) >= LEAST_PIECES:
        return Pieces(shards, counts.vocab_size), f"{len(shards)} pieces of the corpus"
    if responses is not None:
        return responses, f"{responses.conversations:,} random conversations of the corpus"
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """How k* moves with the sample (paper figure 3).

    sizes: int64, conversations drawn.  ks: int64[len(sizes), repeats], k* of each subsample.
    k: k* of all conversations with its interval.  least_count: occurrences of the rarest kept
    token: where they are few, k* hangs on single occurrences.
    """

    sizes: np.ndarray
    ks: np.ndarray
    k: CoverageInterval
    least_count: int
    conversations: int

    @property
    def plus_minus(self) -> int:
        """The larger distance from k* to an end of its interval."""
        return round(max(self.k.high - self.k.value, self.k.value - self.k.low))

    def sentence(self) -> str:
        """What to tell people."""
        text = (
            f"With your {self.conversations:,} conversations k* = {self.k.value:,.0f} is known to "
            f"± {self.plus_minus:,} ({self.plus_minus / self.k.value:.1%})."
        )
        if self.least_count < 5:
            text += (
                f" The rarest token kept occurs {self.least_count} times only, so k* hangs on "
                "single occurrences; add conversations."
            )
        return text


def stability(
    sample: StabilitySample,
    tradeoff: TradeOff,
    *,
    sizes: Sequence[int] | None = None,
    repeats: int = 20,
    draws: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> Stability:
    """Choose k* again from subsamples without replacement, and from random halves.

    tradeoff gives alpha, floor, bounds and architecture; its own curve is not used. sizes: numbers
    of conversations, by default 1, 2, 5 times powers of ten.

    The interval rests on halves rather than on a bootstrap: a resample repeats conversations, so
    rare tokens pile up in it and k* comes out unlike that of any real sample, whereas a half is a
    real, smaller one. Halves differ from the whole by as much as the whole from the source, in
    spread and (where bias shrinks as 1/n) in bias; both go into the width, and so does the step of
    k* when each kept token must occur once more or once less.
    """
    n = sample.units
    if n < 2:
        raise InputError(
            f"An interval needs two conversations with counted tokens at least, but there are {n}; "
            "add conversations."
        )
    each = sample.conversations / n
    wanted = _units(sizes, n, each, sample.conversations)
    rng = np.random.default_rng(seed)
    total, done = len(wanted) * repeats + draws, 0

    def drawn(units: int, what: str) -> int:
        nonlocal done
        chosen = np.zeros(n, np.uint8)
        chosen[rng.choice(n, units, replace=False)] = 1
        k = _again(tradeoff, sample.weighted(chosen)).optimum.k
        done += 1
        if progress:
            progress(done, total, what)
        return k

    counts = sample.weighted(np.ones(n, np.uint8))
    whole = _again(tradeoff, counts)
    best = whole.optimum.k
    ks = np.full((len(wanted), repeats), best, np.int64)
    for row, units in enumerate(wanted):
        for column in range(repeats if units < n else 0):
            ks[row, column] = drawn(units, f"subsamples of {round(units * each):,} conversations")
    done = len(wanted) * repeats
    halves = np.array([drawn(n // 2, "random halves") for _ in range(draws)])
    away = np.hypot(1.96 * halves.std(), halves.mean() - best)
    least = int(whole.curve.sorted_counts[best - 1])
    low = min(best - away, np.count_nonzero(counts > least))
    high = max(best + away, np.count_nonzero(counts >= least - 1) if least > 1 else _kinds(counts))
    return Stability(
        np.round(np.array(wanted) * each).astype(np.int64),
        ks,
        CoverageInterval(best, float(max(low, tradeoff.k_min)), float(min(high, tradeoff.last_k))),
        least,
        sample.conversations,
    )


def _units(sizes: Sequence[int] | None, units: int, each: float, conversations: int) -> list[int]:
    """Numbers of units to draw, ascending, all of them last."""
    if sizes is None:
        steps = [b * 10**e for e in range(2, 9) for b in (1, 2, 5)]
        sizes = [s for s in steps if s < conversations]
    if any(not 1 <= s <= conversations for s in sizes):
        raise InputError(
            f"Sample sizes must lie within 1..{conversations:,}, the conversations there are."
        )
    return sorted({min(max(round(s / each), 1), units) for s in sizes} | {units})


def _again(tradeoff: TradeOff, counts: np.ndarray) -> TradeOff:
    """The same question about other counts."""
    t = tradeoff
    return TradeOff(CoverageCurve.of(counts), t.architecture, t.alpha, t.floor, t.k_min, t.k_max)


def _kinds(counts: np.ndarray) -> float:
    """Chao's estimate of how many kinds of tokens the source has, seen or not."""
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    return np.count_nonzero(counts) + once**2 / (2 * max(twice, 1))
