"""Intervals over conversations: hand-made cases and agreement with direct counting."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.counting.responses import Responses, concatenate
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.coverage import CoverageCurve, HeldOut
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.figures.traffic import axis_names, coverage_figure, coverage_info
from vocabtrim_core.generalization.domains import held_out_by_domain
from vocabtrim_core.generalization.held_out import held_out_coverage, optimism
from vocabtrim_core.generalization.intervals import (
    CoverageInterval,
    coverage_interval,
    ratio_interval,
)
from vocabtrim_core.generalization.k_interval import CountCurve
from vocabtrim_core.generalization.stability import Pieces, held_out_of, stability
from vocabtrim_core.tradeoff import TradeOff

SIZE = 50
ARCHITECTURE = DraftArchitecture("tiny", 8, 8, 2, 1, 4, SIZE)


def made(conversations: list[list[int]]) -> Responses:
    ids = np.array([i for c in conversations for i in c], np.uint32)
    offsets = np.cumsum([0, *map(len, conversations)]).astype(np.int64)
    n = len(conversations)
    return Responses(ids, offsets, np.arange(n), np.full(n, -1, np.int16), (), SIZE)


@pytest.fixture(scope="module")
def zipf() -> Responses:
    rng = np.random.default_rng(3)
    share = 1 / np.arange(1, SIZE + 1)
    rows = [rng.choice(SIZE, 30, p=share / share.sum()).tolist() for _ in range(300)]
    return made(rows)


def test_coverage_interval_holds_the_value_and_widens_with_clumping(zipf):
    kept = np.arange(SIZE) < 10
    even = coverage_interval(zipf, kept)
    assert even.low < even.value < even.high
    # The same tokens dealt out so that each conversation is all kept or all missing.
    order = np.argsort(kept[zipf.ids], kind="stable")
    clumped = made([zipf.ids[order][i : i + 30].tolist() for i in range(0, len(order), 30)])
    wide = coverage_interval(clumped, kept)
    assert wide.value == pytest.approx(even.value)
    assert wide.high - wide.low > 2 * (even.high - even.low)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    kept = np.arange(SIZE) < 25
    hits = 0
    for _ in range(60):
        rows = [rng.integers(0, SIZE, 20).tolist() for _ in range(80)]
        interval = coverage_interval(made(rows), kept)
        hits += interval.low <= 0.5 <= interval.high
    assert hits >= 50


def test_held_out_coverage_takes_the_flattery_out(zipf):
    k = 20
    order = np.argsort(-zipf.counts(), kind="stable")
    flattered = np.isin(zipf.ids, order[:k]).mean()
    held_out = held_out_coverage(zipf, k)
    share = np.sort(1 / np.arange(1, SIZE + 1))[::-1]
    truth = share[:k].sum() / share.sum()
    assert held_out.value < flattered
    assert held_out.low < truth < held_out.high
    assert held_out_coverage(zipf, SIZE).value == 1


def test_held_out_coverage_of_a_part_chooses_on_the_whole_corpus(zipf):
    part = made([zipf.ids[30 * c : 30 * c + 30].tolist() for c in range(60)])
    whole = held_out_coverage(part, 20, counts=zipf.counts())
    others = zipf.counts() - part.counts()
    kept = np.argsort(-others, kind="stable")[:20]
    assert whole.value == pytest.approx(np.isin(part.ids, kept).mean(), abs=0.01)
    assert held_out_coverage(part, 20, counts=part.counts()) == held_out_coverage(part, 20)


def test_held_out_coverage_of_two_conversations_is_each_by_the_other():
    # With k = 1 the first keeps 0, the second keeps 1.
    assert held_out_coverage(made([[0, 0, 1], [1, 1, 1, 0, 0]]), 1).value == (1 + 2) / 8


def test_the_interval_of_a_share_is_the_jackknifes_written_out():
    hits, sizes = np.array([3, 0, 4, 9, 2]), np.array([4, 3, 8, 10, 2])
    without = [(hits.sum() - hits[i]) / (sizes.sum() - sizes[i]) for i in range(len(hits))]
    error = math.sqrt(4 / 5 * sum((w - statistics.mean(without)) ** 2 for w in without))
    share = 18 / 27
    reach = 2.776445 * error / (share * (1 - share))  # Student's t, 4 degrees of freedom, 97.5 %
    ends = [1 / (1 + math.exp(-(math.log(share / (1 - share)) + s * reach))) for s in (-1, 1)]
    found = ratio_interval(hits, sizes)
    assert (found.value, found.low, found.high) == pytest.approx((share, *ends), rel=1e-5)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=2, max_size=8))
def test_an_interval_of_a_share_stays_a_share_around_its_value(rows):
    hits, sizes = np.transpose([(min(h, n), n) for h, n in rows])
    found = ratio_interval(hits, sizes)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_held_out_by_domain_adds_up_to_held_out():
    rows = [[0, 0, 1], [1, 1, 1, 0, 0], [2, 2, 0], [2, 1]]
    plain = made(rows)
    labelled = Responses(
        plain.ids, plain.offsets, plain.conversation, np.array([0, 1, 0, -1], np.int16),
        ("a", "b"), SIZE,
    )  # fmt: skip
    found = held_out_by_domain(labelled, 1)
    assert [(d.domain, d.conversations, d.tokens) for d in found] == [
        ("a", 2, 6),
        ("b", 1, 5),
        ("no label", 1, 2),
    ]
    covered = sum(d.coverage * d.tokens for d in found)
    assert covered / plain.tokens == pytest.approx(held_out_coverage(plain, 1).value)
    assert [d.interval is None for d in found] == [False, True, True]


def test_stability_ends_at_the_full_sample(zipf):
    tradeoff = TradeOff(CoverageCurve.of(zipf.counts()), ARCHITECTURE, alpha=0.6)
    steps = []
    result = stability(
        zipf,
        tradeoff,
        sizes=[20, 100],
        repeats=5,
        draws=50,
        progress=lambda done, total, message: steps.append((done, total)),
    )
    assert result.sizes.tolist() == [20, 100, 300]
    assert set(result.ks[-1]) == {tradeoff.optimum.k}
    assert result.k.value == tradeoff.optimum.k
    assert result.k.low <= result.k.value <= result.k.high
    between = f"between {result.k.low:,.0f} and {result.k.high:,.0f} (95% interval)"
    assert between in result.sentence()
    assert steps[-1] == (65, 65)
    again = stability(zipf, tradeoff, sizes=[20, 100], repeats=5, draws=50)
    assert (again.ks == result.ks).all()
    assert again.k == result.k


@pytest.mark.parametrize("floor", [0.0, 0.8])
def test_the_interval_of_k_holds_the_sources_optimum(floor):
    share = 1 / np.arange(1, SIZE + 1) ** 1.3
    share /= share.sum()
    source = np.round(share * 1e9).astype(np.int64)
    truth = TradeOff(CoverageCurve.of(source), ARCHITECTURE, floor=floor).optimum.k
    rng = np.random.default_rng(5)
    hits, widths = 0, []
    for seed in range(20):
        sample = made([rng.choice(SIZE, 40, p=share).tolist() for _ in range(60)])
        tradeoff = TradeOff(CoverageCurve.of(sample.counts()), ARCHITECTURE, floor=floor)
        k = stability(sample, tradeoff, sizes=[], draws=40, seed=seed).k
        hits += k.low <= truth <= k.high
        widths.append(k.high - k.low)
    assert hits >= 18
    assert statistics.mean(widths) < truth


def test_few_conversations_are_said_to_be_few():
    tradeoff = TradeOff(CoverageCurve.of(np.ones(SIZE)), ARCHITECTURE, alpha=0.9)
    result = stability(made([[1, 2, 2], [1, 3], [1, 4]]), tradeoff, sizes=[], draws=20)
    assert result.least_count == 1
    assert result.k.high == SIZE
    assert "no upper bound from so few" in result.sentence()
    assert "k* depends on tokens seen once or twice; add" in result.sentence()


@given(st.lists(st.integers(0, 12), min_size=3, max_size=30).filter(lambda c: max(c) > 1))
def test_the_count_curve_agrees_with_counting_between_whole_numbers(counts):
    curve = CountCurve.of(np.array(counts))
    for whole in range(max(counts)):
        assert curve.above(whole + 0.5) == pytest.approx(sum(c > whole for c in counts))
    xs = np.linspace(0, max(counts) + 1, 60)
    heights = [curve.above(x) for x in xs]
    assert all(a >= b - 1e-9 for a, b in pairwise(heights))
    for x, height in zip(xs, heights, strict=True):
        if 0.5 <= x < max(counts) - 0.5 and height > 1:
            assert curve.above(curve.level(height)) == pytest.approx(height)


def test_pieces_of_a_corpus_are_a_sample_too(zipf):
    tradeoff = TradeOff(CoverageCurve.of(zipf.counts()), ARCHITECTURE, alpha=0.6)
    which = np.arange(300) // 10
    rows = [zipf.weighted((which == p).astype(np.uint8)) for p in range(30)]
    pieces = Pieces(ShardCounts.of(rows, [10] * 30), SIZE)
    result = stability(pieces, tradeoff, sizes=[50, 100], repeats=3, draws=50)
    assert result.sizes.tolist() == [50, 100, 300]
    assert result.k.value == tradeoff.optimum.k
    fine = stability(zipf, tradeoff, sizes=[], draws=50).k
    assert result.k.high - result.k.low == pytest.approx(fine.high - fine.low, rel=0.6)


def test_held_out_comes_from_what_is_at_hand(zipf):
    made_by = Provenance("content", "t", "", "none", "", corpora=())
    counts = TokenCounts(zipf.counts(), 300, 0, made_by)
    which = np.arange(300) // 10
    rows = [zipf.weighted((which == p).astype(np.uint8)) for p in range(30)]
    pieces = ShardCounts.of(rows, [10] * 30)
    fine = held_out_of(counts, 20, zipf, pieces)
    coarse = held_out_of(counts, 20, None, pieces)
    assert fine.low < fine.value < fine.high
    assert coarse.low < coarse.value < coarse.high
    assert coarse.high - coarse.low == pytest.approx(fine.high - fine.low, rel=0.7)
    assert coarse.value == pytest.approx(fine.value, abs=0.01)
    assert held_out_of(counts, 20, None, None) is None


def test_half_chosen_coverage_is_lower_on_the_other_half(zipf):
    halves = optimism(zipf, repeats=20)
    gap = (halves.in_sample - halves.held_out).mean(axis=0)
    assert gap[np.searchsorted(halves.ks, 20)] > 0
    assert gap[-1] == pytest.approx(0)


@given(st.lists(st.lists(st.integers(0, SIZE - 1), max_size=6), min_size=2, max_size=9))
def test_counts_of_a_part_and_the_rest_add_up(rows):
    responses = made(rows)
    mask = np.arange(len(rows)) % 2 == 0
    both = responses.weighted(mask.view(np.uint8)) + responses.weighted((~mask).view(np.uint8))
    assert (both == responses.counts()).all()
    joined = [b for b in responses.batches()]
    assert sum(len(ids) for ids, _ in joined) == responses.tokens


def test_responses_survive_a_file_and_bad_files_are_named(tmp_path, zipf):
    again = Responses.load(zipf.save(tmp_path / "r.npz"))
    assert (again.ids == zipf.ids).all()
    assert again.conversations == zipf.conversations
    bad = tmp_path / "bad.npz"
    bad.write_text("no")
    with pytest.raises(InputError, match="does not hold counted responses"):
        Responses.load(bad)


def test_concatenated_responses_keep_their_conversations_and_labels():
    first = Responses(
        np.array([1, 2, 3], np.uint32),
        np.array([0, 2, 3]),
        np.array([0, 0]),
        np.array([0], np.int16),
        ("math",),
        SIZE,
    )
    second = Responses(
        np.array([4, 5], np.uint32),
        np.array([0, 1, 2]),
        np.array([0, 1]),
        np.array([1, -1], np.int16),
        ("code", "math"),
        SIZE,
        complete=False,
    )
    joined = concatenate([first, second])
    assert joined.conversation_offsets().tolist() == [0, 3, 4, 5]
    assert [joined.domains[code] for code in joined.domain[:2]] == ["math", "math"]
    assert joined.domain[2] == -1
    assert not joined.complete
    assert joined.weighted(np.array([1, 0, 2], np.uint8))[1:6].tolist() == [1, 1, 1, 0, 2]


def test_one_conversation_has_no_interval():
    with pytest.raises(InputError, match="two conversations"):
        coverage_interval(made([[1, 2]]), np.ones(SIZE, bool))
    tradeoff = TradeOff(CoverageCurve.of(np.arange(SIZE)), ARCHITECTURE)
    with pytest.raises(InputError, match=r"within 1\.\.2"):
        stability(made([[1], [2]]), tradeoff, sizes=[5])


def test_the_set_that_chose_is_drawn_held_out_with_its_in_sample_value_beside():
    rows = [
        (HeldOut("own", 100, 0.95, 0.5, 3), CoverageInterval(0.95, 0.94, 0.96)),
        (HeldOut("other", 100, 0.90, 0.4, 9), CoverageInterval(0.90, 0.88, 0.92)),
    ]
    other, own = coverage_info(rows, ["own"], CoverageInterval(0.93, 0.91, 0.94))
    assert (own.coverage, own.interval, own.in_sample) == (0.93, (0.91, 0.94), 0.95)
    assert (other.coverage, other.interval, other.in_sample) == (0.90, (0.88, 0.92), None)
    drawn = {trace.name: trace for trace in coverage_figure((other, own)).data}
    assert list(drawn["The set that chose, held out"].x) == [93]
    assert list(drawn["The set that chose, in sample"].x) == [95]
    (unknown,) = coverage_info(rows[:1], ["own"])  # held out is not known: no interval
    assert (unknown.coverage, unknown.interval, unknown.in_sample) == (None, None, 0.95)
    names = [trace.name for trace in coverage_figure((unknown,)).data]
    assert "The set that chose, held out" not in names


def test_the_range_of_k_holds_the_samples_own_optimum():
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.draft_cost import DraftArchitecture
    from vocabtrim_core.generalization.k_range import k_range
    from vocabtrim_core.tradeoff import TradeOff

    rng = np.random.default_rng(0)
    ids = (rng.zipf(1.4, 60_000) % 500).astype(np.uint32)
    at = np.arange(0, 60_001, 100)
    talks = Responses(ids, at, np.arange(600), np.full(600, -1, np.int16), (), 500)
    shape = DraftArchitecture("t", 64, 64, 2, 1, 32, 500)
    tradeoff = TradeOff(CoverageCurve.of(talks.counts()), shape, 0.7)
    found = k_range(talks, tradeoff)
    assert found is not None
    low, high = found
    assert 1 <= low <= tradeoff.optimum.k <= high <= 500
    assert k_range(None, tradeoff) is None


def test_long_names_that_look_alike_when_shortened_stay_apart():
    names = [
        "GSM8K (shipped)",
        "Function calling train (shipped)",
        "Function calling test (shipped)",
    ]
    assert axis_names(names) == names
    assert axis_names([names[0], names[1]]) == [names[0], "Function calling…(shipped)"]
