"""Figures: the numbers behind them exactly, the drawing as a smoke test."""

from dataclasses import replace

import numpy as np
import pytest

from vocabtrim_core import figures
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.tradeoff import TradeOff

SIZE = 2_000


@pytest.fixture(scope="module")
def curve():
    return CoverageCurve.of(
        (1e6 / (np.arange(SIZE) + 5) ** 1.3).astype(np.int64) * (np.arange(SIZE) < 900)
    )


@pytest.fixture(scope="module")
def architecture():
    return replace(PRESETS["llama-3.2-1b"], vocab_size=SIZE)


def test_log_sizes_hold_both_ends_and_the_marks():
    sizes = figures.log_sizes(SIZE, 137, 0, SIZE + 1)
    assert sizes[0] == 1
    assert sizes[-1] == SIZE
    assert 137 in sizes
    assert (np.diff(sizes) > 0).all()


def test_frontier_tells_feasible_infeasible_and_dominated_apart(curve, architecture):
    info = figures.frontier_info(TradeOff(curve, architecture, floor=0.9, k_max=1_500))
    floor_k = curve.smallest_k(0.9)
    assert (info.kind[info.k < floor_k] == 1).all()
    assert (info.kind[(info.k >= floor_k) & (info.k <= curve.distinct)] == 0).all()
    assert (info.kind[info.k > curve.distinct] == 2).all()
    assert np.array_equal(info.coverage, curve.coverage[info.k - 1])


def test_frontier_does_not_depend_on_alpha(curve, architecture):
    one, other = (
        figures.frontier_info(TradeOff(curve, architecture, alpha=alpha)) for alpha in (0.1, 0.9)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_frontier_points_carry_their_size(curve, architecture):
    info = figures.frontier_info(TradeOff(curve, architecture))
    drawn = figures.frontier_figure(info)
    assert sorted(k for trace in drawn.data for k in trace.customdata) == info.k.tolist()


def test_the_chosen_size_is_marked_on_the_frontier(curve, architecture):
    tradeoff = TradeOff(curve, architecture)
    chosen = tradeoff.at(700)
    drawn = figures.frontier_figure(figures.frontier_info(tradeoff), chosen=chosen)
    mark = drawn.data[-1]
    assert (mark.customdata, mark.text) == ((700,), ("700",))
    assert (mark.x[0], mark.y[0]) == (100 * chosen.latency_reduction, 100 * chosen.coverage)


def test_breakdown_sums_to_the_whole_step(architecture):
    info = figures.breakdown_info(architecture, 300)
    assert info.sizes == (SIZE, 300)
    assert [sum(side) for side in info.flops] == [architecture.flops(SIZE), architecture.flops(300)]
    assert [sum(side) for side in info.weight_bytes] == [
        architecture.step_bytes(SIZE),
        architecture.step_bytes(300),
    ]


def test_a_cycle_to_scale_reads_each_part_as_often_as_its_kind():
    # P-EAGLE reads layers and head once for all five tokens, MTP five times.
    mtp, parallel = PRESETS["qwen3.8-27b-mtp"], PRESETS["qwen3-8b-p-eagle"]
    head = 2 * 5 * 5120
    assert figures.cycle_info(mtp, 1_000, 5).parts == {
        "Target": (2 * mtp.target_weights,) * 2,
        "Draft layers": (2 * 5 * sum(mtp.weights.values()),) * 2,
        "LM head": (head * 248_320, head * 1_000),
    }
    info = figures.cycle_info(parallel, 1_000, 5)
    assert info.parts["LM head"] == (2 * 4096 * 151_936, 2 * 4096 * 1_000)
    drawn = figures.cycle_figure(figures.cycle_info(mtp, 1_000, 5))
    assert [trace.name for trace in drawn.data] == ["Target", "Draft layers", "LM head"]
    assert sum(trace.x[1] for trace in drawn.data) == pytest.approx(
        (2 * mtp.target_weights + 10 * sum(mtp.weights.values()) + head * 1_000) / 1e9
    )


def test_a_cycle_without_a_known_target_and_with_a_markov_factor():
    spark = PRESETS["kimi-k3-dspark"]
    info = figures.cycle_info(spark, 1_000, 6)
    assert not info.has_target
    assert list(info.parts) == ["Draft layers", "LM head", "Markov factor"]
    assert info.parts["Markov factor"] == (6 * 2 * 256 * 163_840, 6 * 2 * 256 * 1_000)
    assert figures.cycle_figure(info, figures.DARK).to_json()


def test_landscape_agrees_with_the_optimum(curve, architecture):
    info = figures.landscape_info(TradeOff(curve, architecture), steps=6)
    best = TradeOff(curve, architecture, alpha=info.alphas[3], floor=info.floors[2]).optimum
    assert info.k[2, 3] == best.k
    assert info.utility[2, 3] == pytest.approx(best.utility, abs=1e-12)


def test_alpha_path_rises(curve, architecture):
    info = figures.alpha_path_info(TradeOff(curve, architecture), steps=21)
    assert (np.diff(info.k) >= 0).all()
    assert info.coverage[-1] == curve.at(int(info.k[-1]))


def test_trials_find_the_best_feasible_one(curve, architecture):
    tradeoff = TradeOff(curve, architecture, floor=0.9)
    tried = np.array([10, 400, 700])
    info = figures.trials_info(
        tradeoff, tried, np.array([tradeoff.objective(int(k)) for k in tried])
    )
    assert info.feasible.tolist() == [False, True, True]
    assert info.best == int(np.argmax([-1, tradeoff.objective(400), tradeoff.objective(700)]))
    assert info.exact == tradeoff.optimum
    drawn = {trace.name: trace for trace in figures.trials_figure(info).data}
    assert drawn["Trials under the floor"].x.tolist() == [10]
    assert drawn["Trials under the floor"].y.tolist() == [tradeoff.at(10).utility]
    assert drawn["Trials"].x.tolist() == [400, 700]
    first = curve.smallest_k(0.9)
    assert drawn["Ruled out by the floor"].x[-1] == first
    assert drawn["Exact utility of every size"].x[0] == first


def test_no_trials_yet_draws_the_exact_curve(curve, architecture):
    none = np.array([], np.int64)
    info = figures.trials_info(TradeOff(curve, architecture), none, none.astype(float))
    assert info.best is None
    assert figures.trials_figure(info).data


def test_every_figure_draws_on_light_and_dark(curve, architecture):
    tradeoff = TradeOff(curve, architecture, floor=0.6)
    made = [
        figures.frontier_figure(figures.frontier_info(tradeoff), palette)
        for palette in (figures.LIGHT, figures.DARK)
    ]
    made += [
        figures.breakdown_figure(figures.breakdown_info(architecture, 20)),
        figures.landscape_figure(figures.landscape_info(tradeoff, 8), (0.5, 0.6)),
        figures.alpha_path_figure(figures.alpha_path_info(tradeoff, 8)),
        figures.domains_figure(figures.domains_info({"one": tradeoff, "two": tradeoff})),
    ]
    for figure in made:
        assert figure.to_json()
