"""Grow a list: everything in it stays, and tokens of further traffic are added by frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.selection import mix
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True)
class CoverageChange:
    """Coverage of one corpus before and after.

    Attributes:
        name: Of the corpus.
        added_from: Whether tokens were added by its frequencies; else it was only measured.
        before: Coverage by the list, 0..1.
        after: Coverage by the longer list, 0..1.
        best: Coverage by its own most frequent tokens, as many as the longer list has.
        occurring: Distinct tokens that occur in it.
        missing: Those of them that the longer list lacks.
    """

    name: str
    added_from: bool
    before: float
    after: float
    best: float
    occurring: int
    missing: int


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """A longer list.

    Attributes:
        vocabulary: The list and what was added.
        base: The list that it began with.
        pinned: int64, tokens added because they are to be there, whatever their counts.
        added: int64, tokens added by frequency, the most frequent first.
        changes: Coverage of each corpus.
        exhausted: Whether every token that occurs in the added corpora is in the list.
        occurring: Distinct tokens that occur in them.
    """

    vocabulary: DraftVocabulary
    base: DraftVocabulary
    pinned: np.ndarray
    added: np.ndarray
    changes: tuple[CoverageChange, ...]
    exhausted: bool
    occurring: int

    @property
    def note(self) -> str:
        """What a longer list would bring, where it would bring nothing; else ""."""
        if not self.exhausted:
            return ""
        return (
            f"A larger k cannot help on the added traffic: only {self.occurring:,} ids occur in "
            "it, and all of them are in the list."
        )


def extend(
    base: DraftVocabulary,
    sets: Sequence[TokenCounts],
    *,
    weights: Sequence[float] | None = None,
    add: int | None = None,
    k: int | None = None,
    coverage: float | None = None,
    pinned: np.ndarray | None = None,
    measured: Sequence[TokenCounts] = (),
) -> Extended:
    """Add tokens to a list.

    What is pinned is added first. Then the tokens of the corpora that the list lacks are added, the
    most frequent first (ties: lower id first), up to the budget; tokens that never occur are not
    added, so the list may stay shorter than asked.

    Args:
        base: The list; every token of it stays.
        sets: Counts of the corpora to add, of one tokenizer and V.
        weights: Weight of each corpus; None for equal ones. Each corpus counts by its shares.
        add: The most tokens to add, those that are pinned included.
        k: The size to reach, in place of `add`.
        coverage: Coverage of the weighted corpora to reach, 0..1, in place of `add`.
        pinned: int64 ids to add whatever their counts.
        measured: Counts to measure before and after, without adding from them.

    Returns:
        The longer list.

    Raises:
        InputError: No or more than one budget is given, it is too small for what is pinned, V
            differs, or the corpora were counted differently.
    """
    if (add is not None) + (k is not None) + (coverage is not None) != 1:
        raise InputError("Give one budget: tokens to add, a size, or a coverage to reach.")
    all_sets = [*sets, *measured]
    for counts in all_sets:
        if counts.vocab_size != base.vocab_size:
            raise InputError(
                f"{counts.name} was counted with V = {counts.vocab_size:,}, but the list belongs "
                f"to V = {base.vocab_size:,}; count it with the model's own tokenizer."
            )
    frequencies = mix(sets, weights or [1.0] * len(sets))
    inside = base.t2d
    pins = np.empty(0, np.int64) if pinned is None else np.unique(pinned)
    pins = pins[~inside[pins]] if len(pins) else pins
    inside[pins] = True
    order = np.argsort(-frequencies, kind="stable")
    candidates = order[~inside[order] & (frequencies[order] > 0)]
    count = _count(frequencies, inside, candidates, len(base), len(pins), add, k, coverage)
    added = candidates[:count]
    inside[added] = True
    vocabulary = DraftVocabulary(np.flatnonzero(inside), base.vocab_size)
    changes = tuple(
        _change(counts, base, vocabulary, number < len(sets))
        for number, counts in enumerate(all_sets)
    )
    occurring = int((frequencies > 0).sum())
    return Extended(vocabulary, base, pins, added, changes, count == len(candidates), occurring)


def _count(
    frequencies: np.ndarray,
    inside: np.ndarray,
    candidates: np.ndarray,
    size: int,
    pins: int,
    add: int | None,
    k: int | None,
    coverage: float | None,
) -> int:
    """Number of candidates to add."""
    if coverage is not None:
        if not 0 <= coverage <= 1:
            raise InputError(f"The coverage to reach must lie within 0..1, not {coverage}.")
        covered = frequencies[inside].sum() + np.concatenate(
            [[0.0], np.cumsum(frequencies[candidates])]
        )
        # A sum of shares may end a few bits below 1.
        return min(int(np.searchsorted(covered, coverage - 1e-12)), len(candidates))
    budget = add if add is not None else (k or 0) - size
    if budget < pins:
        wanted = f"k = {k:,}" if k is not None else f"{add:,} tokens to add"
        raise InputError(
            f"The list has {size:,} tokens and {pins:,} more are pinned, which is above {wanted}; "
            "every token of a list stays, so give a larger budget."
        )
    return min(budget - pins, len(candidates))


def _change(
    counts: TokenCounts, base: DraftVocabulary, longer: DraftVocabulary, added_from: bool
) -> CoverageChange:
    values, total = counts.counts, counts.counts.sum()
    ranked = np.sort(values)[::-1]
    occurring = int((values > 0).sum())
    return CoverageChange(
        counts.name,
        added_from,
        float(values[base.ids].sum() / total),
        float(values[longer.ids].sum() / total),
        float(ranked[: len(longer)].sum() / total),
        occurring,
        occurring - int((values[longer.ids] > 0).sum()),
    )
