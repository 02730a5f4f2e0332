"""How k* varies with the sample it is chosen from (paper figure 3), and how certain it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counting.shard_counts import ShardCounts, load_shards
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.held_out import StabilitySample, held_out_coverage
from vocabtrim_core.generalization.intervals import CoverageInterval
from vocabtrim_core.generalization.k_interval import k_interval
from vocabtrim_core.generalization.pieces import Pieces, held_out_pieces
from vocabtrim_core.generalization.unseen import LEAST_PIECES
from vocabtrim_core.tradeoff import TradeOff

Progress = Callable[..., None]


def best_sample(counts: TokenCounts, responses: Responses | None) -> StabilitySample | None:
    """What resampling draws from: all conversations, else pieces of the corpus, else a part.

    Args:
        counts: Counts of the corpus.
        responses: Its responses, None where they are not stored.

    Returns:
        The sample; None where nothing is stored.
    """
    if responses is not None and responses.complete:
        return responses
    shards = load_shards(counts.key)
    if shards is not None and shards.counted >= LEAST_PIECES:
        return Pieces(shards, counts.vocab_size)
    return responses


def units_text(sample: StabilitySample) -> str:
    """Write what a sample of `best_sample` is divided in.

    Args:
        sample: The sample.

    Returns:
        A few words.
    """
    if isinstance(sample, Pieces):
        return f"{sample.units} pieces of the corpus"
    if isinstance(sample, Responses) and sample.complete:
        return "conversations"
    return f"{sample.conversations:,} random conversations of the corpus"


def held_out_of(
    counts: TokenCounts,
    k: int,
    responses: Responses | None,
    pieces: ShardCounts | None,
    seed: int = 0,
) -> CoverageInterval | None:
    """Estimate the held-out coverage of the k most frequent tokens from what is stored.

    Args:
        counts: Of the corpus that chooses.
        k: Tokens kept.
        responses: Its conversations, or a random part of them.
        pieces: Its counts by piece.
        seed: Of the folds.

    Returns:
        From conversations where there are two, else from LEAST_PIECES pieces or more; None where
        neither is stored.
    """
    if responses is not None and responses.conversations > 1 and responses.tokens:
        return held_out_coverage(responses, k, counts=counts.counts, seed=seed)
    if pieces is not None and pieces.counted >= LEAST_PIECES:
        return held_out_pieces(pieces, k, counts.vocab_size, seed)
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """How k* moves with the sample (paper figure 3).

    Attributes:
        sizes: int64, conversations drawn.
        ks: int64[len(sizes), repeats], k* of each subsample.
        k: k* of all conversations, and the interval for k* of unlimited text of the same kind.
        expected: The middle of what that k* is expected to be.
        bounded: False where the sample is too small for an upper end.
        least_count: Occurrences of the rarest kept token.
        conversations: All there are.
    """

    sizes: np.ndarray
    ks: np.ndarray
    k: CoverageInterval
    expected: float
    bounded: bool
    least_count: int
    conversations: int

    @property
    def plus_minus(self) -> int:
        """Half the width of the interval."""
        return round((self.k.high - self.k.low) / 2)

    def sentence(self) -> str:
        """The result in one or two sentences, for people."""
        start = f"With your {self.conversations:,} conversations k* = {self.k.value:,.0f}; "
        if self.bounded:
            text = start + (
                "with unlimited conversations of the same kind it would lie between "
                f"{self.k.low:,.0f} and {self.k.high:,.0f} (95% interval)."
            )
        else:
            text = start + (
                "every token seen is worth keeping, so more conversations would raise it: at least "
                f"{self.k.low:,.0f}, with no upper bound from so few (95%)."
            )
        if self.least_count < 5:
            times = "once or twice" if self.least_count < 3 else f"{self.least_count} times"
            text += f" k* depends on tokens seen {times}; add conversations."
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
    """Choose k* again from subsamples without replacement, and its interval from random halves.

    Args:
        sample: Conversations, or pieces of a corpus.
        tradeoff: Gives alpha, floor, bounds and architecture; its own curve is not used.
        sizes: Numbers of conversations, by default 1, 2, 5 times powers of ten.
        repeats: Subsamples of each size.
        draws: Random halves for the interval (`k_interval`).
        seed: Of all of it.
        progress: Called with done, total and what is being drawn.

    Returns:
        k* by sample size, and its interval, which always holds the sample's own k*.

    Raises:
        InputError: Fewer than two units, a size outside the corpus, or an unreachable floor.
    """
    units = sample.units
    if units < 2:
        raise InputError(
            "An interval needs two conversations with counted tokens at least, but there are "
            f"{units}; add conversations."
        )
    per_unit = sample.conversations / units
    unit_counts = _units(sizes, units, per_unit, sample.conversations)
    rng = np.random.default_rng(seed)
    total, done = len(unit_counts) * repeats + draws, 0

    def step(message: str, number: int = 1) -> None:
        nonlocal done
        done = min(done + number, total)
        if progress:
            progress(done, total, message)

    of_all = _again(tradeoff, sample.weighted(np.ones(units, np.uint8)))
    best = of_all.optimum.k
    ks = np.full((len(unit_counts), repeats), best, np.int64)
    for row, number in enumerate(unit_counts):
        for column in range(repeats if number < units else 0):
            chosen = np.zeros(units, np.uint8)
            chosen[rng.choice(units, number, replace=False)] = 1
            ks[row, column] = _again(tradeoff, sample.weighted(chosen)).optimum.k
            step(f"subsamples of {round(number * per_unit):,} conversations")
    done = len(unit_counts) * repeats
    source = k_interval(
        sample, tradeoff, draws=draws, seed=rng, step=lambda: step("random halves", 2)
    )
    return Stability(
        np.round(np.array(unit_counts) * per_unit).astype(np.int64),
        ks,
        CoverageInterval(best, min(source.low, best), max(source.high, best)),
        source.expected,
        source.bounded,
        int(of_all.curve.sorted_counts[best - 1]),
        sample.conversations,
    )


def _units(
    sizes: Sequence[int] | None, units: int, per_unit: float, conversations: int
) -> list[int]:
    """Numbers of units to draw, ascending, all of them last."""
    if sizes is None:
        steps = [b * 10**e for e in range(2, 9) for b in (1, 2, 5)]
        sizes = [s for s in steps if s < conversations]
    if any(not 1 <= s <= conversations for s in sizes):
        raise InputError(
            f"Sample sizes must lie within 1..{conversations:,}, the conversations there are."
        )
    return sorted({min(max(round(s / per_unit), 1), units) for s in sizes} | {units})


def _again(tradeoff: TradeOff, counts: np.ndarray) -> TradeOff:
    """The same objective over other counts."""
    t = tradeoff
    return TradeOff(CoverageCurve.of(counts), t.architecture, t.alpha, t.floor, t.k_min, t.k_max)
