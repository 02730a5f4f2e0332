"""Counted ids, span by span."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


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
        return unpacked(self.packed().filter(pa.array(inside)), self.conversation[inside])

    def merged(self, other: ResponseBatch, places: np.ndarray | None = None) -> ResponseBatch:
        """The spans of both, in the order of their conversations, or of places int64[spans]."""
        both = np.concatenate([self.conversation, other.conversation])
        order = np.argsort(both if places is None else places, kind="stable")
        spans = pa.concat_arrays([self.packed(), other.packed()])
        return unpacked(spans.take(pa.array(order)), both[order])

    def ids_between(self, start: int, stop: int) -> np.ndarray:
        """Ids of conversations start … stop - 1."""
        first, last = np.searchsorted(self.conversation, [start, stop])
        return self.ids[self.offsets[first] : self.offsets[last]]

    def packed(self, places: np.ndarray | None = None) -> pa.LargeBinaryArray:
        """The ids of each span as bytes, which Arrow moves a span at a time; nothing is copied.

        places: bool[], as many of them True as there are spans; the others are empty.
        """
        at = self.offsets if places is None else self.offsets[np.append(0, np.cumsum(places))]
        buffers = [None, pa.py_buffer(at * ID), pa.py_buffer(self.ids)]
        return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(at) - 1, buffers)


ID = np.dtype(np.uint32).itemsize


def joined(columns: Sequence[pa.LargeBinaryArray], conversation: np.ndarray) -> ResponseBatch:
    """What stands side by side in packed columns of the same length, as one span."""
    nothing = pa.scalar(b"", pa.large_binary())
    return unpacked(pc.binary_join_element_wise(*columns, nothing), conversation)


def unpacked(spans: pa.LargeBinaryArray, conversation: np.ndarray) -> ResponseBatch:
    """The opposite of `packed`; nothing is copied."""
    _, offsets, ids = spans.buffers()
    if not len(spans) or ids is None:
        return ResponseBatch(
            np.empty(0, np.uint32), np.zeros(len(spans) + 1, np.int64), conversation
        )
    ends = np.frombuffer(offsets, np.int64, len(spans) + 1, spans.offset * 8) // ID
    first, last = ends[[0, -1]].tolist()
    return ResponseBatch(np.frombuffer(ids, np.uint32)[first:last], ends - first, conversation)


def gather(
    ids: np.ndarray, starts: np.ndarray, lengths: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(ids, offsets) of the stretches `ids[starts[i]:][:lengths[i]]` in another order."""
    starts, lengths = starts[order], lengths[order]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    take = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return ids[take], offsets
