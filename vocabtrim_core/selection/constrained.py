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
from vocabtrim_core.selection.covering import WorstDomain, worst_domain
from vocabtrim_core.selection.protect import Wish, rules_of
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
        wishes: Sets of tokens to keep.
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
    wishes: tuple[Wish, ...] = ()
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
        plain: The trade-off without wishes, exclusions, multiple and floor everywhere.
        coverages: Coverage on each corpus.
        prices: Cost of each constraint.
        worst: With a floor everywhere: the smallest vocabulary found that reaches it, whatever its
            utility, with a lower bound on the size of any. None without.
    """

    vocabulary: DraftVocabulary
    choice: Choice
    plain: Choice
    coverages: tuple[HeldOut, ...]
    prices: tuple[ConstraintCost, ...]
    worst: WorstDomain | None


def solve(demand: Problem) -> Result:
    """Find the vocabulary with the best utility under the constraints.

    Utility is a sum over tokens, so every token that raises it is in. Tokens that floors still need
    are added by `worst_domain`. The result is exact except for `floor_everywhere`.

    Args:
        demand: The constraints.

    Returns:
        The vocabulary, its coverages and the cost of each constraint.

    Raises:
        InputError: The constraints contradict each other or cannot be met.
    """
    frequencies = mix(demand.sets, demand.weights)
    choice, price = partial(_choice, demand, frequencies), partial(_price, demand, frequencies)
    # A floor everywhere is priced beside the other constraints, these without it, which is faster.
    free = replace(demand, floor_everywhere=None)
    without_floor, worst = _by_rules(free, frequencies), None
    prices = [
        price(*part, without_floor, _by_rules(others, frequencies)) for part, others in _less(free)
    ]
    vocabulary = without_floor
    if demand.floor_everywhere is not None:
        vocabulary, worst = _with_floor(demand, demand.floor_everywhere, without_floor, frequencies)
        name = f"{demand.floor_everywhere:g} on every corpus"
        prices.append(price(name, vocabulary.gained(without_floor), vocabulary, without_floor))
    plain = replace(free, wishes=(), excluded=None, multiple=1)
    return Result(
        vocabulary,
        choice(vocabulary),
        choice(_by_rules(plain, frequencies)),
        tuple(coverage_on(vocabulary, counts) for counts in demand.sets),
        tuple(prices),
        worst,
    )


def about(demand: Problem) -> str:
    """Describe in a few words how a vocabulary was chosen, for manifests and reports.

    Args:
        demand: The constraints.

    Returns:
        A phrase without a final stop.
    """
    total = sum(demand.weights)
    parts = [
        f"{weight / total:.0%} {counts.name}"
        for counts, weight in zip(demand.sets, demand.weights, strict=True)
        if weight
    ]
    text = f"tailored to {', '.join(parts)}"
    if demand.wishes:
        text += f"; keeps {', '.join(wish.name for wish in demand.wishes)}"
    if demand.excluded is not None:
        text += f"; leaves out {len(demand.excluded):,} tokens"
    if demand.floor_everywhere:
        text += f"; at least {demand.floor_everywhere:.1%} of every set"
    return text + (f"; a multiple of {demand.multiple}" if demand.multiple > 1 else "")


def constraint_costs(demand: Problem, wishes: Sequence[Wish]) -> tuple[ConstraintCost, ...]:
    """Compute what further wishes would cost, each alone, without a floor on every corpus.

    Args:
        demand: The constraints besides them.
        wishes: The wishes.

    Returns:
        One cost per wish.

    Raises:
        InputError: The constraints contradict each other or cannot be met.
    """
    frequencies = mix(demand.sets, demand.weights)
    demand = replace(demand, floor_everywhere=None)
    without = _by_rules(demand, frequencies)
    with_wish = (
        _by_rules(replace(demand, wishes=(*demand.wishes, w)), frequencies) for w in wishes
    )
    return tuple(
        _price(demand, frequencies, wish.name, wish.ids, with_it, without)
        for wish, with_it in zip(wishes, with_wish, strict=True)
    )


def _choice(demand: Problem, frequencies: np.ndarray, vocabulary: DraftVocabulary) -> Choice:
    """The trade-off of a vocabulary at the coverage of the mix."""
    coverage = float(frequencies[vocabulary.ids].sum())
    reduction = float(demand.architecture.latency_reduction(len(vocabulary)))
    utility = demand.alpha * coverage + (1 - demand.alpha) * reduction
    return Choice(len(vocabulary), coverage, reduction, utility)


def _price(
    demand: Problem,
    frequencies: np.ndarray,
    name: str,
    ids: np.ndarray,
    with_part: DraftVocabulary,
    without_part: DraftVocabulary,
) -> ConstraintCost:
    """The cost of a part of a problem: `with_part` minus `without_part`."""
    changed = np.setxor1d(with_part.ids, without_part.ids, assume_unique=True)
    own, other = (_choice(demand, frequencies, v) for v in (with_part, without_part))
    moved = int(np.isin(ids, changed).sum())
    return ConstraintCost(name, len(ids), moved, own.k - other.k, own.utility - other.utility)


def _less(demand: Problem) -> Iterator[tuple[tuple[str, np.ndarray], Problem]]:
    """Every part of a problem, as (name, ids), and the problem without it."""
    for i, wish in enumerate(demand.wishes):
        wishes = demand.wishes[:i] + demand.wishes[i + 1 :]
        yield (wish.name, wish.ids), replace(demand, wishes=wishes)
    if demand.excluded is not None and len(demand.excluded):
        yield ("excluded", demand.excluded), replace(demand, excluded=None)
    if demand.multiple > 1:
        nothing = np.empty(0, np.int64)
        yield (f"multiple of {demand.multiple}", nothing), replace(demand, multiple=1)


def _rules(demand: Problem) -> Rules:
    return rules_of(demand.wishes, demand.excluded, demand.multiple)


def _by_rules(demand: Problem, frequencies: np.ndarray) -> DraftVocabulary:
    """The vocabulary of a problem without a floor on every corpus."""
    ruled = apply_rules(frequencies, _rules(demand))
    return ruled.vocabulary(demand.k or _optimum(demand, ruled))


def _optimum(demand: Problem, ruled: RuledCurve) -> int:
    tradeoff = ruled.tradeoff(
        demand.architecture, demand.alpha, demand.floor, demand.k_min, demand.k_max
    )
    return tradeoff.optimum.k


def _with_floor(
    demand: Problem, floor: float, without_floor: DraftVocabulary, frequencies: np.ndarray
) -> tuple[DraftVocabulary, WorstDomain]:
    """The vocabulary with a floor on every corpus, and the smallest one that reaches it."""
    rules = _rules(demand)
    smallest = worst_domain(
        demand.sets, floor, replace(rules, multiple=1), demand.k or demand.k_max
    )
    if all(coverage_on(without_floor, counts).coverage >= floor for counts in demand.sets):
        return without_floor, smallest
    if demand.k:
        wider_rules = replace(rules, protected=rules.protected | _ids(smallest.vocabulary))
        return apply_rules(frequencies, wider_rules).vocabulary(demand.k), smallest
    ruled = apply_rules(frequencies, replace(rules, multiple=1))
    profitable = _ids(ruled.vocabulary(_optimum(demand, ruled)))
    wider_rules = replace(rules, protected=rules.protected | profitable)
    return worst_domain(demand.sets, floor, wider_rules, demand.k_max).vocabulary, smallest


def _ids(vocabulary: DraftVocabulary) -> frozenset[int]:
    return frozenset(vocabulary.ids.tolist())
