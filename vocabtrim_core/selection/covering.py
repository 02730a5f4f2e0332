"""A floor on every corpus: a small vocabulary that reaches it, and a bound on the smallest size.

The problem: minimise |D| subject to sum over t in D of p_c(t) >= floor for every corpus c, where D
holds the protected and none of the excluded tokens. This is a covering integer program, NP-hard in
general. Its dual has one weight per corpus, so it is easy for few corpora.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.rules import EXCLUDED, FREE, PROTECTED, Rules
from vocabtrim_core.selection.selection import apply_rules, shares
from vocabtrim_core.vocabulary import DraftVocabulary

ROUNDS = 100
CLOSE = 5e-4  # relative gap to the lower bound at which the search stops
SLACK = 1e-12  # rounding error within which a floor is reached


@dataclass(frozen=True, slots=True, eq=False)
class CoveringVocabulary:
    """A vocabulary that reaches a floor on every corpus, and how close it is to the smallest.

    Attributes:
        vocabulary: The draft vocabulary.
        floor: The floor, 0..1.
        coverages: float64[corpora], its coverages.
        smallest_k: Its size before rounding up to the rules' multiple.
        least_k: Lower bound: no smaller vocabulary reaches the floor everywhere under the rules.
        top_k_worst: Worst coverage of the pooled top k of the same size under the same rules.
        top_k_needed: Size at which the pooled top k reaches the floor everywhere.
    """

    vocabulary: DraftVocabulary
    floor: float
    coverages: np.ndarray
    smallest_k: int
    least_k: int
    top_k_worst: float
    top_k_needed: int


def covering_vocabulary(
    sets: Sequence[TokenCounts],
    floor: float,
    rules: Rules | None = None,
    k_max: int | None = None,
) -> CoveringVocabulary:
    """Find a small vocabulary whose coverage on every corpus is at least a floor.

    For any weights w on the corpora (adding up to 1), a D that satisfies every corpus satisfies
    their w-mix. So the number of tokens that reach the floor on the mix is a lower bound of |D|,
    and the mix's top tokens, taken until every corpus is satisfied, are a solution. Weights move
    towards the corpora below the floor (multiplicative updates). The best solution and the best
    bound are kept, and at the end tokens that no corpus needs are dropped.

    Args:
        sets: Counts per corpus, over the same V.
        floor: Least coverage of every corpus, above 0 and at most 1.
        rules: Protected and excluded tokens, and the multiple; None for no rules.
        k_max: Largest size, None for V.

    Returns:
        The smallest vocabulary found, with the lower bound.

    Raises:
        InputError: The floor is out of range, or out of reach under the rules and k_max; the
            message names the corpus.
    """
    if not 0 < floor <= 1:
        raise InputError(f"The floor must lie above 0 and at most 1, but it is {floor}.")
    rules = rules or Rules()
    p = shares(sets)
    tiers = rules.tiers(p.shape[1])
    protected = np.flatnonzero(tiers == PROTECTED)
    _refuse_unless(sets, p[:, tiers < EXCLUDED].sum(axis=1), floor, "without the excluded tokens")
    free = np.flatnonzero((tiers == FREE) & p.any(axis=0))
    base = p[:, protected].sum(axis=1)
    columns, least_size, weights = _search(p[:, free], base, floor - SLACK)
    columns = _drop_surplus(columns, p[:, free], base, floor - SLACK)
    ids = np.concatenate([protected, free[columns]])
    # The order in which ids fill the size up or are cut: by the mix that proves the bound.
    fill_order = np.lexsort((-(weights @ p), tiers))[: np.count_nonzero(tiers < EXCLUDED)]
    if k_max is not None and max(len(ids), 1) > k_max:
        first_k = fill_order[:k_max]
        where = f"within k = {k_max:,} (the smallest vocabulary found has {len(ids):,} tokens)"
        _refuse_unless(sets, p[:, first_k].sum(axis=1), floor, where)
    pooled = apply_rules(np.sum([c.counts for c in sets], axis=0), rules)
    fill_order = fill_order[np.isin(fill_order, ids, invert=True, assume_unique=True)]
    size = pooled.padded(max(len(ids), 1))
    selected = np.concatenate([ids, fill_order[: size - len(ids)]])
    by_rank = np.cumsum(p[:, pooled.curve.order], axis=1)
    reached = max(int(np.searchsorted(row, floor - SLACK)) + 1 for row in by_rank)
    return CoveringVocabulary(
        DraftVocabulary(np.sort(selected), p.shape[1]),
        floor,
        p[:, selected].sum(axis=1),
        len(ids),
        len(protected) + least_size,
        float(by_rank[:, size - 1].min()),
        min(max(reached, pooled.smallest_k), pooled.largest_k),
    )


def _search(p: np.ndarray, base: np.ndarray, target: float) -> tuple[np.ndarray, int, np.ndarray]:
    """Search a small solution and a lower bound.

    Args:
        p: float64[corpora, columns], coverage that each token adds.
        base: float64[corpora], coverage of the protected tokens.
        target: The floor.

    Returns:
        Columns of the best solution, lower bound of their number, weights of the mix that proves
        it.
    """
    best = np.arange(p.shape[1])
    weights = proof = np.full(len(p), 1 / len(p))
    if (base >= target).all():
        return best[:0], 0, proof
    least = 0
    for step in range(ROUNDS):
        order = _top(weights @ p, len(best))
        covered = np.cumsum(p[:, order], axis=1)
        covered += base[:, None]
        # At most len(best), since the mix's top tokens cover as much of it as any solution.
        enough = int(np.searchsorted(weights @ covered, target)) + 1
        if weights @ base >= target:
            enough = 0
        solves = max(int(np.searchsorted(row, target)) + 1 for row in covered)
        if solves < len(best):
            best = order[:solves]
        if enough > least:
            least, proof = min(enough, len(best)), weights
        lag = target - (covered[:, min(enough, len(order)) - 1] if enough else base)
        scale = np.abs(lag).max()
        if scale < 1e-9 or len(best) - least <= CLOSE * least:
            break
        weights = weights * np.exp(lag / scale / np.sqrt(1 + step))
        weights /= weights.sum()
    return best, least, proof


def _top(scores: np.ndarray, count: int) -> np.ndarray:
    """int64[count]: columns by falling score, ties by position, without sorting the others."""
    if count < len(scores):
        edge = np.partition(scores, len(scores) - count)[len(scores) - count]
        above = np.flatnonzero(scores > edge)
        level = np.flatnonzero(scores == edge)[: count - len(above)]
        chosen = np.sort(np.concatenate([above, level]))
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def _drop_surplus(
    columns: np.ndarray, p: np.ndarray, base: np.ndarray, target: float
) -> np.ndarray:
    """Drop tokens, the least useful first, while every corpus stays at its floor."""
    slack = base + p[:, columns].sum(axis=1) - target
    is_kept = np.ones(len(columns), bool)
    for place in np.argsort(p[:, columns].max(axis=0), kind="stable").tolist():
        loss = p[:, columns[place]]
        if (loss <= slack).all():
            slack -= loss
            is_kept[place] = False
        elif not (slack > 0).any():
            break
    return columns[is_kept]


def _refuse_unless(
    sets: Sequence[TokenCounts], coverages: np.ndarray, floor: float, where: str
) -> None:
    """InputError naming the corpus that is furthest below the floor, if any is."""
    worst = int(np.argmin(coverages))
    if coverages[worst] < floor - SLACK:
        raise InputError(
            f"A coverage of {floor:.4f} on every corpus is out of reach {where}: "
            f"{sets[worst].name} gets to {coverages[worst]:.4f}; lower the floor or change the "
            "rules."
        )
