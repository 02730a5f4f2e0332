"""The acceptance-length ceiling: against a simulated draft, position by position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.ceiling import MAX_DEPTH, ceiling

SIZE = 7
RESPONSES = st.lists(
    st.lists(st.integers(0, SIZE - 1), max_size=25), min_size=1, max_size=5
).filter(any)


def packed(responses: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    ids = np.array([i for r in responses for i in r], np.uint32)
    return ids, np.cumsum([0, *map(len, responses)]).astype(np.int64)


def cycles_of(responses, ranks, k, depth, misses=frozenset()) -> int:
    """Verification cycles of a draft that knows the text but for the positions in `misses`."""
    cycles = 0
    for number, response in enumerate(responses):
        at = 0
        while at < len(response):
            accepted = 0
            while (
                accepted < depth
                and at + accepted < len(response)
                and ranks[response[at + accepted]] < k
                and (number, at + accepted) not in misses
            ):
                accepted += 1
            at += accepted + 1
            cycles += 1
    return cycles


def test_one_response_by_hand():
    # Kept at k = 2: ids 0 and 1. Depth 2: [0 1 0] one full cycle, [1 2] ended by the missing 2,
    # [0] the response's end, a third of a cycle.
    result = ceiling([packed([[0, 1, 0, 1, 2, 0]])], np.arange(3))
    assert result.length(2)[1] == pytest.approx(6 / (2 + 1 / 3))


@given(RESPONSES, st.permutations(range(SIZE)), st.integers(1, MAX_DEPTH), st.data())
@settings(max_examples=200)
def test_no_simulated_draft_beats_the_ceiling(responses, permutation, depth, data):
    ranks = np.array(permutation)
    result = ceiling([packed(responses)], ranks)
    spots = [(n, i) for n, r in enumerate(responses) for i in range(len(r))]
    misses = frozenset(data.draw(st.lists(st.sampled_from(spots), max_size=6)))
    tokens = len(spots)
    for k in range(1, SIZE + 1):
        length = result.length(depth)[k - 1]
        assert tokens / cycles_of(responses, ranks, k, depth) <= length + 1e-9
        assert tokens / cycles_of(responses, ranks, k, depth, misses) <= length + 1e-9
    assert result.length(depth)[-1] == pytest.approx(depth + 1)
    assert (np.diff(result.length(depth)) >= -1e-9).all()


@given(RESPONSES, RESPONSES)
def test_batches_add_up(first, second):
    ranks = np.arange(SIZE)
    together = ceiling([packed(first), packed(second)], ranks)
    apart = ceiling([packed(first)], ranks) + ceiling([packed(second)], ranks)
    assert np.allclose(together.cycles, apart.cycles)
    assert together.responses == apart.responses


def test_bad_depth_and_empty_text_are_named():
    with pytest.raises(InputError, match="no tokens"):
        ceiling([], np.arange(3))
    with pytest.raises(InputError, match=r"within 1\.\.16, but it is 17"):
        ceiling([packed([[0]])], np.arange(3)).length(17)
