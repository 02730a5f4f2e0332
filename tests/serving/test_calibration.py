"""Cycle times and acceptance lengths out of measurements, and the forecast held against them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.lazy import Lazy
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.paper import RESULTS
from vocabtrim_core.forecast.retraining import LENGTH_NOISE
from vocabtrim_core.forecast.throughput import forecast
from vocabtrim_core.serving.calibration import (
    calibration,
    checks,
    probed_range,
    with_lengths,
)
from vocabtrim_core.serving.latency_probe import Probe, ProbeRow, Timing, VerifyRow
from vocabtrim_core.serving.measurement import Answer, Configuration, Measurement, Run

stats = Lazy("scipy.stats")

SIZE = 1000
COVERAGE = 1 - 0.5 * (1 - np.arange(1, SIZE + 1) / SIZE) ** 2
MODEL = AcceptanceModel(COVERAGE, np.minimum(4, 1 / (1.001 - COVERAGE)), 3, 3.0)


def measured(cycles: dict[int, list[float]], lengths=None, concurrency=1, **about) -> Measurement:
    """Runs with these seconds per cycle; `lengths`: k -> acceptance length, 2 unless told."""
    runs = []
    for k, times in cycles.items():
        length = (lengths or {}).get(k, 2.0)
        runs += [
            Run(
                f"{k:,}",
                concurrency,
                i,
                throughput=length * concurrency / seconds,
                acceptance_length=length,
                verified=100,
            )
            for i, seconds in enumerate(times)
        ]
    configurations = tuple(Configuration(f"{k:,}", k, f"draft-{k}", 3, 1, 4) for k in cycles)
    made = {"vocab_size": SIZE, "device": "H200", **about}
    return Measurement("MT-Bench", "t", "engine 1.0", configurations, tuple(runs), **made)


def test_two_runs_are_the_line_through_them():
    made = measured({100: [0.011], 1000: [0.020]}, {100: 2.5, 1000: 2.9}, concurrency=8)
    found = calibration(made).cycles()
    assert found.fast == found.slow
    assert (found.fast.row_s, found.fast.fixed_s) == (pytest.approx(1e-5), pytest.approx(0.01))
    assert "how sure the line is cannot be said" in found.regime
    assert "engine 1.0 on H200 with MT-Bench, 8 at once, 3 draft steps" in found.regime
    assert calibration(made).lengths == {100: 2.5, 1000: 2.9}


def test_short_answers_are_predicted_at_the_rate_they_had():
    # Ten answers of eight tokens: a first one in 20 ms, then cycles of 5 and 2 tokens.
    cycle = {100: 0.011, 400: 0.014, 1000: 0.020}
    answers = [Answer(8, 0.02, None, 2, (0, 1, 0, 0, 1))] * 10
    runs = [
        Run.of(f"{k:,}", 1, 0, answers, 10 * (0.02 + 2 * seconds)) for k, seconds in cycle.items()
    ]
    shapes = tuple(Configuration(f"{k:,}", k, f"draft-{k}", 4) for k in cycle)
    found = calibration(Measurement("p", "t", "e", shapes, tuple(runs), vocab_size=SIZE))
    assert found.lengths == dict.fromkeys(cycle, 3.5)
    line = found.cycles(without=400).fast
    # The time of a head row is the engine's; the prefill is in the part that no k changes.
    assert (line.row_s, line.fixed_s) == (pytest.approx(1e-5), pytest.approx(0.010 + 0.02 / 2))
    for run, point in zip(runs, found.points, strict=True):
        rate = 3.5 / float(line.cycle_s(point.k))
        assert point.decode_rate.mean == pytest.approx(rate)
        assert run.throughput == pytest.approx(rate * 8 / 7)  # the first of eight tokens as well


def test_the_papers_two_runs_on_mt_bench():
    row = RESULTS[0]
    runs = (
        Run("full", 1, 0, throughput=row.throughput_full, acceptance_length=row.length_full),
        Run("small", 1, 0, throughput=row.throughput_trimmed, acceptance_length=row.length_trimmed),
    )
    shapes = (Configuration("full", 128_256, "a", 3), Configuration("small", row.k, "b", 3))
    model = calibration(Measurement(row.task, "llama", "SGLang", shapes, runs)).cycles().fast
    assert model.kappa(128_256) == pytest.approx(0.139, abs=0.002)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1e-4, 1e-4), min_size=4, max_size=9))
def test_one_round_of_runs_has_scipys_slope_and_interval(noise):
    ks = np.linspace(100, 1000, len(noise)).astype(int)
    seconds = 0.01 + 1e-5 * ks + np.array(noise)
    found = calibration(
        measured({int(k): [float(t)] for k, t in zip(ks, seconds, strict=True)})
    ).cycles()
    line = stats.linregress(ks, seconds)
    half = stats.t.ppf(0.975, len(ks) - 2) * line.stderr
    assert (found.fast.row_s + found.slow.row_s) / 2 == pytest.approx(line.slope, rel=1e-6)
    assert found.fast.row_s - line.slope == pytest.approx(half, rel=1e-3, abs=1e-12)


def test_runs_in_turns_have_the_interval_of_a_paired_test():
    # All runs of a round are slowed down alike; only the differences within rounds tell k's time.
    drift = np.array([0.0, 0.003, 0.009, 0.001])
    small = 0.011 + drift + np.array([1, -1, 2, 0]) * 1e-5
    large = 0.020 + drift + np.array([0, 1, -2, 1]) * 1e-5
    found = calibration(measured({100: list(small), 1000: list(large)})).cycles()
    ends = stats.ttest_rel(large, small).confidence_interval(0.95)
    assert found.slow.row_s == pytest.approx(ends.low / 900)
    assert found.fast.row_s == pytest.approx(ends.high / 900)
    mean = np.mean([small, large])
    assert float(found.fast.cycle_s(550)) == pytest.approx(mean)
    assert float(found.slow.cycle_s(550)) == pytest.approx(mean)


def probe_of(points, depth=3) -> Probe:
    """A probe with these (k, seconds of a step), and 10 ms for a verification."""

    def timing(seconds):
        return Timing(seconds, seconds, seconds, 6)

    none = timing(0.0)
    rows = tuple(ProbeRow(1, k, timing(t), none, none, none, none) for k, t in points)
    shape = DraftArchitecture("tiny", 8, 8, 2, 1, 4, SIZE)
    verify = (VerifyRow(1, depth + 1, timing(0.010)),)
    return Probe(shape, "H200", "bfloat16", 512, 1, True, rows, verify)


def test_a_probe_has_scipys_slope_over_its_sizes():
    points = [(100, 0.00110), (300, 0.00131), (600, 0.00159), (1000, 0.00201)]
    found = probed_range(probe_of(points))
    line = stats.linregress([k for k, _ in points], [0.010 + 3 * t for _, t in points])
    half = stats.t.ppf(0.975, 2) * line.stderr
    assert found.fast.row_s == pytest.approx(line.slope + half)
    assert found.slow.row_s == pytest.approx(line.slope - half)
    assert float(found.fast.cycle_s(500)) == pytest.approx(
        float(found.slow.cycle_s(500)), rel=1e-6
    )  # through the mean of the sizes
    assert "H200, 1 at once, 3 draft steps, random weights" in found.regime
    with pytest.raises(InputError, match="Batch 8 was not probed"):
        probed_range(probe_of(points), batch=8, verify_s=0.01)
    with pytest.raises(InputError, match="was not timed"):
        probed_range(probe_of(points), depth=5)
    with pytest.raises(InputError, match="No two sizes"):
        probed_range(probe_of(points[:1]))


def test_a_slope_that_may_be_nothing_is_said_and_stays_a_model():
    found = calibration(measured({100: [0.010, 0.012], 1000: [0.011, 0.0125]})).cycles()
    assert "so k may make no difference" in found.regime
    assert 0 < found.slow.row_s < found.fast.row_s
    assert found.fast.fixed_s >= 0


def test_shapes_and_concurrencies_are_never_mixed():
    configurations = (
        Configuration("a", 100, "a", 3, 1, 4),
        Configuration("b", 1000, "b", 3, 1, 4),
        Configuration("c", 500, "c", 5, 1, 6),
        Configuration("none"),
    )
    runs = [
        Run(label, at, 0, throughput=100.0 * at, acceptance_length=2.0)
        for label, at in (("a", 1), ("b", 1), ("c", 1), ("a", 4), ("c", 4))
    ] + [Run("none", 1, 0, throughput=50.0), Run("b", 4, 0, error="died")]
    made = Measurement("p", "t", "e", configurations, tuple(runs))
    found = calibration(made)
    assert (found.concurrency, found.steps, list(found.lengths)) == (1, 3, [100, 1000])
    with pytest.raises(InputError, match=r"two sizes at least.*has k = (100|500)"):
        calibration(made, 4).cycles()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (measured({100: [0.01, 0.011]}), "two sizes at least.* has k = 100"),
        (measured({100: [0.02], 1000: [0.01]}), "no longer at larger k"),
        (Measurement("p", "t", "e", (Configuration("a", None, "d", 3),)), "sizes with --k"),
        (measured({100: []}), "no draft of a known size"),
    ],
)
def test_measurements_that_calibrate_nothing_are_refused(made, message):
    with pytest.raises(InputError, match=message):
        calibration(made).cycles()


def test_a_concurrency_that_was_not_measured_is_refused_with_those_that_were():
    with pytest.raises(InputError, match="concurrency 7; it was measured at 2"):
        calibration(measured({100: [0.01]}, concurrency=2), 7)


def test_measured_lengths_enter_the_acceptance_model():
    model = with_lengths(MODEL, {500: 2.6, SIZE: 2.8})
    low, high = model.interval()
    assert (low[499], high[499]) == (pytest.approx(2.6), pytest.approx(2.6))
    assert model.full_length == 2.8
    assert with_lengths(MODEL, {500: 2.6}, 2.9).full_length == 2.9
    with pytest.raises(InputError, match=r"k = 1,001 was measured.*1,000 tokens"):
        with_lengths(MODEL, {1001: 2.0})


@settings(deadline=None, max_examples=60)
@given(st.integers(200, 999), st.floats(1.2, 3.0))
def test_an_unmeasured_full_draft_is_the_one_that_leads_to_the_measured_length(k, length):
    full = with_lengths(MODEL, {k: length}).full_length
    assert 1 <= full <= 4
    if 1 < full < 4:
        plain = AcceptanceModel(COVERAGE, np.full(SIZE, 4.0), 3, full)
        assert plain.middle[k - 1] == pytest.approx(length, abs=1e-4)


def truth(k: int) -> tuple[float, float]:
    """The model's own acceptance length, and the seconds of a cycle."""
    return float(MODEL.middle[k - 1]), 0.01 + 1e-5 * k


