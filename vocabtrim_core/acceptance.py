"""How long drafts can get: an acceptance-length ceiling for every k, and a model below it.

Acceptance length counts the tokens one verification yields: accepted draft tokens plus the token
the target adds itself, so it lies in 1..K+1 at draft depth K. A draft can only propose tokens it
kept, so even a perfect one stops at the first token outside its vocabulary: that is the ceiling.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np

from vocabtrim_core.errors import InputError

MAX_DEPTH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Ceiling:
    """Acceptance length no draft over the k most frequent tokens can exceed, on one text.

    cycles: float64[MAX_DEPTH, V], verification cycles of a perfect draft at depth K = row + 1 and
    k = column + 1. The last cycle of a response counts for the share of it the response fills, so
    the ceiling at k = V is K + 1 whatever the responses' lengths.
    windows: int64[MAX_DEPTH, V], windows of row + 1 consecutive tokens that are all kept.
    """

    tokens: int
    responses: int
    cycles: np.ndarray
    windows: np.ndarray
    window_totals: np.ndarray  # int64[MAX_DEPTH], windows of each length

    def length(self, depth: int) -> np.ndarray:
        """float64[V]: tokens per cycle of a perfect draft that drafts `depth` tokens a cycle."""
        return self.tokens / self.cycles[_row(depth)]

    def average_length(self, depth: int) -> np.ndarray:
        """float64[V]: 1 + sum over j <= depth of Pr(the next j tokens are all kept).

        The same from an average position of the text instead of the positions where cycles start.
        """
        row = _row(depth)
        shares = self.windows[: row + 1] / np.maximum(self.window_totals[: row + 1, None], 1)
        return 1 + shares.sum(axis=0)

    def __add__(self, other: Ceiling) -> Ceiling:
        return Ceiling(
            self.tokens + other.tokens,
            self.responses + other.responses,
            self.cycles + other.cycles,
            self.windows + other.windows,
            self.window_totals + other.window_totals,
        )


def _row(depth: int) -> int:
    if not 1 <= depth <= MAX_DEPTH:
        raise InputError(f"The draft depth must lie within 1..{MAX_DEPTH}, but it is {depth}.")
    return depth - 1


def ceiling(batches: Iterable[tuple[np.ndarray, np.ndarray]], ranks: np.ndarray) -> Ceiling:
    """The ceiling for all k at once, in one pass over the responses.

    batches: (ids uint32[n], offsets int64[responses + 1]) as counting encodes them.
    ranks: int64[V], 0-based rank of each id. InputError when there is no token.
    """
    size = len(ranks)
    ranks = ranks.astype(np.int32)
    change = np.zeros((MAX_DEPTH, size + 1))
    windows = np.zeros((MAX_DEPTH, size + 1), np.int64)
    totals = np.zeros(MAX_DEPTH, np.int64)
    tokens = responses = 0
    for ids, offsets in batches:
        text = ranks[ids]
        _merge_runs(text, offsets, change)
        _count_windows(text, offsets, windows, totals)
        tokens += len(ids)
        responses += int(np.count_nonzero(np.diff(offsets)))
    if not tokens:
        raise InputError("The responses hold no tokens, so they have no acceptance ceiling.")
    cycles = tokens + np.cumsum(change[:, :size], axis=1)
    return Ceiling(tokens, responses, cycles, np.cumsum(windows[:, :size], axis=1), totals)


@numba.njit(cache=True, nogil=True)
def _count_windows(text, offsets, windows, totals):  # pragma: no cover - compiled
    """Histogram of the worst rank in every window of 1..MAX_DEPTH tokens within a response."""
    for r in range(len(offsets) - 1):
        start, stop = offsets[r], offsets[r + 1]
        for j in range(min(MAX_DEPTH, stop - start)):
            totals[j] += stop - start - j
        for i in range(start, stop):
            worst = text[i]
            for j in range(min(MAX_DEPTH, stop - i)):
                worst = max(worst, text[i + j])
                windows[j, worst] += 1


@numba.njit(cache=True, nogil=True)
def _merge_runs(text, offsets, change):  # pragma: no cover - compiled
    """How the number of cycles changes as tokens join the vocabulary in rank order.

    A missing token always ends its cycle (the target adds it), so a run of g kept tokens and the
    missing one after it take g // (K + 1) + 1 cycles wherever the run starts. With nothing kept
    every token is a cycle; each kept token merges the runs on its two sides. A run that ends its
    response takes g / (K + 1) cycles.
    """
    total = len(text)
    # Positions by rank (counting sort), so that memory stays in the order of the batch.
    starts = np.zeros(change.shape[1] + 1, np.int64)
    for i in range(total):
        starts[text[i] + 1] += 1
    for v in range(1, len(starts)):
        starts[v] += starts[v - 1]
    positions = np.empty(total, np.int32)
    for i in range(total):
        positions[starts[text[i]]] = i
        starts[text[i]] += 1
    last = np.zeros(total, np.bool_)
    first = np.zeros(total, np.bool_)
    for r in range(len(offsets) - 1):
        if offsets[r] < offsets[r + 1]:
            first[offsets[r]] = True
            last[offsets[r + 1] - 1] = True
    run = np.zeros(total, np.int32)  # length of the kept run, valid at both of its ends
    for p in positions:
        left = 0 if first[p] else run[p - 1]
        right = 0 if last[p] else run[p + 1]
        merged = left + 1 + right
        run[p - left] = merged
        run[p + right] = merged
        ends = last[p + right]
        for row in range(change.shape[0]):
            step = row + 2
            before = left // step + 1.0
            if ends:
                change[row, text[p]] += merged / step - before - right / step
            else:
                change[row, text[p]] += merged // step - before - right // step
