"""Intervals over conversations: hand-made cases and agreement with direct counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.counting.responses import Responses, concatenate
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.stability import Pieces, stability
from vocabtrim_core.generalization.uncertainty import (
    coverage_interval,
    held_out_coverage,
    optimism,
    unseen_in_new_conversation,
    unseen_mass,
)
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


def test_unseen_mass_by_hand():
    assert unseen_mass(np.array([5, 1, 1, 0, 3])) == 0.2


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
    for seed in range(60):
        rows = [rng.integers(0, SIZE, 20).tolist() for _ in range(80)]
        interval = coverage_interval(made(rows), kept, draws=300, seed=seed)
        hits += interval.low <= 0.5 <= interval.high
    assert hits >= 50


def test_unseen_in_a_new_conversation_by_hand():
    # 3 occurs in the second conversation only, twice; 0 in two of them; 4 once.
    assert unseen_in_new_conversation(made([[0, 1, 1], [0, 3, 3, 1], [4]])) == 3 / 8


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
    assert f"k* = {result.k.value} is known to ± {result.plus_minus}" in result.sentence()
    assert steps[-1] == (65, 65)
    again = stability(zipf, tradeoff, sizes=[20, 100], repeats=5, draws=50)
    assert (again.ks == result.ks).all()
    assert again.k == result.k


def test_the_interval_of_k_holds_the_sources_optimum():
    share = 1 / np.arange(1, SIZE + 1) ** 1.3
    share /= share.sum()
    source = np.round(share * 1e9).astype(np.int64)
    truth = TradeOff(CoverageCurve.of(source), ARCHITECTURE).optimum.k
    rng = np.random.default_rng(5)
    hits = 0
    for seed in range(20):
        sample = made([rng.choice(SIZE, 40, p=share).tolist() for _ in range(60)])
        tradeoff = TradeOff(CoverageCurve.of(sample.counts()), ARCHITECTURE)
        k = stability(sample, tradeoff, sizes=[], draws=40, seed=seed).k
        hits += k.low <= truth <= k.high
    assert hits >= 18


def test_few_conversations_are_said_to_be_few():
    tradeoff = TradeOff(CoverageCurve.of(np.ones(SIZE)), ARCHITECTURE, alpha=0.9)
    result = stability(made([[1, 2, 2], [1, 3], [1, 4]]), tradeoff, sizes=[], draws=20)
    assert result.least_count == 1
    assert result.k.high > 4
    assert "hangs on single occurrences" in result.sentence()


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
