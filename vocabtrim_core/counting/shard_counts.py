"""Counts of a corpus piece by piece, for interrupted counts and for resampling."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vocabtrim_core import numpy_files, workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.shipped.sets import shipped_sets
from vocabtrim_core.workspace.files import write_atomic

MOST_PIECES = 64  # of a corpus: enough for resampling, and 30 MB at most


@dataclass(frozen=True, slots=True, eq=False)
class ShardCounts:
    """Sparse counts of consecutive pieces of a corpus, about equal in conversations.

    Attributes:
        bounds: int64[pieces + 1]; piece p has ids[bounds[p]:bounds[p + 1]] and their counts.
        ids: uint32[n], ascending within a piece.
        counts: int64[n].
        conversations: int64[pieces].
    """

    bounds: np.ndarray
    ids: np.ndarray
    counts: np.ndarray
    conversations: np.ndarray

    def __len__(self) -> int:
        return len(self.conversations)

    @property
    def counted(self) -> int:
        """Pieces that hold any conversation."""
        return int(np.count_nonzero(self.conversations))

    def total(self, vocab_size: int, weights: np.ndarray | None = None) -> np.ndarray:
        """Add up all pieces.

        Args:
            vocab_size: V.
            weights: Integers [pieces], how often each piece is taken; None for once each.

        Returns:
            int64[V].
        """
        total, counts = np.zeros(vocab_size, np.int64), self.counts
        if weights is not None:
            counts = counts * np.repeat(weights, np.diff(self.bounds))
        np.add.at(total, self.ids, counts)
        return total

    @classmethod
    def of(
        cls, rows: Iterable[np.ndarray], conversations: Sequence[int] | np.ndarray
    ) -> ShardCounts:
        """Build from dense counts.

        Args:
            rows: int64[V] for each piece; may be an iterator.
            conversations: Conversations of each piece.

        Returns:
            The sparse counts.
        """
        ids, counts = [np.empty(0, np.uint32)], [np.empty(0, np.int64)]
        for row in rows:
            seen = np.flatnonzero(row != 0)  # a comparison is four times as fast as on integers
            ids.append(seen.astype(np.uint32))
            counts.append(row[seen])
        bounds = np.cumsum([len(piece_ids) for piece_ids in ids], dtype=np.int64)
        return cls(
            bounds, np.concatenate(ids), np.concatenate(counts), np.array(conversations, np.int64)
        )

    @classmethod
    def join(cls, parts: Iterable[ShardCounts]) -> ShardCounts:
        """Join the pieces of several counts, in order.

        Args:
            parts: Counts of consecutive parts of a corpus.

        Returns:
            The counts of all pieces.
        """
        parts = list(parts) or [cls.of([], [])]
        ends = np.cumsum([0, *(part.bounds[-1] for part in parts)])
        shifted = [part.bounds[1:] + end for part, end in zip(parts, ends[:-1], strict=True)]
        return cls(
            np.concatenate([[0], *shifted]).astype(np.int64),
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.conversations for part in parts]),
        )

    @classmethod
    def of_entries(
        cls, piece: np.ndarray, ids: np.ndarray, counts: np.ndarray, conversations: np.ndarray
    ) -> ShardCounts:
        """Build from counts in the order of their pieces.

        Args:
            piece: int64[n], non-decreasing.
            ids: uint32[n], ascending within a piece.
            counts: int64[n].
            conversations: int64[pieces].

        Returns:
            The sparse counts.
        """
        sizes = np.bincount(piece, minlength=len(conversations))
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(bounds, ids, counts, conversations)

    def pieces_of(self, values: np.ndarray) -> np.ndarray:
        """Add up values of the entries by piece.

        Args:
            values: [n], one for each of `ids`.

        Returns:
            int64[pieces].
        """
        piece = np.repeat(np.arange(len(self)), np.diff(self.bounds))
        return np.bincount(piece, values, len(self)).astype(np.int64)

    def as_one(self, vocab_size: int) -> ShardCounts:
        """Add all pieces up to a single one.

        Args:
            vocab_size: V.

        Returns:
            The same counts as one piece.
        """
        return ShardCounts.of([self.total(vocab_size)], [int(self.conversations.sum())])

    def slice(self, start: int, stop: int) -> ShardCounts:
        """Select consecutive pieces.

        Args:
            start: First piece.
            stop: One past the last.

        Returns:
            The counts of these pieces.
        """
        first, last = self.bounds[start], self.bounds[stop]
        return ShardCounts(
            self.bounds[start : stop + 1] - first,
            self.ids[first:last],
            self.counts[first:last],
            self.conversations[start:stop],
        )

    def write(self, file: BinaryIO, meta: bytes = b"") -> None:
        """Write an .npz; the same value gives the same bytes.

        Args:
            file: A binary file, open for writing.
            meta: Bytes that are stored with the counts.
        """
        small = np.uint32 if not len(self.counts) or self.counts.max() < 2**32 else np.int64
        np.savez(
            file,
            bounds=self.bounds,
            ids=self.ids,
            counts=self.counts.astype(small),
            conversations=self.conversations,
            meta=np.frombuffer(meta, np.uint8),
        )

    @classmethod
    def read(cls, path: Path) -> tuple[ShardCounts, bytes]:
        """Read a file that `write` wrote.

        Args:
            path: The file.

        Returns:
            The counts, and the bytes stored with them.

        Raises:
            InputError: The file is anything else; the message names it.
        """
        try:
            arrays = numpy_files.load_npz(path)
            counts = arrays["counts"].astype(np.int64)
            pieces = cls(arrays["bounds"], arrays["ids"], counts, arrays["conversations"])
            return pieces, arrays["meta"].tobytes()
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} does not hold counts by piece ({error}).") from error


def compact(
    parts: Iterable[ShardCounts], pieces: int, vocab_size: int, most: int = MOST_PIECES
) -> ShardCounts:
    """Add neighbouring pieces up until few enough are left.

    Args:
        parts: Counts of consecutive parts of a corpus; may be an iterator.
        pieces: Number of pieces in all of them.
        vocab_size: V.
        most: Pieces of the result, at most.

    Returns:
        The counts, about equal in original pieces.
    """
    together = -(-pieces // most)

    def groups() -> Iterator[ShardCounts]:
        waiting = ShardCounts.of([], [])
        for part in parts:
            waiting = ShardCounts.join([waiting, part])
            full = len(waiting) // together * together
            for start in range(0, full, together):
                group = waiting.slice(start, start + together)
                yield group if together == 1 else group.as_one(vocab_size)
            waiting = waiting.slice(full, len(waiting))
        if len(waiting):
            yield waiting.as_one(vocab_size)

    return ShardCounts.join(groups())


def save_shards(key: str, pieces: ShardCounts) -> Path:
    """Save the pieces of counts in the workspace.

    Args:
        key: The key of the counts (`TokenCounts.key`).
        pieces: Their pieces.

    Returns:
        The file.
    """
    return write_atomic(_path(key), pieces.write)


def load_shards(key: str) -> ShardCounts | None:
    """Load the pieces of counts from the workspace, or of shipped counts.

    Args:
        key: The key of the counts (`TokenCounts.key`).

    Returns:
        The pieces; None when none are stored.

    Raises:
        InputError: The file is damaged.
    """
    path = _path(key)
    if path.is_file():
        return ShardCounts.read(path)[0]
    return _shipped_shards(key) if key in shipped_sets() else None


@functools.lru_cache(maxsize=8)
def _shipped_shards(key: str) -> ShardCounts:
    entries = shipped_sets()[key].pieces()
    groups, seen = len(entries.conversations), len(entries.ids)
    total = np.bincount(entries.group * seen + entries.token, entries.counts, groups * seen)
    flat = np.flatnonzero(total)
    piece, token = np.divmod(flat, seen)
    return ShardCounts.of_entries(
        piece, entries.ids[token], total[flat].astype(np.int64), entries.conversations.sum(axis=1)
    )


def load_domain_shards(key: str) -> dict[str, ShardCounts]:
    """Load the pieces of shipped counts by domain label.

    Args:
        key: The key of the counts (`TokenCounts.key`).

    Returns:
        The pieces of each label; all have the same number, and the pieces of one number are one
        group of conversations. Empty for other counts.

    Raises:
        InputError: The file is damaged.
    """
    return _shipped_domain_shards(key) if key in shipped_sets() else {}


@functools.lru_cache(maxsize=4)
def _shipped_domain_shards(key: str) -> dict[str, ShardCounts]:
    entries, by_domain = shipped_sets()[key].pieces(), {}
    for number, name in enumerate(shipped_sets()[key].domains):
        inside = entries.domain == number
        by_domain[name] = ShardCounts.of_entries(
            entries.group[inside],
            entries.ids[entries.token[inside]],
            entries.counts[inside],
            entries.conversations[:, number],
        )
    return by_domain


def _path(key: str) -> Path:
    return workspace.folder("shards") / f"{key}.npz"
