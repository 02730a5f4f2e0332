"""Mixes, rules and the worst-domain floor, against brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.covering import covering_vocabulary
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection.selection import apply_rules, mix, shares

SIZE = 8
COUNTS = st.lists(st.integers(0, 30), min_size=SIZE, max_size=SIZE).filter(any)


@given(COUNTS)
def test_mix_of_one_is_itself(make_counts_of, values):
    counts = make_counts_of(values)
    assert np.allclose(mix([counts], [0.3]) * counts.tokens, counts.counts)


@given(COUNTS, COUNTS, st.floats(0.01, 1), st.floats(0, 1))
def test_mix_is_the_weighted_mean_of_frequencies(make_counts_of, a, b, u, v):
    sets = [make_counts_of(a), make_counts_of(b)]
    mixed = mix(sets, [u, v])
    assert mixed.sum() == pytest.approx(1)
    assert np.allclose(mixed, (u * shares(sets)[0] + v * shares(sets)[1]) / (u + v))


@given(
    COUNTS,
    st.sets(st.integers(0, 3), max_size=3),
    st.sets(st.integers(4, 7), max_size=3),
    st.integers(1, 4),
    st.integers(1, SIZE),
)
def test_rules_hold_at_every_k(counts, protected, excluded, multiple, k):
    ruled = apply_rules(
        np.array(counts), Rules(frozenset(protected), frozenset(excluded), multiple)
    )
    if k > ruled.largest_k:
        with pytest.raises(InputError, match="left after exclusions"):
            ruled.padded(k)
        return
    vocabulary = ruled.vocabulary(k)
    ids = set(vocabulary.ids.tolist())
    assert protected <= ids
    assert not excluded & ids
    assert len(ids) >= max(k, len(protected))
    assert len(ids) % multiple == 0 or len(ids) == ruled.largest_k
    kept = sum(counts[i] for i in ids) / sum(counts)
    assert ruled.curve.at(len(ids)) == pytest.approx(kept)


def test_no_rules_is_plain_top_k():
    counts = np.array([3, 9, 9, 1, 0])
    assert (
        apply_rules(counts, Rules()).curve.order.tolist() == CoverageCurve.of(counts).order.tolist()
    )


@given(
    st.lists(COUNTS, min_size=1, max_size=3),
    st.floats(0.05, 1),
    st.sets(st.integers(0, 3), max_size=2),
    st.sets(st.integers(4, 7), max_size=2),
)
@settings(max_examples=80, deadline=None)
def test_worst_domain_reaches_the_floor_within_its_bound(
    make_counts_of, rows, floor, protected, excluded
):
    sets = [make_counts_of(row) for row in rows]
    p = shares(sets)
    allowed = sorted(set(range(SIZE)) - excluded)
    rules = Rules(frozenset(protected), frozenset(excluded))
    if (p[:, allowed].sum(axis=1) < floor - 1e-9).any():
        with pytest.raises(InputError, match="out of reach without the excluded tokens"):
            covering_vocabulary(sets, floor, rules)
        return
    found = covering_vocabulary(sets, floor, rules)
    ids = set(found.vocabulary.ids.tolist())
    smallest = next(
        size
        for size in range(1, SIZE + 1)
        if any(
            protected <= set(c) and (p[:, list(c)].sum(axis=1) >= floor - 1e-9).all()
            for c in combinations(allowed, size)
        )
    )
    assert (found.coverages >= floor - 1e-9).all()
    assert protected <= ids
    assert not excluded & ids
    assert found.least_k <= smallest <= len(ids) == found.smallest_k
    assert len(ids) <= found.top_k_needed


def test_worst_domain_by_hand(make_counts):
    # The first corpus needs tokens 0 and 1 for 90 %, the second 0 and 2: three tokens in all.
    # Pooled, 1 and 3 come before 2, so top-k needs four.
    sets = [make_counts([6, 3, 0, 1]), make_counts([7, 0, 2, 1])]
    found = covering_vocabulary([sets[0] + sets[0] + sets[0], sets[1]], 0.9)
    assert found.vocabulary.ids.tolist() == [0, 1, 2]
    assert found.top_k_needed == 4
    assert found.top_k_worst == pytest.approx(0.8)


def test_worst_domain_keeps_its_rules(make_counts):
    sets = [make_counts([9, 5, 1, 0])]
    assert 3 in covering_vocabulary(sets, 0.9, Rules(frozenset({3}))).vocabulary.ids
    padded = covering_vocabulary(sets, 0.5, Rules(multiple=2))
    assert (padded.smallest_k, padded.vocabulary.ids.tolist()) == (1, [0, 1])
    with pytest.raises(InputError, match=r"within k = 1 .* corpus gets to 0\.6000"):
        covering_vocabulary(sets, 0.9, k_max=1)


def test_ruled_tradeoff_searches_where_the_rules_allow():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 1000, 60) ** 2
    architecture = DraftArchitecture("tiny", 8, 8, 2, 1, 4, 60)
    rules = Rules(frozenset(range(50, 56)), frozenset(range(5)))
    ruled = apply_rules(counts, rules)
    for alpha in np.linspace(0.05, 0.99, 40):
        tradeoff = ruled.tradeoff(architecture, alpha)
        assert (tradeoff.k_min, tradeoff.last_k) == (6, 55)
        best = max(range(6, 56), key=lambda k: tradeoff.at(k).utility)
        assert tradeoff.optimum.k == tradeoff.optimum_closed_form().k == best
        assert tradeoff.alpha_path(np.array([alpha])).tolist() == [best]
    with pytest.raises(InputError, match="6 tokens are protected"):
        ruled.tradeoff(architecture, k_max=5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0, 0], "All domain weights are zero"),
        ([1, -1], "must be 0 or more"),
        ([1], "2 corpora need as many weights"),
    ],
)
def test_bad_weights(make_counts, weights, message):
    with pytest.raises(InputError, match=message):
        mix([make_counts([1, 2]), make_counts([2, 1])], weights)


def test_bad_rules_and_floors(make_counts):
    with pytest.raises(InputError, match="id 2 is both protected and excluded"):
        apply_rules(np.ones(4), Rules(frozenset({2}), frozenset({2})))
    with pytest.raises(InputError, match=r"id 9 .* outside 0\.\.3"):
        apply_rules(np.ones(4), Rules(frozenset({9})))
    with pytest.raises(InputError, match="multiple"):
        apply_rules(np.ones(4), Rules(multiple=9))
    with pytest.raises(InputError, match="above 0 and at most 1"):
        covering_vocabulary([make_counts([1, 2])], 0)
    with pytest.raises(InputError, match="rule is assistant against content"):
        covering_vocabulary([make_counts([1, 2]), make_counts([1, 2], rule="content")], 0.5)
    with pytest.raises(InputError, match="holds no tokens"):
        mix([make_counts([0, 0])], [1])