def predict(lengths, cycles):
    return forecast(with_lengths(MODEL, lengths), cycles)


def test_sizes_left_out_are_predicted_from_the_others():
    ks = (150, 400, 700, SIZE)
    rng = np.random.default_rng(0)
    cycles = {k: list(truth(k)[1] * (1 + 1e-3 * rng.standard_normal(3))) for k in ks}
    made = measured(cycles, {k: truth(k)[0] for k in ks}, concurrency=2)
    found = checks(calibration(made), predict)
    assert [check.k for check in found] == list(ks)
    assert not any(check.fitted for check in found)
    for check in found:
        assert check.low <= check.predicted <= check.high
        assert abs(check.error) < 0.05, check
        assert check.measured.mean == pytest.approx(
            2 * truth(check.k)[0] / truth(check.k)[1], rel=0.01
        )
    # Not one of them saw its own length: the one left out is off by more than its own runs differ.
    assert all(abs(check.error) > 1e-6 for check in found)


def test_two_sizes_are_fitted_and_say_so():
    made = measured({150: [0.0115, 0.0116], SIZE: [0.020, 0.0201]}, {150: 2.2, SIZE: 2.9})
    found = checks(calibration(made), predict)
    assert [check.fitted for check in found] == [True, True]
    assert all(abs(check.error) < 1e-3 for check in found)


