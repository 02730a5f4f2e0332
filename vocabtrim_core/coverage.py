"""Coverage of the k most frequent tokens, for every k at once (paper section 2.2, equation 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True, eq=False)
class CoverageCurve:
    """Tokens by falling count (ties: lower id first) and what the first k of them cover.

    order: int64[V], token id at each rank.  sorted_counts: int64[V].
    coverage: float64[V], C(k) at index k-1, non-decreasing and concave, C(V) = 1.
    """

    order: np.ndarray
    sorted_counts: np.ndarray
    coverage: np.ndarray
    tokens: float  # all counted tokens (whole unless the counts were weighted)
    distinct: int

    @classmethod
    def of(cls, counts: TokenCounts | np.ndarray) -> CoverageCurve:
        """The curve of int64[V] (or weighted float64[V]) counts; all zero is an InputError."""
        values = counts.counts if isinstance(counts, TokenCounts) else np.asarray(counts)
        order = np.argsort(-values, kind="stable")
        ranked = values[order]
        covered = np.cumsum(ranked)
        if not covered[-1]:
            raise InputError("The counts hold no tokens, so there is nothing to cover.")
        coverage = covered / covered[-1]
        for array in (order, ranked, coverage):
            array.setflags(write=False)
        return cls(order, ranked, coverage, covered[-1].item(), int(np.count_nonzero(ranked)))

    @property
    def vocab_size(self) -> int:
        """V."""
        return len(self.order)

    def check_k(self, k: int) -> int:
        """k itself, or InputError when it is not within 1..V."""
        if not 1 <= k <= self.vocab_size:
            raise InputError(
                f"k = {k:,} is outside 1..{self.vocab_size:,}, the size of the target vocabulary."
            )
        return k

    def at(self, k: int) -> float:
        """C(k), the share of counted tokens among the k most frequent."""
        return float(self.coverage[self.check_k(k) - 1])

    def smallest_k(self, floor: float | np.ndarray) -> Any:
        """Fewest tokens whose coverage reaches `floor` (0..1); int64 of its shape for an array."""
        found = np.minimum(np.searchsorted(self.coverage, floor) + 1, self.vocab_size)
        return found if np.ndim(floor) else int(found)

    def padding_note(self, k: int) -> str | None:
        """What a k above the number of seen tokens means; None for a smaller k."""
        if k <= self.distinct:
            return None
        return (
            f"Only {self.distinct:,} distinct tokens were seen, so k = {k:,} keeps "
            f"{k - self.distinct:,} tokens that never occurred, the unseen ones with the lowest "
            "ids: they add rows to the draft head and no coverage."
        )

    def ranks(self) -> np.ndarray:
        """int64[V], 0-based rank of each token id (inverse of `order`)."""
        ranks = np.empty(self.vocab_size, np.int64)
        ranks[self.order] = np.arange(self.vocab_size)
        return ranks

    def vocabulary(self, k: int) -> DraftVocabulary:
        """The k most frequent tokens.

        Past the seen tokens the list is filled with the lowest unseen ids, which trainers do too:
        they cost a head row each and cover nothing of this corpus.
        """
        return DraftVocabulary(np.sort(self.order[: self.check_k(k)]), self.vocab_size)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a vocabulary covers of one corpus (paper Table 4). Shares in 0..1."""

    name: str
    tokens: int
    coverage: float  # frequency-weighted: share of token occurrences kept
    unique_coverage: float  # share of the corpus's distinct tokens kept
    missing_tokens: int  # distinct tokens of the corpus that are not kept


def coverage_on(vocabulary: DraftVocabulary, counts: TokenCounts) -> HeldOut:
    """Coverage of `vocabulary` on any counts over the same V; InputError when V differs."""
    if counts.vocab_size != vocabulary.vocab_size:
        raise InputError(
            f"{counts.name} was counted with V = {counts.vocab_size:,}, but the vocabulary "
            f"belongs to V = {vocabulary.vocab_size:,}; count it with the same tokenizer."
        )
    if not counts.tokens:
        raise InputError(f"{counts.name} holds no tokens, so its coverage is undefined.")
    kept = counts.counts[vocabulary.ids]
    seen = int(np.count_nonzero(kept))
    return HeldOut(
        counts.name,
        counts.tokens,
        float(kept.sum() / counts.tokens),
        seen / counts.distinct,
        counts.distinct - seen,
    )


def sampled(low: int, high: int, *marks: int, points: int = 240) -> np.ndarray:
    """Sample sizes evenly on a log axis.

    Args:
        low: Smallest size.
        high: Largest size.
        *marks: Sizes that are included where they lie within.
        points: About how many sizes.

    Returns:
        int64, ascending.
    """
    even = np.unique(np.round(np.geomspace(low, high, points)).astype(np.int64))
    return np.union1d(even, [k for k in marks if low <= k <= high]).astype(np.int64)
