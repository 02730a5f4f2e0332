"""Mixes, rules and the worst-domain floor, against brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection import Rules, apply_rules, mix, shares, worst_domain

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


@given(st.lists(COUNTS, min_size=1, max_size=3), st.floats(0.05, 1))
@settings(max_examples=60, deadline=None)
def test_worst_domain_reaches_the_floor_within_its_bound(make_counts_of, rows, floor):
    sets = [make_counts_of(row) for row in rows]
    found = worst_domain(sets, floor)
    p = shares(sets)
    smallest = next(
        size
        for size in range(1, SIZE + 1)
        if any(
            (p[:, list(c)].sum(axis=1) >= floor - 1e-9).all()
            for c in combinations(range(SIZE), size)
        )
    )
    assert (found.coverages >= floor - 1e-9).all()
    assert found.least_k <= smallest <= len(found.vocabulary)
    assert len(found.vocabulary) <= found.top_k_needed


def test_worst_domain_keeps_what_is_protected(make_counts):
    found = worst_domain([make_counts([9, 5, 1, 0])], 0.9, protected=[3])
    assert 3 in found.vocabulary.ids


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
        worst_domain([make_counts([1, 2])], 0)
    with pytest.raises(InputError, match="rule is assistant against content"):
        worst_domain([make_counts([1, 2]), make_counts([1, 2], rule="content")], 0.5)
    with pytest.raises(InputError, match="holds no tokens"):
        mix([make_counts([0, 0])], [1])
