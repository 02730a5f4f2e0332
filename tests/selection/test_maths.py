"""Coverage, cost and trade-off: hand-computed cases, the paper's numbers, properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.coverage import CoverageCurve, coverage_on
from vocabtrim_core.draft_config import architecture_from_config, load_architecture
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.vocabulary import DraftVocabulary

LLAMA = PRESETS["llama-3.1-8b"]
COUNTS = st.lists(st.integers(0, 50), min_size=2, max_size=60).filter(any).map(np.array)
SHARES = st.floats(0, 1, allow_nan=False)


def tiny(vocab_size: int) -> DraftArchitecture:
    return DraftArchitecture("tiny", 4, 8, 2, 1, 2, vocab_size)


def test_curve_by_hand_with_ties_to_the_lower_id():
    curve = CoverageCurve.of(np.array([1, 3, 0, 3, 3]))
    assert curve.order.tolist() == [1, 3, 4, 0, 2]
    assert curve.coverage.tolist() == [0.3, 0.6, 0.9, 1.0, 1.0]
    assert (curve.distinct, curve.tokens, curve.smallest_k(0.9)) == (4, 10, 3)
    assert curve.vocabulary(2).ids.tolist() == [1, 3]
    assert curve.ranks().tolist() == [3, 0, 4, 1, 2]


def test_ties_go_to_the_lower_id_however_many_there_are():
    counts = np.random.default_rng(0).integers(0, 4, 20_000)  # where other sorts lose the order
    by_hand = sorted(range(len(counts)), key=lambda i: (-counts[i], i))
    assert CoverageCurve.of(counts).order.tolist() == by_hand


@given(COUNTS)
def test_coverage_rises_concavely_to_one(counts):
    coverage = CoverageCurve.of(counts).coverage
    steps = np.diff(coverage, prepend=0)
    assert (steps >= 0).all()
    assert (np.diff(steps) <= 1e-12).all()
    assert coverage[-1] == 1


@given(COUNTS, SHARES, SHARES, st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=300)
def test_exact_optimum_equals_brute_force_and_closed_form(counts, alpha, floor, a, b):
    size = len(counts)
    k_min, k_max = sorted((min(a, size), min(b, size)))
    tradeoff = TradeOff(
        CoverageCurve.of(counts), tiny(size), alpha=alpha, floor=floor, k_min=k_min, k_max=k_max
    )
    feasible = [k for k in range(k_min, k_max + 1) if tradeoff.feasible(k)]
    if not feasible:
        with pytest.raises(InputError, match="unreachable within"):
            _ = tradeoff.optimum
        return
    best = max(tradeoff.at(k).utility for k in feasible)
    assert tradeoff.optimum.k in feasible
    assert tradeoff.optimum.utility == pytest.approx(best, abs=1e-12)
    assert tradeoff.optimum_closed_form().utility == pytest.approx(best, abs=1e-12)


@given(COUNTS)
def test_frontier_is_what_nothing_dominates(counts):
    tradeoff = TradeOff(CoverageCurve.of(counts), tiny(len(counts)))
    c, r = np.round(tradeoff.curve.coverage, 12), tradeoff.latency_reduction
    dominated = [
        any(c[j] >= c[i] and r[j] >= r[i] and (c[j] > c[i] or r[j] > r[i]) for j in range(len(c)))
        for i in range(len(c))
    ]
    assert tradeoff.on_frontier().tolist() == [not d for d in dominated]


@given(st.sets(st.integers(0, 99), min_size=1))
def test_mapping_round_trips(ids):
    vocabulary = DraftVocabulary.of(ids, 100)
    k = len(vocabulary)
    assert (vocabulary.d2t + np.arange(k) == np.flatnonzero(vocabulary.t2d)).all()
    assert vocabulary.d2t.dtype == np.int64
    assert vocabulary.t2d.dtype == bool
    assert DraftVocabulary(np.flatnonzero(vocabulary.t2d), 100) == vocabulary


def test_vocabulary_identity_and_difference():
    a, b = DraftVocabulary.of([1, 2, 5], 8), DraftVocabulary.of([2, 5, 7], 8)
    assert a.gained(b).tolist() == [1]
    assert a.sha256 != b.sha256 != DraftVocabulary.of([2, 5, 7], 9).sha256
    assert len({a, DraftVocabulary.of([5, 2, 1], 8)}) == 1


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([3, 3], "position 0 holds 3 and position 1 holds 3"),
        ([3, 1], "must ascend"),
        ([0, 8], r"Token id 8 lies outside the target vocabulary 0\.\.7"),
        ([-1, 2], "Token id -1 lies outside"),
        ([], "non-empty"),
        ([0.5], "must be integers"),
    ],
)
def test_bad_id_lists_are_named(ids, message):
    with pytest.raises(InputError, match=message):
        DraftVocabulary(np.array(ids), 8)


def test_paper_table_1_flops():
    millions = {part: 2 * w / 1e6 for part, w in LLAMA.breakdown(LLAMA.vocab_size).items()}
    assert millions["Feature fusion"] == pytest.approx(100.7, abs=0.05)
    assert millions["LM head"] == pytest.approx(1050.7, abs=0.05)
    # The paper prints 436.2 and 50.3; the formulas give these two, with the same sum.
    assert millions["Attention"] == pytest.approx(134.2, abs=0.05)
    assert millions["Feed-forward"] == pytest.approx(352.3, abs=0.05)
    assert millions["Attention"] + millions["Feed-forward"] == pytest.approx(436.2 + 50.3, abs=0.1)
    assert LLAMA.flops(LLAMA.vocab_size) / 1e6 == pytest.approx(1637.9, abs=0.05)
    assert millions["LM head"] / sum(millions.values()) == pytest.approx(0.641, abs=5e-4)
    assert LLAMA.latency_reduction(13_264) == pytest.approx(0.575, abs=5e-4)
    assert LLAMA.latency_reduction(LLAMA.vocab_size) == 0


def test_fusion_can_be_charged_to_the_cycle():
    from dataclasses import replace

    once = replace(LLAMA, fusion_per_step=False)
    assert once.breakdown(1)["Feature fusion"] == 0
    assert once.latency_reduction(13_264) == pytest.approx(0.613, abs=5e-4)


def test_bytes_are_the_weights_at_their_width():
    assert LLAMA.head_bytes(128_256) == 128_256 * 4096 * 2
    assert LLAMA.step_bytes(100) - LLAMA.step_bytes(99) == 4096 * 2


def test_architecture_from_config_reads_nested_text_config_and_names_what_is_missing(tmp_path):
    config = {
        "text_config": {
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_attention_heads": 4,
            "vocab_size": 500,
            "rope_parameters": {"rope_theta": 5e5},
        }
    }
    architecture = architecture_from_config(config, "nested")
    assert (architecture.head_dim, architecture.key_value_heads) == (16, 4)
    assert architecture.rope_theta == 5e5
    with pytest.raises(InputError, match="'intermediate_size'"):
        architecture_from_config({"hidden_size": 64}, "config.json")
    with pytest.raises(InputError, match="neither a file nor a preset"):
        load_architecture("llama-9")
    broken = tmp_path / "config.json"
    broken.write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        load_architecture(broken)


@pytest.mark.parametrize("name", sorted(n for n, shape in PRESETS.items() if shape.trainable))
def test_preset_survives_its_own_draft_config(name):
    preset = PRESETS[name]
    again = architecture_from_config(preset.draft_config(1000), name)
    assert again.breakdown(1000) == preset.breakdown(1000)


def test_bad_objectives_say_what_is_wrong():
    curve = CoverageCurve.of(np.array([5, 3, 2, 0]))
    with pytest.raises(InputError, match=r"alpha must lie within 0\.\.1, but it is 1\.5"):
        TradeOff(curve, tiny(4), alpha=1.5)
    with pytest.raises(InputError, match="V = 4, but the draft architecture tiny has V = 5"):
        TradeOff(curve, tiny(5))
    with pytest.raises(InputError, match="smallest k, 3, is above the largest k, 2"):
        TradeOff(curve, tiny(4), k_min=3, k_max=2)
    with pytest.raises(InputError, match=r"k = 9 is outside 1\.\.4"):
        curve.at(9)
    with pytest.raises(InputError, match=r"most there is 80%"):
        _ = TradeOff(curve, tiny(4), floor=0.9, k_max=2).optimum


def test_penalty_under_the_floor_is_the_papers():
    tradeoff = TradeOff(CoverageCurve.of(np.array([5, 3, 2, 0])), tiny(4), floor=0.8)
    assert tradeoff.objective(1) == -1
    assert tradeoff.objective(2) == tradeoff.at(2).utility


def test_landscape_agrees_with_single_optima_and_marks_the_unreachable():
    curve = CoverageCurve.of(np.array([50, 30, 9, 6, 5, 0]))
    tradeoff = TradeOff(curve, tiny(6), k_max=4)
    alphas, floors = np.array([0.0, 0.3, 0.9, 1.0]), np.array([0.0, 0.85, 0.99])
    grid = tradeoff.landscape(alphas, floors)
    assert np.isnan(grid[2]).all()
    for row in range(2):
        for column, alpha in enumerate(alphas):
            one = TradeOff(curve, tiny(6), alpha=alpha, floor=floors[row], k_max=4)
            assert grid[row, column] == one.optimum.k


def test_coverage_on_other_counts_by_hand(make_counts):
    vocabulary = DraftVocabulary.of([0, 2], 4)
    held = coverage_on(vocabulary, make_counts([6, 3, 1, 0]))
    assert (held.coverage, held.unique_coverage, held.missing_tokens) == (0.7, 2 / 3, 1)
    with pytest.raises(InputError, match="V = 3"):
        coverage_on(vocabulary, make_counts([1, 1, 1]))