def test_the_full_drafts_histogram_gives_acceptance_per_position():
    """60 cycles: 12 accept nothing, 12 one token, 6 two, 30 all three."""
    runs = tuple(
        Run("full", 1, i, 100.0, 60, 1.0, 20, 2.9, accepted=(4, 4, 2, 10)) for i in range(3)
    )
    found = calibration(
        Measurement("p", "t", "e", (Configuration("full", SIZE, steps=3),), runs, SIZE)
    )
    assert found.rates(SIZE) == pytest.approx((16 / 20, 12 / 16, 10 / 12))
    assert found.rates(SIZE - 1) == ()


def answers(seed: int, number: int = 40) -> list[Answer]:
    """Answers whose acceptance differs from prompt to prompt."""
    rng = np.random.default_rng(seed)
    accepted = []
    for _ in range(number):
        hits = rng.binomial(3, rng.beta(4, 3), size=int(rng.integers(5, 60)))
        accepted.append(tuple(np.bincount(hits, minlength=4).tolist()))
    return [
        Answer(1 + sum((j + 1) * n for j, n in enumerate(cycles)), 1.0, 0.1, sum(cycles), cycles)
        for cycles in accepted
    ]


def test_the_noise_of_prompts_is_that_of_a_bootstrap_over_them():
    given = answers(3)
    run = Run.of("full", 1, 0, given, 10.0)
    rng = np.random.default_rng(0)
    cycles = np.array([sum(a.accepted) for a in given])
    tokens = np.array([sum((j + 1) * n for j, n in enumerate(a.accepted)) for a in given])
    drawn = rng.integers(len(given), size=(20_000, len(given)))
    bootstrap = np.log(tokens[drawn].sum(1) / cycles[drawn].sum(1)).std()
    assert run.prompt_noise == pytest.approx(bootstrap, rel=0.05)


def test_runs_that_agree_exactly_still_have_the_noise_of_their_prompts():
    runs = tuple(Run.of("full", 1, i, answers(5), 10.0) for i in range(3))
    drafts = (Configuration("full", SIZE, steps=3),)
    noise = calibration(Measurement("p", "t", "e", drafts, runs, SIZE)).length_noise
    assert noise == runs[0].prompt_noise > 0
    # Runs that differ by more than prompts explain say so themselves.
    far = (replace(runs[0], acceptance_length=1.5), *runs[1:])
    assert calibration(Measurement("p", "t", "e", drafts, far, SIZE)).length_noise > noise


def test_without_answers_the_noise_is_that_of_measurements_in_general():
    alike = measured({SIZE: [0.02, 0.02, 0.02]}, {SIZE: 2.9})
    assert calibration(alike).length_noise == LENGTH_NOISE


@pytest.mark.parametrize("number", [0, 1])
def test_fewer_than_two_answers_tell_no_noise_of_prompts(number):
    assert Run.of("full", 1, 0, answers(1, number), 10.0).prompt_noise is None
