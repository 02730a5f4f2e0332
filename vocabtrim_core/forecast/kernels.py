"""Loops over responses, compiled once and cached, which let other threads run."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@numba.njit(cache=True, nogil=True)
def merge_runs(text: Array, offsets: Array, change: Array) -> None:
    """Compute how the number of cycles changes as tokens join the vocabulary in rank order.

    A missing token always ends its cycle (the target adds it), so a run of g kept tokens and the
    missing one after it take g // (K + 1) + 1 cycles wherever the run starts. With nothing kept
    every token is a cycle; each kept token merges the runs on its two sides. A run that ends its
    response takes g / (K + 1) cycles.

    Args:
        text: int32[n], rank of each token.
        offsets: int64[responses + 1].
        change: float64[depths, V + 1], to which row K - 1 adds the change at each rank.
    """
    total = len(text)
    # Positions by rank (counting sort), to keep memory in proportion to the batch.
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
