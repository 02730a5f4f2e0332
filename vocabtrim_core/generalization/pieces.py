"""Intervals, held-out coverage and domains from counts by piece, where conversations are not kept.

A piece, a group of conversations, takes the place of a conversation: pieces are left out in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counting.shard_counts import ShardCounts, load_shards
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.generalization.domains import (
    DomainCoverage,
    coverage_by_domain,
    held_out_by_domain,
)
from vocabtrim_core.generalization.held_out import by_count, folds_of
from vocabtrim_core.generalization.intervals import (
    CoverageInterval,
    coverage_interval,
    ratio_interval,
)
from vocabtrim_core.generalization.unseen import LEAST_PIECES


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Counts by piece of a corpus as a sample: coarser than conversations.

    They are stored whenever a corpus is counted in this workspace, and for shipped counts.

    Attributes:
        shards: Counts by piece.
        vocab_size: V.
    """

    shards: ShardCounts
    vocab_size: int

    @property
    def conversations(self) -> int:
        """See `StabilitySample.conversations`."""
        return int(self.shards.conversations.sum())

    @property
    def units(self) -> int:
        """See `StabilitySample.units`."""
        return len(self.shards)

    def weighted(self, times: np.ndarray) -> np.ndarray:
        """Count ids with a weight for each piece, as `StabilitySample.weighted`.

        Args:
            times: uint8[pieces], how often each piece is taken.

        Returns:
            int64[V].
        """
        return self.shards.total(self.vocab_size, times.astype(np.int64))


def interval_on(
    responses: Responses | None, pieces: ShardCounts | None, is_kept: np.ndarray
) -> CoverageInterval | None:
    """Coverage of tokens that were chosen on other text, with an interval from what is stored.

    Args:
        responses: Its conversations, or a random part of them.
        pieces: Its counts by piece.
        is_kept: bool[V], the tokens kept.

    Returns:
        From conversations where there are two, else from LEAST_PIECES pieces or more; None where
        neither is stored.
    """
    if responses is not None:
        enough = responses.conversations > 1 and responses.tokens
        return coverage_interval(responses, is_kept) if enough else None
    if pieces is None or pieces.counted < LEAST_PIECES:
        return None
    return ratio_interval(*_hits(pieces, is_kept[pieces.ids]))


def intervals_elsewhere(
    sets: Sequence[TokenCounts], responses: Sequence[Responses | None], is_kept: np.ndarray
) -> dict[str, CoverageInterval]:
    """Intervals of the coverage on sets that had no part in the choice, for a report.

    Args:
        sets: The sets.
        responses: Of each its conversations, None where they are not stored.
        is_kept: bool[V], the tokens kept.

    Returns:
        By key; without those of which a random part of the conversations is stored, as their
        coverage is that of the whole set.
    """
    intervals: dict[str, CoverageInterval] = {}
    for counts, own in zip(sets, responses, strict=True):
        if own is None or own.complete:
            pieces = None if own else load_shards(counts.key)
            if interval := interval_on(own, pieces, is_kept):
                intervals[counts.key] = interval
    return intervals


def held_out_pieces(pieces: ShardCounts, k: int, vocab_size: int, seed: int) -> CoverageInterval:
    """Coverage of the k most frequent tokens on pieces that had no part in choosing them.

    Args:
        pieces: Counts by piece of the corpus that chooses.
        k: Tokens kept.
        vocab_size: V.
        seed: Of the random folds.

    Returns:
        Coverage (0..1) with its interval.
    """
    fold, is_kept = _folds([pieces], k, vocab_size, seed)
    return ratio_interval(*_hits(pieces, is_kept[_spread(pieces, fold), pieces.ids]))


def domains_on(
    responses: Responses | None,
    by_domain: Mapping[str, ShardCounts],
    is_kept: np.ndarray,
    own_k: int | None,
    *,
    counts: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[list[DomainCoverage], bool]:
    """Coverage by domain label from what is stored.

    Args:
        responses: The text's conversations, or a random part of them.
        by_domain: Its pieces by label.
        is_kept: bool[V], the tokens kept.
        own_k: Number of tokens where they are the most frequent of this very text.
        counts: int64[V] of the whole text, where the responses are a part of it.
        seed: Of the random folds.

    Returns:
        One row per label, and whether they are held out. Empty without labels.
    """
    if responses is not None and responses.domains:
        if own_k and responses.conversations > 1:
            return held_out_by_domain(responses, own_k, counts=counts, seed=seed), True
        return coverage_by_domain(responses, is_kept), False
    if responses is not None or not by_domain:
        return [], False
    fold = kept_by_fold = np.empty(0)
    if own_k:
        fold, kept_by_fold = _folds(list(by_domain.values()), own_k, len(is_kept), seed)
    rows: list[DomainCoverage] = []
    for name, part in by_domain.items():
        is_hit = kept_by_fold[_spread(part, fold), part.ids] if own_k else is_kept[part.ids]
        hits, sizes = _hits(part, is_hit)
        number, tokens = int(part.conversations.sum()), int(sizes.sum())
        interval = ratio_interval(hits, sizes) if part.counted > 1 else None
        rows.append(DomainCoverage(name, number, tokens, float(hits.sum() / tokens), interval))
    return rows, bool(own_k)


def _hits(pieces: ShardCounts, is_hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kept and all tokens of each piece that has any; is_hit: bool for each entry."""
    hits, sizes = pieces.pieces_of(pieces.counts * is_hit), pieces.pieces_of(pieces.counts)
    return hits[sizes > 0], sizes[sizes > 0]


def _spread(pieces: ShardCounts, fold: np.ndarray) -> np.ndarray:
    return np.repeat(fold, np.diff(pieces.bounds))


def _folds(
    parts: Sequence[ShardCounts], k: int, vocab_size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fold of every piece, and bool[folds, V]: the top k of all other folds, of all parts."""
    fold = folds_of(len(parts[0]), seed=seed)

    def counts(of_pieces: np.ndarray) -> np.ndarray:
        totals = (part.total(vocab_size, of_pieces.astype(np.int64)) for part in parts)
        return np.sum(list(totals), axis=0)

    is_kept = np.zeros((int(fold.max()) + 1, vocab_size), bool)
    for number, row in enumerate(is_kept):
        row[by_count(counts(fold != number))[:k]] = True
    return fold, is_kept
