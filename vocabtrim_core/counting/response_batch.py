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

    Attributes:
        ids: uint32[n].
        offsets: int64[spans + 1].
        conversation: int64[spans], non-decreasing.
    """

    ids: np.ndarray
    offsets: np.ndarray
    conversation: np.ndarray

    def filled(self) -> np.ndarray:
        """bool[spans]: whether a span has ids."""
        return np.diff(self.offsets) > 0

    def sizes(self, conversations: int) -> np.ndarray:
        """Count the ids of each conversation.

        Args:
            conversations: Number of conversations.

        Returns:
            int64[conversations].
        """
        spans = np.diff(self.offsets)
        return np.bincount(self.conversation, spans, conversations).astype(np.int64)

    def of(self, chosen: np.ndarray) -> ResponseBatch:
        """Select the spans of some conversations, which keep their numbers.

        Args:
            chosen: bool[conversations].

        Returns:
            The spans of the chosen ones.
        """
        inside = chosen[self.conversation]
        if inside.all():
            return self
        return unpacked(self.packed().filter(pa.array(inside)), self.conversation[inside])

    def merged(self, other: ResponseBatch, places: np.ndarray | None = None) -> ResponseBatch:
        """Merge with other spans, in the order of the conversations.

        Args:
            other: The other spans.
            places: int64[spans of both], the order instead; None for the conversations' order.

        Returns:
            The spans of both.
        """
        conversations = np.concatenate([self.conversation, other.conversation])
        order = np.argsort(conversations if places is None else places, kind="stable")
        spans = pa.concat_arrays([self.packed(), other.packed()])
        return unpacked(spans.take(pa.array(order)), conversations[order])

    def ids_between(self, start: int, stop: int) -> np.ndarray:
        """Select the ids of consecutive conversations.

        Args:
            start: First conversation.
            stop: One past the last.

        Returns:
            uint32, a view of `ids`.
        """
        first, last = np.searchsorted(self.conversation, [start, stop])
        return self.ids[self.offsets[first] : self.offsets[last]]

    def packed(self, places: np.ndarray | None = None) -> pa.LargeBinaryArray:
        """View the ids of each span as bytes, which Arrow moves span by span without copying.

        Args:
            places: bool[n], True where the next span stands; the others are empty. None for the
                spans alone.

        Returns:
            One value per span, or per place.
        """
        at = self.offsets if places is None else self.offsets[np.append(0, np.cumsum(places))]
        buffers = [None, pa.py_buffer(at * ID), pa.py_buffer(self.ids)]
        return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(at) - 1, buffers)


ID = np.dtype(np.uint32).itemsize


def joined(columns: Sequence[pa.LargeBinaryArray], conversation: np.ndarray) -> ResponseBatch:
    """Join packed columns of the same length, row by row, to one span each.

    Args:
        columns: As `ResponseBatch.packed` gives them.
        conversation: int64[rows].

    Returns:
        One span per row.
    """
    nothing = pa.scalar(b"", pa.large_binary())
    return unpacked(pc.binary_join_element_wise(*columns, nothing), conversation)


def unpacked(spans: pa.LargeBinaryArray, conversation: np.ndarray) -> ResponseBatch:
    """View packed spans as ids, without copying; the inverse of `ResponseBatch.packed`.

    Args:
        spans: uint32 ids of each span as bytes.
        conversation: int64[spans].

    Returns:
        The spans.
    """
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
    """Copy stretches `ids[starts[i]:][:lengths[i]]` in a given order.

    Args:
        ids: uint32[n].
        starts: int64[stretches].
        lengths: int64[stretches].
        order: int64, indices of stretches.

    Returns:
        The ids, and their offsets int64[len(order) + 1].
    """
    starts, lengths = starts[order], lengths[order]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    take = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return ids[take], offsets
