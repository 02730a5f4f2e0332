"""Counted ids, span by span."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ResponseBatch(NamedTuple):
    """Counted spans in the order of the corpus: span i has ids[offsets[i]:offsets[i + 1]].

    ids: uint32[n]; offsets: int64[spans + 1]; conversation: int64[spans], non-decreasing.
    """

    ids: np.ndarray
    offsets: np.ndarray
    conversation: np.ndarray

    def filled(self) -> np.ndarray:
        """bool[spans]: the span has ids."""
        return np.diff(self.offsets) > 0

    def sizes(self, conversations: int) -> np.ndarray:
        """int64[conversations]: how many ids each has."""
        spans = np.diff(self.offsets)
        return np.bincount(self.conversation, spans, conversations).astype(np.int64)

    def of(self, wanted: np.ndarray) -> ResponseBatch:
        """The spans of wanted conversations, which keep their numbers."""
        inside = wanted[self.conversation]
        if inside.all():
            return self
        starts, spans = self.offsets[:-1], np.diff(self.offsets)
        ids, offsets = gather(self.ids, starts, spans, np.flatnonzero(inside))
        return ResponseBatch(ids, offsets, self.conversation[inside])

    def merged(self, other: ResponseBatch, places: np.ndarray | None = None) -> ResponseBatch:
        """The spans of both, in the order of their conversations, or of places int64[spans]."""
        both = np.concatenate([self.conversation, other.conversation])
        lengths = np.concatenate([np.diff(self.offsets), np.diff(other.offsets)])
        order = np.argsort(both if places is None else places, kind="stable")
        ids = np.concatenate([self.ids, other.ids])
        ids, offsets = gather(ids, np.cumsum(lengths) - lengths, lengths, order)
        return ResponseBatch(ids, offsets, both[order])

    def ids_between(self, start: int, stop: int) -> np.ndarray:
        """Ids of conversations start … stop - 1."""
        first, last = np.searchsorted(self.conversation, [start, stop])
        return self.ids[self.offsets[first] : self.offsets[last]]


def gather(
    ids: np.ndarray, starts: np.ndarray, lengths: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(ids, offsets) of the stretches ids[starts[i]:][:lengths[i]] in another order."""
    starts, lengths = starts[order], lengths[order]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    take = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return ids[take], offsets
