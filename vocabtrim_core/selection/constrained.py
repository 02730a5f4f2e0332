"""A vocabulary made to measure: a mix of corpora, wishes, a floor on every corpus, each priced."""

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
    """What a vocabulary is to be.

    weights: traffic share per corpus.  k: its size, None for the utility optimum of alpha.
    floor: least coverage of the mix; floor_everywhere: of every corpus. Shares in 0..1.
    wishes: tokens to keep; excluded: int64 ids to drop; multiple: the size is rounded up to it.
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
    """What one part of a demand costs beside the others: the result with it minus without it.

    tokens: how many it names; moved: how many of these are in (excluded: out) because of it alone.
    """

    name: str
    tokens: int
    moved: int
    k: int
    utility: float


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The vocabulary of a demand.

    choice: at the coverage of the mix.  plain: the same without wishes, exclusions, multiple and
    floor everywhere.  coverages: on each corpus.  worst: with a floor everywhere, the smallest
    vocabulary found that reaches it whatever its utility, and the proof how small any can be.
    """

    vocabulary: DraftVocabulary
    choice: Choice
    plain: Choice
    coverages: tuple[HeldOut, ...]
    prices: tuple[ConstraintCost, ...]
    worst: WorstDomain | None


def solve(demand: Problem) -> Result:
    """The vocabulary that meets a demand with the best utility; exact but for floor_everywhere.

    Utility adds up token by token, so every token that pays for itself is in; what floors still
    lack is filled by `worst_domain`. InputError when the demand cannot be met.
    """
    frequencies = mix(demand.sets, demand.weights)
    choice, price = partial(_choice, demand, frequencies), partial(_price, demand, frequencies)
    # A floor everywhere is priced beside all the rest; the rest without it, which is far quicker.
    free = replace(demand, floor_everywhere=None)
    kept, worst = _by_rules(free, frequencies), None
    prices = [price(*part, kept, _by_rules(others, frequencies)) for part, others in _less(free)]
    vocabulary = kept
    if demand.floor_everywhere is not None:
        vocabulary, worst = _with_floor(demand, demand.floor_everywhere, kept, frequencies)
        name = f"{demand.floor_everywhere:g} on every corpus"
        prices.append(price(name, vocabulary.gained(kept), vocabulary, kept))
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
    """How such a vocabulary came about, in a few words: for manifests and reports."""
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
    """What each of these wishes would cost beside a demand without it (floors everywhere apart)."""
    frequencies = mix(demand.sets, demand.weights)
    demand = replace(demand, floor_everywhere=None)
    left = _by_rules(demand, frequencies)
    kept = (_by_rules(replace(demand, wishes=(*demand.wishes, w)), frequencies) for w in wishes)
    return tuple(
        _price(demand, frequencies, wish.name, wish.ids, with_it, left)
        for wish, with_it in zip(wishes, kept, strict=True)
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
    kept: DraftVocabulary,
    left: DraftVocabulary,
) -> ConstraintCost:
    """What a part of a demand changes: `kept` with it, `left` without."""
    changed = np.setxor1d(kept.ids, left.ids, assume_unique=True)
    ours, theirs = (_choice(demand, frequencies, v) for v in (kept, left))
    moved = int(np.isin(ids, changed).sum())
    return ConstraintCost(name, len(ids), moved, ours.k - theirs.k, ours.utility - theirs.utility)


def _less(demand: Problem) -> Iterator[tuple[tuple[str, np.ndarray], Problem]]:
    """Every part of a demand, as (name, ids), and the demand without it."""
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
    """The vocabulary of a demand without a floor on every corpus."""
    ruled = apply_rules(frequencies, _rules(demand))
    return ruled.vocabulary(demand.k or _optimum(demand, ruled))


def _optimum(demand: Problem, ruled: RuledCurve) -> int:
    tradeoff = ruled.tradeoff(
        demand.architecture, demand.alpha, demand.floor, demand.k_min, demand.k_max
    )
    return tradeoff.optimum.k


def _with_floor(
    demand: Problem, floor: float, kept: DraftVocabulary, frequencies: np.ndarray
) -> tuple[DraftVocabulary, WorstDomain]:
    """The vocabulary of a demand with a floor on every corpus, and the smallest one for it.

    kept: what the demand without the floor gives.
    """
    rules = _rules(demand)
    smallest = worst_domain(
        demand.sets, floor, replace(rules, multiple=1), demand.k or demand.k_max
    )
    if all(coverage_on(kept, counts).coverage >= floor for counts in demand.sets):
        return kept, smallest
    if demand.k:
        kept_rules = replace(rules, protected=rules.protected | _ids(smallest.vocabulary))
        return apply_rules(frequencies, kept_rules).vocabulary(demand.k), smallest
    ruled = apply_rules(frequencies, replace(rules, multiple=1))
    paying = _ids(ruled.vocabulary(_optimum(demand, ruled)))
    kept_rules = replace(rules, protected=rules.protected | paying)
    return worst_domain(demand.sets, floor, kept_rules, demand.k_max).vocabulary, smallest


def _ids(vocabulary: DraftVocabulary) -> frozenset[int]:
    return frozenset(vocabulary.ids.tolist())
