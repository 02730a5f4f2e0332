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
def hits_of_folds(ids: Array, at: Array, kept: Array, fold: Array) -> Array:
    """int64[conversations]: tokens of each that its fold's row of kept, bool[folds, V], holds."""
    hits = np.zeros(len(at) - 1, np.int64)
    for c in range(len(at) - 1):
        row = kept[fold[c]]
        for i in range(at[c], at[c + 1]):
            hits[c] += row[ids[i]]
    return hits


@numba.njit(cache=True, nogil=True)
def owners(ids: Array, at: Array, size: int) -> tuple[Array, Array]:
    """Tokens that occur in one or two conversations only, and how often in each.

    Args:
        ids: uint32[n].
        at: int64[conversations + 1].
        size: V.

    Returns:
        int64[2, size] first and second conversation, -1 for none; -2 for tokens of more.
        int64[2, size] occurrences in them.
    """
    who = np.full((2, size), -1, np.int64)
    often = np.zeros((2, size), np.int64)
    for c in range(len(at) - 1):
        for i in range(at[c], at[c + 1]):
            token = ids[i]
            if who[0, token] == -2:
                continue
            place = 0 if who[0, token] == -1 or who[0, token] == c else 1
            if who[place, token] == -1:
                who[place, token] = c
            if who[place, token] == c:
                often[place, token] += 1
            else:
                who[0, token] = who[1, token] = -2
    return who, often


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
