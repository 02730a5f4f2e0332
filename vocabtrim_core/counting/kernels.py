"""Loops over tokens, compiled once and cached, which let other threads run.

In all of them tokens of conversation c are ids[at[c]:at[c + 1]].
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@numba.njit(cache=True, nogil=True)
def weighted_counts(ids: Array, at: Array, times: Array, size: int) -> Array:
    """Count ids with a weight for each conversation.

    Args:
        ids: uint32[n].
        at: int64[conversations + 1].
        times: uint8[conversations], how often each conversation is taken.
        size: V.

    Returns:
        int64[V].
    """
    counts = np.zeros(size, np.int64)
    for c in range(len(times)):
        weight = times[c]
        if weight:
            for i in range(at[c], at[c + 1]):
                counts[ids[i]] += weight
    return counts


@numba.njit(cache=True, nogil=True)
def hits_of(ids: Array, at: Array, is_kept: Array) -> Array:
    """Count the tokens of each conversation that are kept.

    Args:
        ids: uint32[n].
        at: int64[conversations + 1].
        is_kept: bool[V].

    Returns:
        int64[conversations].
    """
    hits = np.zeros(len(at) - 1, np.int64)
    for c in range(len(at) - 1):
        for i in range(at[c], at[c + 1]):
            hits[c] += is_kept[ids[i]]
    return hits


@numba.njit(cache=True, nogil=True)
def hits_of_folds(ids: Array, at: Array, is_kept: Array, fold: Array) -> Array:
    """Count the tokens of each conversation that are kept by its fold's vocabulary.

    Args:
        ids: uint32[n].
        at: int64[conversations + 1].
        is_kept: bool[folds, V].
        fold: int64[conversations], the fold of each.

    Returns:
        int64[conversations].
    """
    hits = np.zeros(len(at) - 1, np.int64)
    for c in range(len(at) - 1):
        row = is_kept[fold[c]]
        for i in range(at[c], at[c + 1]):
            hits[c] += row[ids[i]]
    return hits


@numba.njit(cache=True, nogil=True)
def owners(ids: Array, at: Array, size: int) -> tuple[Array, Array]:
    """Find the tokens that occur in one or two conversations only, and how often in each.

    Args:
        ids: uint32[n].
        at: int64[conversations + 1].
        size: V.

    Returns:
        int64[2, V], first and second conversation, -1 for none, and -2 in both for tokens of three
        or more. int64[2, V], occurrences in them.
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
    """Measure how far back each id last occurred in its conversation.

    Args:
        ids: uint32[n].
        at: int64[conversations + 1].
        size: V.

    Returns:
        int64[n], distance in tokens; 0 where the id did not occur before.
    """
    last = np.full(size, -1, np.int64)
    distances = np.zeros(len(ids), np.int64)
    for c in range(len(at) - 1):
        for i in range(at[c], at[c + 1]):
            if last[ids[i]] >= at[c]:
                distances[i] = i - last[ids[i]]
            last[ids[i]] = i
    return distances
