"""Cycle model and forecast, against the paper's own results and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.break_even import break_even
from vocabtrim_core.forecast.cycle_model import CycleModel, CycleRange, calibrate
from vocabtrim_core.forecast.devices import HARDWARE, device
from vocabtrim_core.forecast.inputs import OTHER_SET, ServedText, acceptance_on
from vocabtrim_core.forecast.paper import FULL_K, RESULTS
from vocabtrim_core.forecast.paper_check import check_against_paper
from vocabtrim_core.forecast.roofline import from_one_run, roofline
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import forecast, implied_alpha, optimum_near
from vocabtrim_core.tradeoff import TradeOff

LLAMA = PRESETS["llama-3.1-8b"]
A100 = HARDWARE["a100-80g"]
DOMAIN_TASKS = ("Function calling", "NER")
COVERAGE = np.array([0.5, 0.75, 0.9, 0.96, 0.99, 1.0])
CEILING = np.array([1.6, 2.4, 3.1, 3.6, 3.9, 4.0])


def of_paper(result):
    """The acceptance model of one of the paper's tasks, from what is known before trimming."""
    coverage = np.ones(FULL_K)
    coverage[: result.k] = result.coverage
    training = "same-text" if result.task in DOMAIN_TASKS else "other-text"
    return AcceptanceModel(coverage, np.full(FULL_K, 4.0), 3, result.length_full, training=training)


def test_the_papers_seven_gains_from_one_fitted_constant():
    checks = check_against_paper()
    assert [c.fitted for c in checks] == [True] + [False] * 6
    for check in checks:
        assert abs(check.predicted - check.observed) <= 0.01, check
    observed = [round(100 * c.observed, 1) for c in checks]
    assert observed == [3.0, 3.2, 2.2, 5.1, 6.7, 10.0, 19.6]


@pytest.mark.parametrize("result", RESULTS, ids=lambda r: r.task)
def test_the_band_holds_the_papers_acceptance_lengths_and_gains(result):
    model = of_paper(result)
    low, high = model.interval()
    assert low[result.k - 1] <= result.length_trimmed <= high[result.k - 1]
    cycle_s = result.length_full / result.throughput_full
    cycles = from_one_run(FULL_K, cycle_s, A100, 3 * 2 * 4096)
    gain = forecast(model, cycles).gain(result.k, FULL_K)
    assert gain.low <= result.gain <= gain.high
    if result.k >= 13_264:
        assert gain.high - gain.low <= 0.12
        assert abs(gain.middle - result.gain) <= 0.03


def test_the_paper_implies_three_draft_steps_and_three_quarters_of_an_a100():
    fit = calibrate([(13_264, 2.65 / 177.54), (128_256, 2.89 / 172.38)])
    assert fit.bandwidth(4096, depth=3) / A100.bandwidth == pytest.approx(0.75, abs=0.01)
    assert fit.kappa(128_256) == pytest.approx(0.139, abs=0.002)
    modelled = roofline(LLAMA, A100, 3, context=500)
    kappas = [model.kappa(128_256) for model in modelled.ends]
    assert min(kappas) <= fit.kappa(128_256) <= max(kappas)


@pytest.mark.parametrize(("depth", "measured_ms"), [(3, 7.17), (5, 7.87), (7, 8.57)])
def test_specbundles_cycles_on_an_h200_lie_in_the_range(depth, measured_ms):
    cycles = roofline(LLAMA, HARDWARE["h200"], depth, context=500)
    fast, slow = (1e3 * float(model.cycle_s(32_000)) for model in cycles.ends)
    assert fast <= measured_ms <= slow


