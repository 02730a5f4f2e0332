"""How much new text is unseen: by hand, against leaving out plainly, and from what is at hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.generalization.unseen import unseen, unseen_in_new_conversation, unseen_mass

SIZE = 50


def made(conversations: list[list[int]], size: int = SIZE) -> Responses:
    ids = np.array([i for c in conversations for i in c], np.uint32)
    offsets = np.cumsum([0, *map(len, conversations)]).astype(np.int64)
    n = len(conversations)
    return Responses(ids, offsets, np.arange(n), np.full(n, -1, np.int16), (), size)


def test_good_turing_by_hand():
    assert unseen_mass(np.array([5, 1, 1, 0, 3])) == 0.2


def test_a_new_conversation_by_hand():
    # 3 occurs in the second conversation only, twice; 0 in two of them; 4 once.
    found = unseen_in_new_conversation(made([[0, 1, 1], [0, 3, 3, 1], [4]]))
    assert found.value == 3 / 8
    assert found.low < found.value < found.high


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=2, max_size=8).filter(
        lambda rows: any(rows)
    )
)
def test_it_is_leaving_each_conversation_out_in_turn(rows):
    new = 0
    for i, row in enumerate(rows):
        others = {token for j, other in enumerate(rows) if j != i for token in other}
        new += sum(token not in others for token in row)
    found = unseen_in_new_conversation(made(rows))
    assert found.value == pytest.approx(new / sum(map(len, rows)))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_part_of_the_conversations_knows_what_the_rest_has_seen():
    rows = [[0, 1, 1], [0, 3, 3, 1], [4], [3, 5]]
    whole = np.bincount(np.concatenate(rows), minlength=SIZE)
    found = unseen_in_new_conversation(made(rows[:3]), whole)
    assert found.value == 1 / 8  # of the first three only 4 is in no other


def test_pieces_are_left_out_in_turn_and_counts_alone_give_a_lower_bound():
    rng = np.random.default_rng(2)
    rows = [rng.zipf(1.5, 20).clip(max=999).tolist() for _ in range(160)]
    responses = made(rows, 1000)
    counts = responses.counts()
    place = np.arange(160) % 16
    pieces = ShardCounts.of(
        (responses.weighted((place == p).view(np.uint8)) for p in range(16)), [10] * 16
    )
    new = 0
    for p in range(16):
        others = {token for row, at in zip(rows, place, strict=True) if at != p for token in row}
        mine = (token for row, at in zip(rows, place, strict=True) if at == p for token in row)
        new += sum(token not in others for token in mine)
    by_piece = unseen(counts, pieces=pieces)
    assert by_piece.value == pytest.approx(new / responses.tokens)
    by_conversation, alone = unseen(counts, responses, pieces), unseen(counts)
    found = (by_conversation.basis, by_piece.basis, alone.basis)
    assert found == ("conversations", "pieces", "tokens")
    assert alone.value <= by_conversation.value <= by_piece.value
    assert "estimated" in by_conversation.words()
    assert "lower bound by Good-Turing" in alone.words()
    assert unseen(counts, pieces=pieces.slice(0, 4)).basis == "tokens"


def test_the_interval_holds_what_clumped_text_leaves_unseen():
    size, rng = 3000, np.random.default_rng(4)
    share = 1 / np.arange(1, size + 1) ** 1.2
    share /= share.sum()
    hits = 0
    for _ in range(60):
        topics = rng.choice(size, (80, 12), p=share)  # each word of a conversation three times
        rows = np.repeat(topics, 3, axis=1).tolist()
        found = unseen_in_new_conversation(made(rows, size))
        truth = share[np.setdiff1d(np.arange(size), topics)].sum()
        hits += found.low <= truth <= found.high
        assert unseen_mass(np.bincount(topics.ravel().repeat(3))) == 0
    assert hits >= 52


def test_pieces_without_a_conversation_count_as_none():
    """One conversation is cut into many pieces, of which one holds it: none of it can be new."""
    rows = np.zeros((16, 5), np.int64)
    rows[3] = [4, 2, 1, 1, 0]
    pieces = ShardCounts.of(rows, (rows.sum(1) > 0).astype(int))
    estimate = unseen(rows.sum(0), None, pieces)
    assert (estimate.basis, estimate.value) == ("tokens", 2 / 8)
