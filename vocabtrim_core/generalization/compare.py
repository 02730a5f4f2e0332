"""Comparison of vocabularies with each other, and of corpora with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve, HeldOut, coverage_on
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.selection import shares
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One vocabulary on some corpora, against a reference vocabulary.

    Attributes:
        name: Of the vocabulary.
        vocabulary: The draft vocabulary, k tokens.
        coverages: On each corpus.
        best: Coverage of the first corpus by its own k most frequent tokens, 0..1.
        gained: int64 ids that the reference lacks, the most frequent in the first corpus first.
        lost: int64 ids of the reference that it lacks, in the same order.
        gained_share: Share of the first corpus in `gained`, 0..1.
        lost_share: Share of the first corpus in `lost`, 0..1.
        latency_reduction: R(k); None without a draft architecture.
        utility: U(k) on the first corpus; None without a draft architecture.
    """

    name: str
    vocabulary: DraftVocabulary
    coverages: tuple[HeldOut, ...]
    best: float
    gained: np.ndarray
    lost: np.ndarray
    gained_share: float
    lost_share: float
    latency_reduction: float | None
    utility: float | None


def compare(
    vocabularies: Sequence[tuple[str, DraftVocabulary]],
    sets: Sequence[TokenCounts],
    architecture: DraftArchitecture | None = None,
    alpha: float = 0.5,
    reference: DraftVocabulary | None = None,
) -> list[Compared]:
    """Measure every vocabulary on every corpus, against a reference.

    Args:
        vocabularies: (name, vocabulary) of each.
        sets: Counts of the corpora, over the same V.
        architecture: Shapes of the draft, None without cost.
        alpha: Weight of coverage in the utility, 0..1.
        reference: The vocabulary compared with; None for the most frequent tokens of the first
            corpus, as many as each vocabulary has.

    Returns:
        One row per vocabulary.

    Raises:
        InputError: There is no vocabulary, V differs, or the corpora were counted differently.
    """
    if not vocabularies:
        raise InputError("Give at least one vocabulary to compare.")
    frequencies = shares(sets)[0]
    curve = CoverageCurve.of(sets[0])
    rows = []
    for name, vocabulary in vocabularies:
        k = len(vocabulary)
        coverages = tuple(coverage_on(vocabulary, counts) for counts in sets)
        baseline = reference or curve.vocabulary(k)
        gained, lost = (
            _by_frequency(ids, frequencies)
            for ids in (vocabulary.gained(baseline), baseline.gained(vocabulary))
        )
        reduction = utility = None
        if architecture is not None:
            reduction = float(architecture.latency_reduction(k))
            utility = alpha * coverages[0].coverage + (1 - alpha) * reduction
        rows.append(
            Compared(
                name,
                vocabulary,
                coverages,
                curve.at(k),
                gained,
                lost,
                float(frequencies[gained].sum()),
                float(frequencies[lost].sum()),
                reduction,
                utility,
            )
        )
    return rows


def _by_frequency(ids: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    return ids[np.argsort(-frequencies[ids], kind="stable")]


Basis = Literal["", "held out", "in sample"]


@dataclass(frozen=True, slots=True, eq=False)
class TransferMatrix:
    """Choose on one corpus, measure on another (paper tables 4 and 5, for any corpora).

    Attributes:
        names: Of the corpora.
        k: Tokens kept.
        coverage: float64[n, n], share (0..1) of the column's tokens that the row's top k covers.
        unique: float64[n, n], share (0..1) of the column's distinct tokens, in sample on the
            diagonal.
        basis: [n][n], how the coverage of a corpus by its own top k is measured; "" elsewhere.
    """

    names: tuple[str, ...]
    k: int
    coverage: np.ndarray
    unique: np.ndarray
    basis: tuple[tuple[Basis, ...], ...]


def transfer_matrix(
    sets: Sequence[TokenCounts], k: int, held_out: Sequence[float | None] = ()
) -> TransferMatrix:
    """Top k of every corpus on every corpus.

    Args:
        sets: Counts of the corpora.
        k: Tokens kept.
        held_out: For each corpus the held-out coverage (0..1) of its own top k, None where it is
            not known; empty for none of them.

    Returns:
        The coverages, of a corpus by its own top k those held out where they are known.

    Raises:
        InputError: The corpora were counted differently.
    """
    frequencies = shares(sets)
    seen = frequencies > 0
    coverage, unique = np.empty((len(sets),) * 2), np.empty((len(sets),) * 2)
    for row, counts in enumerate(sets):
        ids = CoverageCurve.of(counts).vocabulary(k).ids
        coverage[row] = frequencies[:, ids].sum(axis=1)
        unique[row] = seen[:, ids].sum(axis=1) / seen.sum(axis=1)
    basis: list[list[Basis]] = [[""] * len(sets) for _ in sets]
    keys = [counts.key for counts in sets]
    for i, j in np.argwhere(np.equal.outer(keys, keys)).tolist():  # a corpus may be given twice
        share = held_out[j] if held_out else None
        basis[i][j] = "in sample" if share is None else "held out"
        coverage[i, j] = coverage[i, j] if share is None else share
    names = tuple(counts.name for counts in sets)
    return TransferMatrix(names, k, coverage, unique, tuple(map(tuple, basis)))
