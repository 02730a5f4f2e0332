"""Acceptance model, cycle model and the forecast they make, against the paper's own results."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import PRESETS, DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance import ceiling
from vocabtrim_core.forecast.cycle_model import (
    HARDWARE,
    CycleModel,
    CycleRange,
    calibrate,
    check_against_paper,
    roofline,
)
from vocabtrim_core.forecast.throughput import (
    AcceptanceModel,
    acceptance_rate,
    forecast,
    implied_alpha,
    order_free_ceiling,
)
from vocabtrim_core.tradeoff import TradeOff

LLAMA = PRESETS["llama-3.1-8b"]
COVERAGE = np.array([0.5, 0.75, 0.9, 0.96, 0.99, 1.0])
CEILING = np.array([1.6, 2.4, 3.1, 3.6, 3.9, 4.0])


def test_the_papers_seven_gains_from_one_fitted_constant():
    checks = check_against_paper()
    assert [c.fitted for c in checks] == [True] + [False] * 6
    for check in checks:
        assert abs(check.predicted - check.observed) <= 0.01, check
    observed = [round(100 * c.observed, 1) for c in checks]
    assert observed == [3.0, 3.2, 2.2, 5.1, 6.7, 10.0, 19.6]


def test_the_paper_implies_three_draft_steps_and_three_quarters_of_an_a100():
    fit = calibrate([(13_264, 2.65 / 177.54), (128_256, 2.89 / 172.38)])
    assert fit.bandwidth(4096, depth=3) / HARDWARE["a100-80g"].bandwidth == pytest.approx(
        0.75, abs=0.01
    )
    assert fit.kappa(128_256) == pytest.approx(0.139, abs=0.002)
    modelled = roofline(LLAMA, HARDWARE["a100-80g"], 3).slow
    assert modelled.kappa(128_256) == pytest.approx(fit.kappa(128_256), rel=0.03)


@given(st.floats(1, 4), st.integers(1, 8))
def test_acceptance_rate_inverts_the_geometric_sum(length, depth):
    length = min(length, depth + 1)
    a = acceptance_rate(length, depth)
    assert sum(a**j for j in range(depth + 1)) == pytest.approx(length, abs=1e-6)


def test_interval_ends_by_hand():
    model = AcceptanceModel(COVERAGE, CEILING, 3, 3.0)
    assert model.optimistic.tolist() == [1.6, 2.4, 3.0, 3.0, 3.0, 3.0]
    a = acceptance_rate(3.0, 3)
    assert model.pessimistic[2] == pytest.approx(sum((a * 0.9) ** j for j in range(4)))
    assert model.pessimistic[-1] == pytest.approx(3.0)


def test_a_measured_length_closes_the_interval_at_its_k():
    wide = AcceptanceModel(COVERAGE, CEILING, 3, 3.0)
    model = AcceptanceModel(COVERAGE, CEILING, 3, 3.0, {3: 2.8})
    low, high = model.interval()
    assert (low[2], high[2]) == (pytest.approx(2.8), pytest.approx(2.8))
    assert high[1] - low[1] < wide.optimistic[1] - wide.pessimistic[1]
    assert low[-1] == pytest.approx(3.0)


def test_a_measured_length_outside_the_extremes_moves_its_surroundings_only_so_far():
    # Far to the right the extremes nearly meet, so 2.7 lies far below both of them there.
    model = AcceptanceModel(COVERAGE, CEILING, 3, 3.0, {5: 2.7})
    plain = AcceptanceModel(COVERAGE, CEILING, 3, 3.0)
    low, high = model.interval()
    assert (low[4], high[4]) == (pytest.approx(2.7), pytest.approx(2.7))
    assert (low <= high + 1e-12).all()
    factor = 2.7 / plain.pessimistic[4]
    assert (low >= plain.pessimistic * factor - 1e-9).all()
    assert (high <= plain.optimistic + 1e-9).all()
    assert (low[-1], high[-1]) == (pytest.approx(3.0), pytest.approx(3.0))


@given(st.dictionaries(st.integers(1, 5), st.floats(1, 4), max_size=3), st.floats(1, 4))
def test_the_interval_holds_what_was_measured(measured, full):
    low, high = AcceptanceModel(COVERAGE, CEILING, 3, full, measured).interval()
    assert (low >= 1).all()
    assert (high <= 4).all()
    assert (low <= high + 1e-9).all()
    for k, length in measured.items():
        assert low[k - 1] == pytest.approx(length)
        assert high[k - 1] == pytest.approx(length)


def test_order_free_ceiling_holds_in_every_order():
    # Three kept tokens of four: at best one cycle of three and one of the missing token's.
    kept = np.array([0, 0, 0, 1], np.uint32)
    for order in set(permutations(kept.tolist())):
        text = [(np.array(order, np.uint32), np.array([0, 4]))]
        exact = ceiling(text, np.arange(2)).length(3)
        assert (exact <= order_free_ceiling(np.array([0.75, 1.0]), 3) + 1e-9).all()
    assert order_free_ceiling(np.array([0.0, 0.5, 0.75, 1.0]), 3).tolist() == [1, 2, 4, 4]


def test_pairs_of_assumptions_enclose_every_comparison():
    acceptance = AcceptanceModel(COVERAGE, CEILING, 3, 3.0)
    cycles = CycleRange(CycleModel(2.0, 0.5, "fast"), CycleModel(4.0, 0.5, "slow"))
    result = forecast(acceptance, cycles, baseline_k=3)
    low, high = acceptance.interval()
    for k in range(1, 7):
        gains = [
            length[k - 1] / length[2] * (fixed + 0.5 * 3) / (fixed + 0.5 * k)
            for length in (low, high)
            for fixed in (2.0, 4.0)
        ]
        assert result.low[k - 1] == pytest.approx(min(gains))
        assert result.high[k - 1] == pytest.approx(max(gains))
        assert result.against(k, 3) == (
            pytest.approx(min(gains) - 1),
            pytest.approx(max(gains) - 1),
        )
    # Recommending does not depend on what it is compared with.
    other = forecast(acceptance, cycles)
    assert other.recommended_k == result.recommended_k
    assert other.recommended_range == result.recommended_range


def test_forecast_ratio_by_hand():
    cycles = CycleModel(4.0, 0.5, "made up")
    acceptance = AcceptanceModel(COVERAGE, np.full(6, 4.0), 3, 3.0)
    result = forecast(acceptance, CycleRange(cycles, cycles))
    assert result.high[1] == pytest.approx((4 + 0.5 * 6) / (4 + 0.5 * 2))
    assert result.low[1] == pytest.approx(result.high[1] * acceptance.pessimistic[1] / 3.0)
    assert (result.low[-1], result.high[-1]) == (pytest.approx(1), pytest.approx(1))
    assert cycles.break_even_loss(2, 6) == pytest.approx(1 - 5 / 7)
    assert cycles.largest_gain(6) == pytest.approx(0.75)
    assert result.against(2, 2) == (0, 0)


@given(st.integers(1, 6), st.integers(1, 6))
def test_recommendation_is_the_best_within_the_bounds(a, b):
    k_min, k_max = sorted((a, b))
    acceptance = AcceptanceModel(COVERAGE, CEILING, 3, 3.0)
    cycles = CycleModel(4.0, 0.2, "made up")
    result = forecast(acceptance, CycleRange(cycles, cycles), k_min=k_min, k_max=k_max)
    values = {k: result.middle[k - 1] for k in range(k_min, k_max + 1)}
    assert values[result.recommended_k] == max(values.values())
    low, high = result.recommended_range
    assert k_min <= low <= high <= k_max


def test_implied_alpha_has_its_optimum_there():
    counts = np.floor(1e6 / np.arange(1, 2001) ** 1.1)
    tradeoff = TradeOff(CoverageCurve.of(counts), DraftArchitecture("t", 8, 8, 2, 1, 4, 2000))
    for k in (20, 200, 900):
        alpha = implied_alpha(tradeoff, k)
        again = TradeOff(tradeoff.curve, tradeoff.architecture, alpha=min(alpha + 1e-9, 1))
        share = tradeoff.curve.sorted_counts
        assert share[again.optimum.k - 1] == pytest.approx(share[k - 1], rel=1e-2)


def test_roofline_is_bandwidth_at_batch_one_and_compute_at_large_batch():
    h100 = HARDWARE["h100"]
    small, large = (roofline(LLAMA, h100, 3, batch=b).fast for b in (1, 512))
    assert small.row_s == pytest.approx(3 * 2 * 4096 / (h100.bandwidth * 0.75))
    assert large.row_s == pytest.approx(3 * 2 * 4096 * 512 / (h100.flops * 0.75))
    assert "Memory-bound" in roofline(LLAMA, h100, 3).regime
    assert "compute-bound" in roofline(LLAMA, h100, 3, batch=512).regime
    tree = roofline(LLAMA, h100, 3, batch=8, width=8, verified=64)
    assert "512 rows" in tree.regime
    assert tree.fast.fixed_s > roofline(LLAMA, h100, 3, batch=8).fast.fixed_s


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibrate([(100, 0.1)]), "only k = 100"),
        (lambda: calibrate([]), "there are none"),
        (lambda: calibrate([(100, 0.2), (200, 0.1)]), "negative memory bandwidth"),
        (lambda: calibrate([(100, 0.1), (200, 0.3)]), "less than nothing"),
        (lambda: calibrate([(100, 0.0), (200, 0.3)]), "positive seconds"),
        (lambda: AcceptanceModel(COVERAGE, CEILING, 3, 4.5), r"within 1\.\.4, but 4\.5"),
        (lambda: AcceptanceModel(COVERAGE, CEILING, 3, 3.0, {9: 2.0}), r"k = 9 is outside"),
        (lambda: AcceptanceModel(COVERAGE, CEILING, 3, 3.0, {6: 2.9}), "given twice"),
        (lambda: roofline(LLAMA, HARDWARE["l4"], 3, batch=0), "batch must be"),
        (lambda: roofline(LLAMA, HARDWARE["l4"], 3, verified=3), "verifies 4 tokens or more"),
        (
            lambda: roofline(DraftArchitecture("d", 8, 8, 2, 1, 4, 50), HARDWARE["l4"], 3),
            "how many layers",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()
