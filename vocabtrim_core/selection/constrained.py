"""A vocabulary under constraints: a mix of corpora, tokens to keep, a floor on every corpus.

The cost of each constraint is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import HeldOut, coverage_on
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.selection.covering import CoveringVocabulary, covering_vocabulary
from vocabtrim_core.selection.protect import ProtectedGroup, rules_of
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection.selection import RuledCurve, apply_rules, mix
from vocabtrim_core.tradeoff import Choice
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The constraints of a vocabulary; shares in 0..1.

    Attributes:
        sets: Counts per corpus, over the same V.
        weights: Share of the traffic per corpus; any scale.
        architecture: Shapes of the draft.
        alpha: Weight of coverage in the utility.
        floor: Least coverage of the mix.
        floor_everywhere: Least coverage of every corpus, None for none.
        k: Size of the vocabulary; None for the optimum of the utility.
        k_min: Smallest k of the search.
        k_max: Largest k of the search, None for V.
        protected: Sets of tokens to keep.
        excluded: int64 ids to leave out, None for none.
        multiple: The size is rounded up to a multiple of this.
    """

    sets: Sequence[TokenCounts]
    weights: Sequence[float]
    architecture: DraftArchitecture
    alpha: float = 0.5
    floor: float = 0.0
    floor_everywhere: float | None = None
    k: int | None = None
    k_min: int = 1
    k_max: int | None = None
    protected: tuple[ProtectedGroup, ...] = ()
    excluded: np.ndarray | None = None
    multiple: int = 1


