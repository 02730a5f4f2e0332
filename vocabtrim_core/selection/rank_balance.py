"""Rows of a list per tensor-parallel rank, and the cheapest swap that evens them.

An engine gives each rank a run of the target's ids, padded to equal length. A rank computes the
logits of the list's tokens in its run, so that the fullest rank sets the time of a drafted step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.vocabulary import DraftVocabulary

PAD = 64  # engines pad V to a multiple of this before they share it


def rank_of(vocab_size: int, ranks: int, pad: int = PAD) -> np.ndarray:
    """The rank of every id.

    Args:
        vocab_size: V.
        ranks: Tensor-parallel ranks.
        pad: V is padded to a multiple of this, then to one of the ranks.

    Returns:
        int64[V].

    Raises:
        InputError: There are fewer than one rank, or more than ids.
    """
    if not 1 <= ranks <= vocab_size:
        raise InputError(f"There must be 1 to {vocab_size:,} ranks, not {ranks}.")
    padded = -(-vocab_size // pad) * pad
    return np.arange(vocab_size) // -(-padded // ranks)


def rows_per_rank(vocabulary: DraftVocabulary, ranks: int) -> np.ndarray:
    """Count the rows of a list on each rank.

    Args:
        vocabulary: The list.
        ranks: Tensor-parallel ranks.

    Returns:
        int64[ranks].

    Raises:
        InputError: There are fewer than one rank, or more than ids.
    """
    owners = rank_of(vocabulary.vocab_size, ranks)
    return np.bincount(owners[vocabulary.ids], minlength=ranks)


@dataclass(frozen=True, slots=True, eq=False)
class Balanced:
    """A list after the swap.

    Attributes:
        vocabulary: As many tokens as before.
        before: int64[ranks], rows per rank of the list.
        after: int64[ranks], rows per rank of `vocabulary`.
        swapped: Tokens that were exchanged.
        lost: Share of the counted tokens that the swap loses, 0..1; below 0 where it gains.
    """

    vocabulary: DraftVocabulary
    before: np.ndarray
    after: np.ndarray
    swapped: int
    lost: float

    @property
    def saved(self) -> float:
        """Share of the fullest rank's rows that are saved, 0..1."""
        return 1 - int(self.after.max()) / int(self.before.max())


def balanced(
    vocabulary: DraftVocabulary,
    counts: np.ndarray,
    ranks: int,
    *,
    most_lost: float = 0.0,
    fixed: np.ndarray | None = None,
) -> Balanced:
    """Even out the ranks of a list, as far as its coverage allows.

    For a largest rank of m rows the best list takes the most frequent tokens, at most m of a rank;
    its coverage falls with m, so the smallest m that is allowed is found by bisection. For this m
    the surplus of full ranks is exchanged: their least frequent tokens against the most frequent
    absent ones of ranks with room, which loses the least of all exchanges of as few tokens. Only
    where that loses too much is the best list itself taken.

    Args:
        vocabulary: The list.
        counts: [V], counts of the traffic, or shares of mixed traffic.
        ranks: Tensor-parallel ranks.
        most_lost: Coverage that may be lost, 0..1; 0 for equal coverage.
        fixed: int64 ids of the list that must stay, such as specials; None for none.

    Returns:
        The list with the smallest largest rank.

    Raises:
        InputError: The counts are of another V or hold nothing, or the ranks are out of range.
    """
    if len(counts) != vocabulary.vocab_size or not counts.sum():
        raise InputError(
            f"The counts have V = {len(counts):,}, or hold no token, for a list of V = "
            f"{vocabulary.vocab_size:,}; give counts of the same tokenizer."
        )
    owners = rank_of(vocabulary.vocab_size, ranks)
    before = rows_per_rank(vocabulary, ranks)
    inside, stays = vocabulary.t2d, np.zeros(vocabulary.vocab_size, bool)
    if fixed is not None:
        stays[fixed] = True
    stays &= inside
    # A sum of shares in another order may differ in its last bits.
    slack = most_lost * counts.sum() + 1e-12 * counts.sum()
    size, least = len(vocabulary), counts[vocabulary.ids].sum() - slack
    # What stays, then by falling count; among equals the list's own come first.
    order = np.lexsort((~inside, -counts, ~stays))

    def best(most: int) -> np.ndarray:
        return _first_of_each(order, owners, np.full(ranks, most))[:size]

    def is_allowed(most: int) -> bool:
        ids = best(most)
        is_whole = len(ids) == size and bool(np.isin(np.flatnonzero(stays), ids).all())
        return is_whole and counts[ids].sum() >= least

    low, high = -(-size // ranks), int(before.max())
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_allowed(middle) else (middle + 1, high)
    ids = _exchanged(vocabulary, counts, owners, before, high, stays)
    if ids is None or counts[ids].sum() < least:
        ids = best(high)
    result = DraftVocabulary(np.sort(ids), vocabulary.vocab_size)
    loss = float(counts[vocabulary.ids].sum() - counts[ids].sum()) / float(counts.sum())
    swapped = len(result.gained(vocabulary))
    return Balanced(result, before, rows_per_rank(result, ranks), swapped, loss)


def _exchanged(
    vocabulary: DraftVocabulary,
    counts: np.ndarray,
    owners: np.ndarray,
    before: np.ndarray,
    most: int,
    stays: np.ndarray,
) -> np.ndarray | None:
    """The list with the surplus above `most` exchanged; None where too much of it must stay."""
    inside = vocabulary.t2d
    rarest, commonest = np.argsort(counts, kind="stable"), np.argsort(-counts, kind="stable")
    surplus, free = np.maximum(before - most, 0), np.maximum(most - before, 0)
    gone = _first_of_each(rarest[inside[rarest] & ~stays[rarest]], owners, surplus)
    new = _first_of_each(commonest[~inside[commonest]], owners, free)[: len(gone)]
    if len(gone) < surplus.sum() or len(new) < len(gone):
        return None
    return np.union1d(np.setdiff1d(vocabulary.ids, gone), new)


def _first_of_each(ordered: np.ndarray, owners: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """The first ids of an order, at most quota[rank] of each rank, in that order."""
    ranks = owners[ordered]
    place = np.empty(len(ordered), np.int64)
    for rank in range(len(quota)):
        mine = ranks == rank
        place[mine] = np.arange(int(mine.sum()))
    return ordered[place < quota[ranks]]