def test_cache_reads_by_hand():
    # 8 key-value heads of 128, keys and values of two bytes, in 32 layers of the target and in
    # each of the three steps of the draft's layer.
    plain = roofline(LLAMA, A100, 3, batch=64).fast
    read = roofline(LLAMA, A100, 3, batch=64, context=4096).fast
    per_layer = 2 * 2 * 8 * 128
    cache_bytes = 64 * 4096 * per_layer * (32 + 3)
    seconds = cache_bytes / (0.75 * A100.bandwidth)
    assert read.fixed_s - plain.fixed_s == pytest.approx(seconds * (1 + A100.overhead[0]))
    assert read.row_s == plain.row_s


def test_many_streams_gain_less_than_one_and_long_contexts_less_than_short():
    gains = [
        float(roofline(LLAMA, A100, 3, batch=b, context=c).middle.speedup(13_264, FULL_K))
        for b, c in ((1, 1024), (8, 1024), (64, 1024), (64, 4096))
    ]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] - 1 > 2 * (gains[2] - 1)


def test_public_step_times_of_gb10_from_the_untrimmed_ones():
    # MTP, H = 2,560, three steps: 248,320 -> 32,768 rows took 106.2 to 86.3 ms, and 248,320 ->
    # 65,536 took 76.9 to 63.9 ms at one stream and 155.7 to 146.2 ms at eight.
    for k, full_ms, trimmed_ms in ((32_768, 106.2, 86.3), (65_536, 76.9, 63.9)):
        cycles = from_one_run(248_320, full_ms / 1e3, device("gb10"), 3 * 2 * 2560)
        times = sorted(1e3 * float(model.cycle_s(k)) for model in cycles.ends)
        assert times[0] <= trimmed_ms <= times[1]


def test_one_run_and_a_device_make_a_line_through_the_run():
    cycles = from_one_run(1000, 0.02, A100, 24_000)
    for model, share in zip(cycles.ends, A100.effective, strict=True):
        assert float(model.cycle_s(1000)) == pytest.approx(0.02)
        assert model.row_s == pytest.approx(24_000 / (A100.bandwidth * share))
    assert cycles.fast.row_s > cycles.slow.row_s
    with pytest.raises(InputError, match=r"longer than the 0\.00 ms measured"):
        from_one_run(128_256, 1e-6, A100, 24_000)


def test_the_band_adds_deviations_in_quadrature():
    model = AcceptanceModel(COVERAGE, CEILING, 3, 3.0)
    cycles = CycleRange(CycleModel(2.0, 0.5, "fast"), CycleModel(4.0, 0.5, "slow"))
    result = forecast(model, cycles, baseline_k=3)
    k, base = 2, 3
    middle = model.middle[k - 1] / model.middle[base - 1] * (3 + 0.5 * base) / (3 + 0.5 * k)
    up = down = 0.0
    for pair in model.spreads.values():
        ends = [
            math.log(end[k - 1] / end[base - 1] * model.middle[base - 1] / model.middle[k - 1])
            for end in pair
        ]
        up += max(*ends, 0) ** 2
        down += min(*ends, 0) ** 2
    noise = 1.6449 * 0.01
    times = [
        math.log((f + 0.5 * base) / (f + 0.5 * k) / ((3 + 0.5 * base) / (3 + 0.5 * k)))
        for f in (2.0, 4.0)
    ]
    up += noise**2 + max(*times, 0) ** 2
    down += noise**2 + min(*times, 0) ** 2
    gain = result.gain(k, base)
    assert gain.middle == pytest.approx(middle - 1)
    assert gain.high == pytest.approx(middle * math.exp(math.sqrt(up)) - 1)
    assert gain.low == pytest.approx(middle * math.exp(-math.sqrt(down)) - 1)
    assert result.gain(base, base) == (0, 0, 0)