@dataclass(frozen=True, slots=True)
class ConstraintCost:
    """What one constraint costs beside the others: the result with it minus the one without it.

    Attributes:
        name: Of the constraint.
        tokens: Number of tokens it names.
        moved: How many of these are in (for excluded: out) only because of it.
        k: Difference of the sizes.
        utility: Difference of the utilities.
    """

    name: str
    tokens: int
    moved: int
    k: int
    utility: float


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The vocabulary that solves a problem.

    Attributes:
        vocabulary: The draft vocabulary.
        choice: Its trade-off at the coverage of the mix.
        plain: The trade-off without protected tokens, exclusions, multiple and floor everywhere.
        coverages: Coverage on each corpus.
        costs: Cost of each constraint.
        covering: With a floor everywhere: the smallest vocabulary found that reaches it, whatever
            its utility, with a lower bound on the size of any. None without.
    """

    vocabulary: DraftVocabulary
    choice: Choice
    plain: Choice
    coverages: tuple[HeldOut, ...]
    costs: tuple[ConstraintCost, ...]
    covering: CoveringVocabulary | None


def solve(problem: Problem) -> Result:
    """Find the vocabulary with the best utility under the constraints.

    Utility is a sum over tokens, so every token that raises it is in. Tokens that floors still need
    are added by `covering_vocabulary`. The result is exact except for `floor_everywhere`.

    Args:
        problem: The constraints.

    Returns:
        The vocabulary, its coverages and the cost of each constraint.

    Raises:
        InputError: The constraints contradict each other or cannot be met.
    """
    frequencies = mix(problem.sets, problem.weights)
    choice, cost = partial(_choice, problem, frequencies), partial(_cost, problem, frequencies)
    # A floor everywhere is priced beside the other constraints, these without it, which is faster.
    free = replace(problem, floor_everywhere=None)
    without_floor, covering = _by_rules(free, frequencies), None
    costs = [
        cost(*part, without_floor, _by_rules(others, frequencies)) for part, others in _less(free)
    ]
    vocabulary = without_floor
    if problem.floor_everywhere is not None:
        vocabulary, covering = _with_floor(
            problem, problem.floor_everywhere, without_floor, frequencies
        )
        name = f"{problem.floor_everywhere:g} on every corpus"
        costs.append(cost(name, vocabulary.gained(without_floor), vocabulary, without_floor))
    plain = replace(free, protected=(), excluded=None, multiple=1)
    return Result(
        vocabulary,
        choice(vocabulary),
        choice(_by_rules(plain, frequencies)),
        tuple(coverage_on(vocabulary, counts) for counts in problem.sets),
        tuple(costs),
        covering,
    )


def about(problem: Problem) -> str:
    """Describe in a few words how a vocabulary was chosen, for manifests and reports.

    Args:
        problem: The constraints.

    Returns:
        A phrase without a final stop.
    """
    total = sum(problem.weights)
    parts = [
        f"{weight / total:.0%} {counts.name}"
        for counts, weight in zip(problem.sets, problem.weights, strict=True)
        if weight
    ]
    text = f"tailored to {', '.join(parts)}"
    if problem.protected:
        text += f"; keeps {', '.join(group.name for group in problem.protected)}"
    if problem.excluded is not None:
        text += f"; leaves out {len(problem.excluded):,} tokens"
    if problem.floor_everywhere:
        text += f"; at least {problem.floor_everywhere:.1%} of every set"
    return text + (f"; a multiple of {problem.multiple}" if problem.multiple > 1 else "")


def constraint_costs(
    problem: Problem, protected: Sequence[ProtectedGroup]
) -> tuple[ConstraintCost, ...]:
    """Compute what more protected groups would cost, each alone, without a floor everywhere.

    Args:
        problem: The constraints besides them.
        protected: The groups.

    Returns:
        One cost per group.

    Raises:
        InputError: The constraints contradict each other or cannot be met.
    """
    frequencies = mix(problem.sets, problem.weights)
    problem = replace(problem, floor_everywhere=None)
    without = _by_rules(problem, frequencies)
    with_group = (
        _by_rules(replace(problem, protected=(*problem.protected, w)), frequencies)
        for w in protected
    )
    return tuple(
        _cost(problem, frequencies, group.name, group.ids, with_it, without)
        for group, with_it in zip(protected, with_group, strict=True)
    )


def _choice(problem: Problem, frequencies: np.ndarray, vocabulary: DraftVocabulary) -> Choice:
    """The trade-off of a vocabulary at the coverage of the mix."""
    coverage = float(frequencies[vocabulary.ids].sum())
    reduction = float(problem.architecture.latency_reduction(len(vocabulary)))
    utility = problem.alpha * coverage + (1 - problem.alpha) * reduction
    return Choice(len(vocabulary), coverage, reduction, utility)


def _cost(
    problem: Problem,
    frequencies: np.ndarray,
    name: str,
    ids: np.ndarray,
    with_part: DraftVocabulary,
    without_part: DraftVocabulary,
) -> ConstraintCost:
    """The cost of a part of a problem: `with_part` minus `without_part`."""
    changed = np.setxor1d(with_part.ids, without_part.ids, assume_unique=True)
    own, other = (_choice(problem, frequencies, v) for v in (with_part, without_part))
    moved = int(np.isin(ids, changed).sum())
    return ConstraintCost(name, len(ids), moved, own.k - other.k, own.utility - other.utility)


def _less(problem: Problem) -> Iterator[tuple[tuple[str, np.ndarray], Problem]]:
    """Every part of a problem, as (name, ids), and the problem without it."""
    for i, group in enumerate(problem.protected):
        protected = problem.protected[:i] + problem.protected[i + 1 :]
        yield (group.name, group.ids), replace(problem, protected=protected)
    if problem.excluded is not None and len(problem.excluded):
        yield ("excluded", problem.excluded), replace(problem, excluded=None)
    if problem.multiple > 1:
        nothing = np.empty(0, np.int64)
        yield (f"multiple of {problem.multiple}", nothing), replace(problem, multiple=1)


def _rules(problem: Problem) -> Rules:
    return rules_of(problem.protected, problem.excluded, problem.multiple)


def _by_rules(problem: Problem, frequencies: np.ndarray) -> DraftVocabulary:
    """The vocabulary of a problem without a floor on every corpus."""
    ruled = apply_rules(frequencies, _rules(problem))
    return ruled.vocabulary(problem.k or _optimum(problem, ruled))


def _optimum(problem: Problem, ruled: RuledCurve) -> int:
    tradeoff = ruled.tradeoff(
        problem.architecture, problem.alpha, problem.floor, problem.k_min, problem.k_max
    )
    return tradeoff.optimum.k


def _with_floor(
    problem: Problem, floor: float, without_floor: DraftVocabulary, frequencies: np.ndarray
) -> tuple[DraftVocabulary, CoveringVocabulary]:
    """The vocabulary with a floor on every corpus, and the smallest one that reaches it."""
    rules = _rules(problem)
    smallest = covering_vocabulary(
        problem.sets, floor, replace(rules, multiple=1), problem.k or problem.k_max
    )
    if all(coverage_on(without_floor, counts).coverage >= floor for counts in problem.sets):
        return without_floor, smallest
    if problem.k:
        wider_rules = replace(rules, protected=rules.protected | _ids(smallest.vocabulary))
        return apply_rules(frequencies, wider_rules).vocabulary(problem.k), smallest
    ruled = apply_rules(frequencies, replace(rules, multiple=1))
    profitable = _ids(ruled.vocabulary(_optimum(problem, ruled)))
    wider_rules = replace(rules, protected=rules.protected | profitable)
    return covering_vocabulary(problem.sets, floor, wider_rules, problem.k_max).vocabulary, smallest


def _ids(vocabulary: DraftVocabulary) -> frozenset[int]:
    return frozenset(vocabulary.ids.tolist())
