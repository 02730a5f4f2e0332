"""Vocabularies beyond top-k: mixes, protected and excluded tokens, a floor on every corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.vocabulary import DraftVocabulary


def shares(sets: Sequence[TokenCounts]) -> np.ndarray:
    """float64[len(sets), V]: each corpus's token frequencies, rows summing to 1.

    InputError, naming the two, when they were counted differently or one is empty.
    """
    if not sets:
        raise InputError("Choose at least one counted corpus.")
    for other in sets[1:]:
        sets[0].check_same_kind(other)
    for counts in sets:
        if not counts.tokens:
            raise InputError(f"{counts.name} holds no tokens; leave it out.")
    return np.stack([counts.counts / counts.tokens for counts in sets])


def mix(sets: Sequence[TokenCounts], weights: Sequence[float]) -> np.ndarray:
    """float64[V]: expected token frequencies of traffic with these shares per corpus; sums to 1."""
    if len(weights) != len(sets):
        raise InputError(f"{len(sets)} corpora need as many weights, but there are {len(weights)}.")
    values = np.asarray(weights, float)
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError(f"Domain weights must be 0 or more, but they are {list(weights)}.")
    if not values.sum():
        raise InputError("All domain weights are zero; give one corpus a weight above zero.")
    return values / values.sum() @ shares(sets)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a selection must and must not contain. multiple: k is rounded up to it (64 x TP)."""

    protected: frozenset[int] = frozenset()
    excluded: frozenset[int] = frozenset()
    multiple: int = 1

    def check(self, vocab_size: int) -> None:
        """InputError when the rules contradict each other or name ids outside 0..V-1."""
        both = self.protected & self.excluded
        if both:
            raise InputError(
                f"Token id {min(both)} is both protected and excluded ({len(both)} such ids); "
                "remove it from one of the lists."
            )
        outside = [i for i in self.protected | self.excluded if not 0 <= i < vocab_size]
        if outside:
            raise InputError(
                f"Token id {min(outside)} in the protected or excluded list lies outside "
                f"0..{vocab_size - 1}."
            )
        if not 1 <= self.multiple <= vocab_size:
            raise InputError(f"The size multiple must lie within 1..{vocab_size}.")


@dataclass(frozen=True, slots=True, eq=False)
class RuledCurve:
    """Tokens in the order the rules admit them: protected first, then by frequency.

    curve: coverage over that order (not concave at its start: protected tokens come first).
    smallest_k, largest_k: sizes the rules allow.
    """

    curve: CoverageCurve
    smallest_k: int
    largest_k: int
    multiple: int

    def padded(self, k: int) -> int:
        """k raised to the protected tokens and up to the multiple, at most what is allowed."""
        if k > self.largest_k:
            raise InputError(
                f"k = {k:,} is more than the {self.largest_k:,} tokens left after exclusions."
            )
        wanted = max(k, self.smallest_k)
        up = -(-wanted // self.multiple) * self.multiple
        return up if up <= self.largest_k else self.largest_k

    def vocabulary(self, k: int) -> DraftVocabulary:
        """The first `padded(k)` tokens of the order."""
        return self.curve.vocabulary(self.padded(k))


def apply_rules(frequencies: np.ndarray, rules: Rules) -> RuledCurve:
    """Order tokens under the rules; frequencies int64[V] or float64[V]."""
    size = len(frequencies)
    rules.check(size)
    tier = np.ones(size, np.int8)
    tier[list(rules.protected)] = 0
    tier[list(rules.excluded)] = 2
    order = np.lexsort((np.arange(size), -frequencies, tier))
    total = frequencies.sum()
    if not total:
        raise InputError("The counts hold no tokens, so there is nothing to cover.")
    ranked = frequencies[order]
    curve = CoverageCurve(
        order, ranked, np.cumsum(ranked) / total, total.item(), int(np.count_nonzero(ranked))
    )
    return RuledCurve(
        curve, max(1, len(rules.protected)), size - len(rules.excluded), rules.multiple
    )


@dataclass(frozen=True, slots=True, eq=False)
class WorstDomain:
    """A vocabulary that reaches a floor on every corpus, and how close to the smallest it is.

    least_k: no vocabulary smaller than this can reach the floor everywhere (proved by duality).
    top_k_worst: the worst coverage of the pooled top-k of the same size, for comparison.
    """

    vocabulary: DraftVocabulary
    floor: float
    coverages: np.ndarray
    least_k: int
    top_k_worst: float
    top_k_needed: int  # size at which pooled top-k reaches the floor everywhere


def worst_domain(
    sets: Sequence[TokenCounts],
    floor: float,
    protected: Iterable[int] = (),
    rounds: int = 60,
) -> WorstDomain:
    """Smallest vocabulary found whose coverage on every corpus is at least `floor`.

    The problem: minimise |D| subject to sum over t in D of p_c(t) >= floor for every corpus c. It
    is a covering integer program (NP-hard in general). For any weights w on the corpora, the
    tokens needed to reach the floor on the w-mix bound |D| from below, since a D that satisfies
    every corpus satisfies their mix; and the top tokens of that mix, taken until every corpus is
    satisfied, are a solution. Weights move towards the corpora that lag (multiplicative updates),
    the best solution and the best bound are kept, and tokens no corpus needs are dropped at last.

    InputError when the floor is outside (0, 1].
    """
    if not 0 < floor <= 1:
        raise InputError(f"The floor must lie above 0 and at most 1, but it is {floor}.")
    p = shares(sets)
    size = p.shape[1]
    target = floor - 1e-12
    kept = np.zeros(size, bool)
    kept[list(protected)] = True

    def needed(weights: np.ndarray) -> tuple[int, int, np.ndarray]:
        order = np.argsort(-(weights @ p), kind="stable")
        covered = np.cumsum(p[:, order], axis=1)
        enough = int(np.searchsorted(weights @ covered, target)) + 1
        solves = int(max(np.searchsorted(row, target) for row in covered)) + 1
        return min(enough, size), min(solves, size), order

    weights = np.full(len(sets), 1 / len(sets))
    best: np.ndarray | None = None
    least = 1
    for step in range(rounds):
        enough, solves, order = needed(weights)
        least = max(least, enough)
        if best is None or solves < len(best):
            best = order[:solves]
        lag = floor - p[:, order[:enough]].sum(axis=1)
        scale = np.abs(lag).max()
        if len(sets) == 1 or scale < 1e-9 or len(best) == least:
            break
        weights = weights * np.exp(lag / scale / np.sqrt(1 + step))
        weights /= weights.sum()
    assert best is not None
    kept[_drop_surplus(best, p, target)] = True
    ids = np.flatnonzero(kept)
    pooled = np.argsort(-np.sum([c.counts for c in sets], axis=0), kind="stable")
    covered = np.cumsum(p[:, pooled], axis=1)
    return WorstDomain(
        DraftVocabulary(ids, size),
        floor,
        p[:, ids].sum(axis=1),
        least,
        float(covered[:, len(ids) - 1].min()),
        min(int(max(np.searchsorted(row, target) for row in covered)) + 1, size),
    )


def _drop_surplus(ids: np.ndarray, p: np.ndarray, target: float) -> np.ndarray:
    """Remove tokens, least useful first, while every corpus stays at its floor."""
    slack = p[:, ids].sum(axis=1) - target
    keep = np.ones(len(ids), bool)
    for place in np.argsort(p[:, ids].max(axis=0), kind="stable"):
        loss = p[:, ids[place]]
        if (loss <= slack).all():
            slack -= loss
            keep[place] = False
        elif not (slack > 0).any():
            break
    return ids[keep]
