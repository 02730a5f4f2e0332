"""Coverage of held-out text, which did not choose the tokens: of one k, and of every k at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vocabtrim_core.counting.kernels import hits_of_folds
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.intervals import CoverageInterval, need_two, ratio_interval

FOLDS = 10


class StabilitySample(Protocol):
    """Counts that can be resampled in units: conversations, or pieces of a corpus."""

    @property
    def conversations(self) -> int:
        """Conversations in all units."""
        ...

    @property
    def units(self) -> int:
        """Number of units."""
        ...

    def weighted(self, times: np.ndarray) -> np.ndarray:
        """Count ids with a weight for each unit.

        Args:
            times: uint8[units], how often each unit is taken.

        Returns:
            int64[V].
        """
        ...


def by_count(counts: np.ndarray) -> np.ndarray:
    """Order ids by falling count, ties by id.

    Args:
        counts: int64[V].

    Returns:
        int64[V], ids.
    """
    return np.argsort(-counts, kind="stable")


def folds_of(units: int, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Fold of every unit at random, int64[units], 0 .. folds - 1; at most one fold per unit."""
    return np.random.default_rng(seed).permutation(units) % min(folds, units)


def held_out_curve(
    sample: StabilitySample,
    rank: Callable[[np.ndarray], np.ndarray] = by_count,
    folds: int = FOLDS,
    seed: int = 0,
) -> np.ndarray:
    """Compute the cross-validated coverage of the k most frequent tokens.

    Units are divided into folds at random; each fold is covered with the order of all others.

    Args:
        sample: Conversations, or pieces of a corpus.
        rank: int64[V] counts to int64[V] ids in the order they are kept.
        folds: Number of folds, at most the number of units.
        seed: Of the random folds.

    Returns:
        float64[V], non-decreasing, 1.0 at V.

    Raises:
        InputError: There are fewer than two units.
    """
    units = sample.units
    if units < 2:
        raise InputError(
            "Held-out coverage needs two conversations with counted tokens at least, but there "
            f"are {units}; add conversations."
        )
    fold = folds_of(units, folds, seed)
    total = sample.weighted(np.ones(units, np.uint8))
    covered = np.zeros(len(total), np.int64)
    for number in range(int(fold.max()) + 1):
        inside = sample.weighted((fold == number).view(np.uint8))
        covered += np.cumsum(inside[rank(total - inside)])
    return covered / covered[-1]


def held_out_coverage(
    responses: Responses,
    k: int,
    *,
    counts: np.ndarray | None = None,
    folds: int = 10,
    seed: int = 0,
) -> CoverageInterval:
    """Coverage of the k most frequent tokens on conversations that had no part in choosing them.

    Cross-validation: conversations fall into folds, each is measured with the top k of all others.

    Args:
        responses: The conversations that choose, or a random part of them.
        k: Tokens kept.
        counts: int64[V] of the whole corpus, where the responses are a part of it.
        folds: Number of folds, at most that of conversations.
        seed: Of the folds.

    Returns:
        Coverage (0..1) with its interval.

    Raises:
        InputError: Fewer than two conversations.
    """
    hits = held_out_hits(responses, k, counts, folds, seed)
    return ratio_interval(hits, np.diff(responses.conversation_offsets()))


def held_out_hits(
    responses: Responses, k: int, counts: np.ndarray | None, folds: int, seed: int
) -> np.ndarray:
    """Count the tokens of each conversation that the top k of the other folds hold.

    Args:
        responses: The conversations that choose, or a random part of them.
        k: Tokens kept.
        counts: int64[V] of the whole corpus, where the responses are a part of it.
        folds: Number of folds, at most that of conversations.
        seed: Of the folds.

    Returns:
        int64[conversations].

    Raises:
        InputError: Fewer than two conversations.
    """
    need_two(responses)
    number, at = responses.conversations, responses.conversation_offsets()
    fold = folds_of(number, folds, seed)
    folds = int(fold.max()) + 1
    all_counts = responses.counts() if counts is None else counts
    is_kept = np.zeros((folds, responses.vocab_size), bool)
    for fold_number in range(folds):
        others = all_counts - responses.weighted((fold == fold_number).view(np.uint8))
        is_kept[fold_number, by_count(others)[:k]] = True
    return hits_of_folds(responses.ids, at, is_kept, fold)


@dataclass(frozen=True, slots=True, eq=False)
class Optimism:
    """In-sample against held-out coverage, from repeated random halves of the conversations.

    Choosing on all conversations is less optimistic than choosing on half of them.

    Attributes:
        ks: int64[points].
        in_sample: float64[repeats, points], coverage of the half that chose the vocabulary.
        held_out: float64[repeats, points], coverage of the other half.
    """

    ks: np.ndarray
    in_sample: np.ndarray
    held_out: np.ndarray


def optimism(responses: Responses, repeats: int = 10, points: int = 60, seed: int = 0) -> Optimism:
    """Split by conversation, choose on one half, measure on the other.

    Args:
        responses: The conversations.
        repeats: Random splits.
        points: Values of k, evenly spaced on a log scale, at the most.
        seed: Of the splits.

    Returns:
        Both coverages of every split at every k.

    Raises:
        InputError: Fewer than two conversations, or a half without tokens.
    """
    need_two(responses)
    n, size = responses.conversations, responses.vocab_size
    ks = np.unique(np.geomspace(1, size, points).astype(np.int64))
    rng = np.random.default_rng(seed)
    all_counts = responses.counts()
    inside, outside = np.empty((repeats, len(ks))), np.empty((repeats, len(ks)))
    for i in range(repeats):
        half = np.zeros(n, np.uint8)
        half[rng.choice(n, n // 2, replace=False)] = 1
        chosen = responses.weighted(half)
        remaining = all_counts - chosen
        if not chosen.any() or not remaining.any():
            raise InputError("One half of the conversations holds no tokens; count more of them.")
        order = np.argsort(-chosen, kind="stable")
        inside[i] = (np.cumsum(chosen[order]) / chosen.sum())[ks - 1]
        outside[i] = (np.cumsum(remaining[order]) / remaining.sum())[ks - 1]
    return Optimism(ks, inside, outside)
