"""Loops over tokens, compiled once and cached; they let other threads run.

ids: uint32[n].  at: int64[conversations + 1], tokens of conversation c are ids[at[c]:at[c + 1]].
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@numba.njit(cache=True, nogil=True)
def weighted_counts(ids: Array, at: Array, times: Array, size: int) -> Array:
    """int64[size]: occurrences with conversation c taken times[c] times."""
    counts = np.zeros(size, np.int64)
    for c in range(len(times)):
        weight = times[c]
        if weight:
            for i in range(at[c], at[c + 1]):
                counts[ids[i]] += weight
    return counts


@numba.njit(cache=True, nogil=True)
def hits_of(ids: Array, at: Array, kept: Array) -> Array:
    """int64[conversations]: tokens of each conversation that are kept."""
    hits = np.zeros(len(at) - 1, np.int64)
    for c in range(len(at) - 1):
        for i in range(at[c], at[c + 1]):
            hits[c] += kept[ids[i]]
    return hits


@numba.njit(cache=True, nogil=True)
def only_owner(ids: Array, at: Array, size: int) -> Array:
    """int64[size]: the only conversation a token occurs in; -1 for none, -2 for several."""
    owner = np.full(size, -1, np.int64)
    for c in range(len(at) - 1):
        for i in range(at[c], at[c + 1]):
            if owner[ids[i]] == -1:
                owner[ids[i]] = c
            elif owner[ids[i]] != c:
                owner[ids[i]] = -2
    return owner


@numba.njit(cache=True, nogil=True)
def previous_distances(ids: Array, at: Array, size: int) -> Array:
    """int64[n]: how many tokens earlier the same id stands in its conversation; 0 for nowhere."""
    last = np.full(size, -1, np.int64)
    found = np.zeros(len(ids), np.int64)
    for c in range(len(at) - 1):
        for i in range(at[c], at[c + 1]):
            if last[ids[i]] >= at[c]:
                found[i] = i - last[ids[i]]
            last[ids[i]] = i
    return found
