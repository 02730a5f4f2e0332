"""Intervals, paired ratios and verdicts against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.lazy import Lazy
from helpers.made_measurements import V, measured
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.measurement import Answer, Configuration, Latency, Measurement, Run
from vocabtrim_core.serving.statistics import (
    acceptance_length,
    compare,
    interval,
    paired_ratio,
    position_acceptance,
)
from vocabtrim_core.serving.summary import baselines, summary

stats = Lazy("scipy.stats")

RATES = st.floats(0.1, 1e5)


@settings(deadline=None, max_examples=60)
@given(st.lists(RATES, min_size=2, max_size=20), st.floats(0.5, 0.999))
def test_the_interval_is_scipys(values, confidence):
    found = interval(values, confidence)
    error = stats.sem(values)
    assume(error > 1e-9 * np.mean(values))
    low, high = stats.t.interval(confidence, len(values) - 1, np.mean(values), error)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.n == len(values)


def test_three_runs_by_hand():
    # mean 12, sd 2, t(2) = 4.302653, so half = 4.302653 * 2 / sqrt(3)
    found = interval([10, 12, 14])
    assert (found.mean, found.n) == (12, 3)
    assert found.half == pytest.approx(4.96828, abs=1e-4)


def test_one_run_has_no_interval_and_none_is_refused():
    found = interval([42.0])
    assert (found.mean, found.half, found.low, found.high) == (42, None, 42, 42)
    with pytest.raises(InputError, match="no runs"):
        interval([])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(RATES, RATES), min_size=2, max_size=12))
def test_a_paired_ratio_is_scipys_paired_test_on_logs(pairs):
    ours, theirs = (np.array(side) for side in zip(*pairs, strict=True))
    logs = np.log(ours / theirs)
    assume(logs.std() > 1e-6)
    found = paired_ratio(ours, theirs)
    ends = np.exp(stats.ttest_rel(np.log(ours), np.log(theirs)).confidence_interval(0.95))
    assert found.mean == pytest.approx(stats.gmean(ours / theirs))
    assume(np.isfinite(ends).all() and ends[1] < 1e200)
    assert found.half == pytest.approx((ends[1] - ends[0]) / 2)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(RATES, RATES), min_size=2, max_size=8))
def test_distinguishable_is_a_paired_t_test_at_five_percent(pairs):
    ours, theirs = (list(side) for side in zip(*pairs, strict=True))
    found = compare(measured({"13264": ours, str(V): theirs}), "13264", str(V), 1)
    assume(np.std(np.log(np.divide(ours, theirs))) > 1e-6)
    p = stats.ttest_rel(np.log(ours), np.log(theirs)).pvalue
    assume(abs(p - 0.05) > 1e-6)
    assert found.distinguishable == (p < 0.05)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(RATES, RATES), min_size=1, max_size=8))
def test_the_ratio_turned_round_is_its_inverse(pairs):
    ours, theirs = zip(*pairs, strict=True)
    assert paired_ratio(ours, theirs).mean * paired_ratio(theirs, ours).mean == pytest.approx(1)


def test_pairing_takes_out_what_all_runs_share():
    # The machine doubles its speed between runs; the ratio is 1.05 in every one of them.
    slow = [100.0, 200.0, 400.0]
    fast = [105.0, 210.0, 420.0]
    assert paired_ratio(fast, slow).half == pytest.approx(0, abs=1e-12)
    found = compare(measured({"13264": fast, str(V): slow}), "13264", str(V), 1)
    assert found.distinguishable is True
    assert found.ratio.mean == pytest.approx(1.05)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [([1, 2], [1], "2 runs cannot be paired with 1"), ([], [], "no pairs"), ([0], [1], "positive")],
)
def test_ratios_that_make_no_sense_are_refused(ours, theirs, message):
    with pytest.raises(InputError, match=message):
        paired_ratio(ours, theirs)


def test_only_runs_of_the_same_index_are_paired():
    made = measured({"13264": [110.0, "died", 330.0], str(V): [100.0, 200.0, 300.0]})
    found = compare(made, "13264", str(V), 1)
    assert (found.ratio.mean, found.ratio.n) == (pytest.approx(1.1), 2)
    with pytest.raises(InputError, match="no two runs"):
        compare(measured({"13264": ["died"], str(V): [100.0]}), "13264", str(V), 1)


def test_acceptance_length_is_a_ratio_of_sums():
    runs = [
        Run("a", 1, 0, acceptance_length=3.0, verified=100, tokens=300),
        Run("a", 1, 1, acceptance_length=1.0, verified=300, tokens=300),
    ]
    assert acceptance_length(runs) == 600 / 400  # the mean of the two would be 2
    assert acceptance_length([Run("a", 1, 0)]) is None
    without_sums = [Run("a", 1, i, acceptance_length=length) for i, length in enumerate((2.0, 3.0))]
    assert acceptance_length(without_sums) == 2.5


def test_position_acceptance_adds_the_runs_up():
    # 10 cycles: 4 accepted none, 3 one, 3 both; the first run never drafted a second token.
    runs = [Run("a", 1, 0, accepted=(2, 1)), Run("a", 1, 1, accepted=(2, 2, 3))]
    assert position_acceptance(runs) == (pytest.approx(0.6), pytest.approx(0.3))
    assert position_acceptance([]) == ()


def test_a_run_adds_up_answers_that_drafted_and_others():
    answers = [Answer(5, 1.0), Answer(6, 2.0, verified=3, accepted=(1, 1, 1))]
    run = Run.of("a", 1, 0, answers, 4.0)
    assert (run.throughput, run.acceptance_length, run.accepted) == (11 / 4, 2.0, (1, 1, 1))
    assert Run.of("a", 1, 0, answers[:1], 4.0).accepted == ()


def test_baselines_are_those_that_were_measured():
    made = measured({"none": [50.0], "13264": [110.0], "32000": [108.0], str(V): [100.0]})
    assert baselines(made, "13264") == {
        "no speculation": "none",
        "128,256": str(V),
        "32,000": "32000",
    }
    assert baselines(made, "32000") == {"no speculation": "none", "128,256": str(V)}
    assert baselines(measured({"13264": [1.0]}), "13264") == {}


def test_of_two_drafts_of_one_size_the_one_of_the_same_shape_is_the_baseline():
    shapes = {"short": (V, 3, 4), "long": (V, 5, 6), "ours": (13_264, 5, 6)}
    made = Measurement(
        "MT-Bench",
        "t",
        "e",
        tuple(
            Configuration(name, k, "d", steps, 1, tokens)
            for name, (k, steps, tokens) in shapes.items()
        ),
        vocab_size=V,
    )
    assert baselines(made, "ours") == {"128,256": "long"}


def test_a_summary_says_why_runs_failed_and_averages_the_rest():
    runs = (
        Run("a", 2, 0, throughput=10.0, latency=Latency(1, 2, 3), first_token=Latency(1, 1, 1)),
        Run("a", 2, 1, error="The server died."),
        Run("a", 2, 2, throughput=14.0, latency=Latency(3, 4, 5)),
        Run("a", 4, 0, throughput=99.0),
    )
    (row,) = summary(Measurement("p", "t", "e", (Configuration("a", 5),), runs), 2)
    assert (row.throughput.mean, row.runs) == (12, 2)
    assert row.latency == Latency(2, 3, 4)
    assert row.first_token == Latency(1, 1, 1)
    assert row.failed == ("Run 2 at 2 at once: The server died.",)
    assert (row.acceptance_length, row.acceptance, row.ratios) == (None, None, {})