def test_forecast_ratio_by_hand():
    cycles = CycleModel(4.0, 0.5, "made up")
    model = AcceptanceModel(np.ones(6), np.full(6, 4.0), 3, 3.0, training="sliced")
    result = forecast(model, CycleRange(cycles, cycles))
    low, high = model.interval()
    times = (4 + 0.5 * 6) / (4 + 0.5 * 2)
    expected = [length / 3.0 * times for length in (low[1], model.middle[1], high[1])]
    assert [result.low[1], result.middle[1], result.high[1]] == pytest.approx(expected)
    assert (result.low[-1], result.high[-1]) == (pytest.approx(1), pytest.approx(1))
    assert cycles.break_even_loss(2, 6) == pytest.approx(1 - 5 / 7)
    assert cycles.largest_gain(6) == pytest.approx(0.75)
    assert result.gain(2, 2) == (0, 0, 0)


def test_break_even_is_where_the_gain_is_nil():
    cycles = CycleRange(CycleModel(4.0, 0.2, "one"), CycleModel(4.0, 0.2, "one"))
    model = AcceptanceModel(COVERAGE, np.full(6, 4.0), 3, 3.0, training="sliced")
    at = break_even(forecast(model, cycles), 2, 6)
    assert at.loss == pytest.approx(1 - (4 + 0.4) / (4 + 1.2))
    again = AcceptanceModel(
        np.array([0.1, at.coverage, 1, 1, 1, 1]), np.full(6, 4.0), 3, 3.0, training="sliced"
    )
    assert forecast(again, cycles).gain(2, 6).middle == pytest.approx(0, abs=1e-5)
    # A larger head than the baseline's loses even with everything covered.
    assert break_even(forecast(model, cycles), 6, 5).coverage is None


@given(st.integers(0, 2**32 - 1))
def test_equivalent_alpha_has_its_optimum_exactly_there(seed):
    rng = np.random.default_rng(seed)
    counts = np.sort(rng.choice(10**6, 300, replace=False))[::-1] + 1
    tradeoff = TradeOff(CoverageCurve.of(counts), DraftArchitecture("t", 8, 8, 2, 1, 4, 300))
    for k in rng.integers(1, 300, 5).tolist():
        alpha = implied_alpha(tradeoff, k)
        again = TradeOff(tradeoff.curve, tradeoff.architecture, alpha=alpha)
        assert again.optimum.k == k


def test_equivalent_alpha_is_inside_its_range():
    """0.05 is the end of the range here, where rounding decides between two sizes."""
    shape = DraftArchitecture("t", 8, 8, 2, 1, 4, 7)
    tradeoff = TradeOff(CoverageCurve.of(np.array([0, 1, 5, 6, 6, 6, 6])), shape)
    alpha = implied_alpha(tradeoff, 1)
    assert TradeOff(tradeoff.curve, shape, alpha=alpha).optimum.k == 4


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.data())
def test_equivalent_alpha_among_equally_frequent_tokens_keeps_what_it_says(values, data):
    """By brute force over all alphas on a fine grid: which sizes an optimum can have."""
    counts = np.array(values, np.int64)
    assume(counts.any())
    size = len(counts)
    shape = DraftArchitecture("t", 8, 8, 2, 1, 4, size)
    tradeoff = TradeOff(CoverageCurve.of(counts), shape)
    k = data.draw(st.integers(1, size))
    near, alpha = optimum_near(tradeoff, k), implied_alpha(tradeoff, k)
    assert TradeOff(tradeoff.curve, shape, alpha=alpha).optimum.k == near
    ordered = sorted(values, reverse=True)
    ends = [n for n in range(1, size + 1) if n == size or ordered[n - 1] != ordered[n]]
    ends = [n for n in ends if ordered[n - 1] > 0]
    assert near in ends
    assert abs(near - k) == min(abs(end - k) for end in ends)
    reached = {
        TradeOff(tradeoff.curve, shape, alpha=float(a)).optimum.k
        for a in np.linspace(0.001, 0.999, 499)
    }
    assert reached <= {1, *ends}


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


