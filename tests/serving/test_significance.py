"""Corrected p-values and power against definitions, scipy and simulation."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from helpers.lazy import Lazy
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.serving.significance import holm, p_value, power, runs_for

stats = Lazy("scipy.stats")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=2, max_size=12, unique=True))
def test_the_p_value_is_scipys(values):
    assert p_value(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-12)


def test_a_single_pair_has_no_p_value_and_equal_ones_a_certain_one():
    assert p_value([0.3]) is None
    assert p_value([0.5, 0.5]) == 0
    assert p_value([0.0, 0.0]) == 1


@settings(deadline=None, max_examples=80)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_closed_testing_with_bonferroni(p_values):
    # A hypothesis is rejected when every intersection that holds it is, by Bonferroni.
    numbers = range(len(p_values))
    sets = [s for n in range(1, len(p_values) + 1) for s in combinations(numbers, n)]
    closed = [
        max(min(1, len(s) * min(p_values[j] for j in s)) for s in sets if i in s) for i in numbers
    ]
    assert holm(p_values) == pytest.approx(closed)


def test_holm_by_hand():
    # Sorted: 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1 is raised to its predecessor's.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_three_runs_at_half_a_percent_see_one_percent_28_percent_of_the_time():
    assert math.floor(100 * power(3, 0.005, 0.01)) == 28
    assert (runs_for(0.8, 0.005, 0.01), runs_for(0.9, 0.005, 0.01)) == (7, 8)
    # The noise is a run's. Half a percent between the runs of a pair would give 46 %.
    assert math.floor(100 * power(3, 0.005 / math.sqrt(2), 0.01)) == 46


@pytest.mark.parametrize(
    ("runs", "noise", "effect", "tests"),
    [(3, 0.005, 0.01, 1), (8, 0.005, 0.01, 1), (5, 0.01, -0.02, 1), (4, 0.004, 0.01, 3)],
)
def test_power_is_how_often_simulated_measurements_are_significant(runs, noise, effect, tests):
    random, repeats = np.random.default_rng(7), 20_000
    ours = np.log1p(effect) + random.normal(0, noise, (repeats, runs))
    theirs = random.normal(0, noise, (repeats, runs))
    seen = stats.ttest_rel(ours, theirs, axis=1).pvalue <= 0.05 / tests
    four_errors = 4 * math.sqrt(0.25 / repeats)
    assert power(runs, noise, effect, tests) == pytest.approx(seen.mean(), abs=four_errors)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 40), st.floats(0.001, 0.05), st.floats(0.001, 0.05), st.integers(1, 6))
def test_power_is_an_integral_over_the_estimated_noise(runs, noise, effect, tests):
    # Given the estimated noise, the mean ratio is normal: average over a grid of its quantiles.
    freedom = runs - 1
    critical = stats.t.ppf(1 - 0.025 / tests, freedom)
    shift = np.log1p(effect) / (noise * math.sqrt(2 / runs))
    shares = (np.arange(20_000) + 0.5) / 20_000
    estimated = np.sqrt(stats.chi2.ppf(shares, freedom) / freedom)
    ends = critical * estimated
    expected = (stats.norm.sf(ends - shift) + stats.norm.cdf(-ends - shift)).mean()
    assert power(runs, noise, effect, tests) == pytest.approx(expected, abs=2e-4)
    assert power(runs, noise, 1 / (1 + effect) - 1, tests) == pytest.approx(expected, abs=2e-4)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.002, 0.03), st.floats(0.005, 0.05), st.sampled_from([0.5, 0.8, 0.9]))
def test_the_runs_for_a_power_are_the_fewest(noise, effect, wanted):
    found = runs_for(wanted, noise, effect)
    enough = (n for n in range(2, 2000) if power(n, noise, effect) >= wanted)
    assert found == next(enough)


def test_without_noise_every_effect_is_seen_and_without_effect_none():
    assert (power(2, 0, 0.01), power(2, 0, 0.0)) == (1, 0)
    assert power(5, 0.01, 0.0) == pytest.approx(0.05)  # the level of the test
    assert runs_for(0.8, 0.01, 0.0) is None
