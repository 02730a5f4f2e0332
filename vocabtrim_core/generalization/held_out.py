"""Coverage of held-out text, which did not choose the tokens, for every k at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from vocabtrim_core.errors import InputError

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
