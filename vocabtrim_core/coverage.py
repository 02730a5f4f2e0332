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
    """Tokens by falling count (ties: lower id first), and the coverage of the first k of them.

    Attributes:
        order: int64[V], token id at each rank.
        sorted_counts: int64[V], count at each rank; float64 for weighted counts.
        coverage: float64[V], C(k) at index k - 1 (equation 2); non-decreasing and concave, C(V) =
            1.
        tokens: All counted tokens; a whole number unless the counts were weighted.
        distinct: Token ids with a count above 0.
    """

    order: np.ndarray
    sorted_counts: np.ndarray
    coverage: np.ndarray
    tokens: float
    distinct: int

    @classmethod
    def of(cls, counts: TokenCounts | np.ndarray) -> CoverageCurve:
        """Compute the curve of counts.

        Args:
            counts: Counts, or their int64[V] or weighted float64[V].

        Returns:
            The curve; its arrays are read-only.

        Raises:
            InputError: All counts are zero.
        """
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
        """V, the size of the target vocabulary."""
        return len(self.order)

    def check_k(self, k: int) -> int:
        """Check that k is within 1..V.

        Args:
            k: Size of a draft vocabulary.

        Returns:
            k itself.

        Raises:
            InputError: It is outside.
        """
        if not 1 <= k <= self.vocab_size:
            raise InputError(
                f"k = {k:,} is outside 1..{self.vocab_size:,}, the size of the target vocabulary."
            )
        return k

    def at(self, k: int) -> float:
        """Look up C(k), the share of counted tokens that the k most frequent cover.

        Args:
            k: 1..V.

        Returns:
            0..1.

        Raises:
            InputError: k is outside 1..V.
        """
        return float(self.coverage[self.check_k(k) - 1])

    def smallest_k(self, floor: float | np.ndarray) -> Any:
        """Find the smallest k whose coverage reaches a floor.

        Args:
            floor: Coverage, 0..1; a number or an array.

        Returns:
            int, or int64 of the array's shape.
        """
        sizes = np.minimum(np.searchsorted(self.coverage, floor) + 1, self.vocab_size)
        return sizes if np.ndim(floor) else int(sizes)

    def padding_note(self, k: int) -> str | None:
        """Explain a k above the number of distinct tokens in the counts.

        Args:
            k: 1..V.

        Returns:
            A sentence; None for a smaller k.
        """
        if k <= self.distinct:
            return None
        return (
            f"Only {self.distinct:,} distinct tokens were seen, so k = {k:,} keeps "
            f"{k - self.distinct:,} tokens that never occurred, the unseen ones with the lowest "
            "ids: they add rows to the draft head and no coverage."
        )

    def ranks(self) -> np.ndarray:
        """int64[V], 0-based rank of each token id (the inverse of `order`)."""
        ranks = np.empty(self.vocab_size, np.int64)
        ranks[self.order] = np.arange(self.vocab_size)
        return ranks

    def vocabulary(self, k: int) -> DraftVocabulary:
        """Select the k most frequent tokens.

        Above `distinct` the lowest unseen ids are added, as trainers do. Each adds a row to the
        draft head and no coverage.

        Args:
            k: 1..V.

        Returns:
            The draft vocabulary.

        Raises:
            InputError: k is outside 1..V.
        """
        return DraftVocabulary(np.sort(self.order[: self.check_k(k)]), self.vocab_size)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Coverage of a vocabulary on one corpus (paper Table 4); shares in 0..1.

    Attributes:
        name: Name of the corpus.
        tokens: Counted tokens of the corpus.
        coverage: Share of token occurrences that are kept (frequency-weighted).
        unique_coverage: Share of the corpus's distinct tokens that are kept.
        missing_tokens: Distinct tokens of the corpus that are not kept.
    """

    name: str
    tokens: int
    coverage: float
    unique_coverage: float
    missing_tokens: int


def coverage_on(vocabulary: DraftVocabulary, counts: TokenCounts) -> HeldOut:
    """Measure the coverage of a vocabulary on a corpus.

    Args:
        vocabulary: The draft vocabulary.
        counts: Counts of the corpus, with the same V.

    Returns:
        Its coverage.

    Raises:
        InputError: V differs, or the counts hold no tokens.
    """
    if counts.vocab_size != vocabulary.vocab_size:
        raise InputError(
            f"{counts.name} was counted with V = {counts.vocab_size:,}, but the vocabulary "
            f"belongs to V = {vocabulary.vocab_size:,}; count it with the same tokenizer."
        )
    if not counts.tokens:
        raise InputError(f"{counts.name} holds no tokens, so its coverage is undefined.")
    kept_counts = counts.counts[vocabulary.ids]
    seen = int(np.count_nonzero(kept_counts))
    return HeldOut(
        counts.name,
        counts.tokens,
        float(kept_counts.sum() / counts.tokens),
        seen / counts.distinct,
        counts.distinct - seen,
    )


def sampled(low: int, high: int, *marks: int, points: int = 240) -> np.ndarray:
    """Choose sizes evenly on a log axis.

    Args:
        low: Smallest size.
        high: Largest size.
        *marks: Sizes that are included where they lie within low..high.
        points: Number of sizes, about.

    Returns:
        int64, ascending.
    """
    even = np.unique(np.round(np.geomspace(low, high, points)).astype(np.int64))
    return np.union1d(even, [k for k in marks if low <= k <= high]).astype(np.int64)
