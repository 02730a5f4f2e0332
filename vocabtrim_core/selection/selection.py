"""Vocabularies beyond top-k: mixes of corpora, protected and excluded tokens, padded sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.rules import EXCLUDED, Rules
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.vocabulary import DraftVocabulary


def shares(sets: Sequence[TokenCounts]) -> np.ndarray:
    """Compute the token frequencies of each corpus.

    Args:
        sets: Counts per corpus.

    Returns:
        float64[corpora, V], rows summing to 1.

    Raises:
        InputError: There are no counts, two were counted differently, or one is empty.
    """
    if not sets:
        raise InputError("Choose at least one counted corpus.")
    for later in sets[1:]:
        sets[0].check_same_kind(later)
    for counts in sets:
        if not counts.tokens:
            raise InputError(f"{counts.name} holds no tokens; leave it out.")
    return np.stack([counts.counts / counts.tokens for counts in sets])


def mix(sets: Sequence[TokenCounts], weights: Sequence[float]) -> np.ndarray:
    """Compute the expected token frequencies of mixed traffic.

    Args:
        sets: Counts per corpus.
        weights: Share of the traffic per corpus, 0 or more each; any scale.

    Returns:
        float64[V], summing to 1.

    Raises:
        InputError: As `shares`, or the weights are negative, all zero or not as many as corpora.
    """
    if len(weights) != len(sets):
        raise InputError(f"{len(sets)} corpora need as many weights, but there are {len(weights)}.")
    values = np.asarray(weights, float)
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError(f"Domain weights must be 0 or more, but they are {list(weights)}.")
    if not values.sum():
        raise InputError("All domain weights are zero; give one corpus a weight above zero.")
    return values / values.sum() @ shares(sets)


@dataclass(frozen=True, slots=True, eq=False)
class RuledCurve:
    """Tokens in the order the rules admit them: protected first, then by frequency.

    Attributes:
        curve: Coverage over that order, concave from smallest_k to largest_k; not below, where the
            protected tokens are.
        smallest_k: Smallest size that the rules allow.
        largest_k: Largest size that the rules allow.
        multiple: Sizes are rounded up to a multiple of this.
    """

    curve: CoverageCurve
    smallest_k: int
    largest_k: int
    multiple: int

    def padded(self, k: int) -> int:
        """Round a size up to one that the rules allow.

        Args:
            k: 1..largest_k.

        Returns:
            At least all protected tokens, a multiple of `multiple`, at most largest_k.

        Raises:
            InputError: k is above largest_k.
        """
        if k > self.largest_k:
            raise InputError(
                f"k = {k:,} is more than the {self.largest_k:,} tokens left after exclusions."
            )
        return min(_up(max(k, self.smallest_k), self.multiple), self.largest_k)

    def vocabulary(self, k: int) -> DraftVocabulary:
        """Select the first `padded(k)` tokens of the order.

        Args:
            k: 1..largest_k.

        Returns:
            The draft vocabulary.

        Raises:
            InputError: k is above largest_k.
        """
        return self.curve.vocabulary(self.padded(k))

    def tradeoff(
        self,
        architecture: DraftArchitecture,
        alpha: float = 0.5,
        floor: float = 0.0,
        k_min: int = 1,
        k_max: int | None = None,
    ) -> TradeOff:
        """Make the trade-off over this order, with bounds that the rules allow.

        Args:
            architecture: Shapes of the draft.
            alpha: Weight of coverage, 0..1.
            floor: Least coverage, 0..1.
            k_min: Smallest k of the search.
            k_max: Largest k of the search, None for the rules' largest.

        Returns:
            The trade-off.

        Raises:
            InputError: More tokens are protected than k_max, or an argument is out of range.
        """
        k_max = self.largest_k if k_max is None else min(k_max, self.largest_k)
        if self.smallest_k > k_max:
            raise InputError(
                f"{self.smallest_k:,} tokens are protected, which is more than the largest size "
                f"allowed, {k_max:,}; raise the largest k or protect fewer."
            )
        return TradeOff(self.curve, architecture, alpha, floor, max(k_min, self.smallest_k), k_max)


def apply_rules(frequencies: np.ndarray, rules: Rules) -> RuledCurve:
    """Order tokens under the rules.

    Args:
        frequencies: int64[V] or float64[V].
        rules: Protected and excluded tokens.

    Returns:
        The order with its coverage.

    Raises:
        InputError: The rules contradict each other, or all frequencies are zero.
    """
    tiers = rules.tiers(len(frequencies))
    order = np.lexsort((-frequencies, tiers))
    total = frequencies.sum()
    if not total:
        raise InputError("The counts hold no tokens, so there is nothing to cover.")
    ranked = frequencies[order]
    coverage = np.cumsum(ranked) / total
    for array in (order, ranked, coverage):
        array.setflags(write=False)
    curve = CoverageCurve(order, ranked, coverage, total.item(), int(np.count_nonzero(ranked)))
    return RuledCurve(
        curve,
        max(1, len(rules.protected)),
        int(np.count_nonzero(tiers < EXCLUDED)),
        rules.multiple,
    )


def _up(k: int, multiple: int) -> int:
    return -(-k // multiple) * multiple