def test_a_head_of_fewer_bits_takes_fewer_bytes_a_row():
    bf16, fp8 = (roofline(LLAMA, A100, 3, head_bytes=b).fast for b in (2.0, 1.0))
    assert fp8.row_s == pytest.approx(bf16.row_s / 2)
    assert fp8.fixed_s == bf16.fixed_s


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibrate([(100, 0.1)]), "only k = 100"),
        (lambda: calibrate([]), "there are none"),
        (lambda: calibrate([(100, 0.2), (200, 0.1)]), "negative memory bandwidth"),
        (lambda: calibrate([(100, 0.1), (200, 0.3)]), "less than nothing"),
        (lambda: calibrate([(100, 0.0), (200, 0.3)]), "positive seconds"),
        (lambda: device("abacus"), "no hardware 'abacus'"),
        (lambda: roofline(LLAMA, HARDWARE["l4"], 3, batch=0), "batch must be"),
        (lambda: roofline(LLAMA, HARDWARE["l4"], 3, context=-1), "context must be"),
        (
            lambda: roofline(LLAMA, A100, 3, batch=256, context=4096),
            r"16\.6 GB for weights and 141\.7 GB for the cache of 1,048,576 tokens",
        ),
        (lambda: roofline(LLAMA, HARDWARE["l4"], 3, verified=3), "verifies 4 tokens or more"),
        (
            lambda: roofline(DraftArchitecture("d", 8, 8, 2, 1, 4, 50), HARDWARE["l4"], 3),
            "layers of its target are not given",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_mixture_whose_stored_experts_are_not_known_says_so():
    known = PRESETS["qwen3-30b-a3b"]
    earlier = replace(known, stored_layer_weights=None, stored_experts=1)
    h200 = HARDWARE["h200"]
    assert "memory is checked with all of them" in roofline(known, h200, 3).regime
    regime = roofline(earlier, h200, 3).regime
    assert "How many experts the target holds is not known" in regime
    assert "memory is checked" not in regime
    assert "experts" not in roofline(LLAMA, h200, 3).regime


def test_vllms_cycles_on_two_cores_from_the_untrimmed_one():
    # SmolLM2, H = 576, three steps: 52 ms at all 49,152 rows, 43 at 4,096, 39 at 1,500.
    cycles = from_one_run(49_152, 0.052, device("laptop-cpu"), 3 * 2 * 576)
    for k, measured_ms in ((4_096, 43), (1_500, 39)):
        times = sorted(1e3 * float(model.cycle_s(k)) for model in cycles.ends)
        assert times[0] <= measured_ms <= times[1]
    assert "measure two sizes" in cycles.regime


@pytest.mark.parametrize(
    ("length", "expected"), [(3.5, True), (1.2, True), (2.85, False), (2.93, False)]
)
def test_a_measured_length_far_from_what_the_full_one_implies_is_said(length, expected):
    coverage = 1 - 0.03 * (1 - np.arange(1, 1001) / 1000)
    text = ServedText("t", OTHER_SET, coverage, None, ())
    settings = ForecastSettings(2.9, 3, measured=((900, length),))
    sentences = acceptance_on(text, settings).assumed
    assert any("lies outside the" in sentence for sentence in sentences) == expected


@pytest.mark.parametrize(
    ("measured", "falls", "said"),
    [
        (((900, 2.85),), 0, False),
        (((500, 2.80), (900, 2.85)), 0, True),
        (((500, 2.85), (900, 2.80)), 1, True),
        (((500, 2.85), (700, 2.83), (900, 2.80)), 2, True),
    ],
)
def test_lengths_measured_at_several_sizes_say_what_they_mean(measured, falls, said):
    coverage = 1 - 0.03 * (1 - np.arange(1, 1001) / 1000)
    settings = ForecastSettings(2.9, 3, measured=measured)
    acceptance = acceptance_on(ServedText("t", OTHER_SET, coverage, None, ()), settings)
    words = " ".join(acceptance.assumed)
    assert words.count("and not an effect of k") == falls
    assert ("hold there; between them" in words) == said
    for k, length in measured:
        assert acceptance.model.middle[k - 1] == pytest.approx(length)
