"""Counts of a corpus piece by piece: what makes a count resumable, and resampling possible."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

MOST_PIECES = 64  # of a whole corpus: enough for resampling, and some 30 MB at the most


@dataclass(frozen=True, slots=True, eq=False)
class ShardCounts:
    """Sparse counts of consecutive pieces of a corpus, about equal in conversations.

    bounds: int64[pieces + 1]; piece p has ids[bounds[p]:bounds[p + 1]] (uint32, ascending) with
    these counts (int64). conversations: int64[pieces].
    """

    bounds: np.ndarray
    ids: np.ndarray
    counts: np.ndarray
    conversations: np.ndarray

    def __len__(self) -> int:
        return len(self.conversations)

    def total(self, vocab_size: int, weights: np.ndarray | None = None) -> np.ndarray:
        """int64[V] of all pieces, each taken `weights[p]` (integer) times: 0 leaves it out."""
        total, counts = np.zeros(vocab_size, np.int64), self.counts
        if weights is not None:
            counts = counts * np.repeat(weights, np.diff(self.bounds))
        np.add.at(total, self.ids, counts)
        return total

    @classmethod
    def of(
        cls, rows: Iterable[np.ndarray], conversations: Sequence[int] | np.ndarray
    ) -> ShardCounts:
        """From one dense int64[V] per piece, which need not exist at the same time."""
        ids, counts = [np.empty(0, np.uint32)], [np.empty(0, np.int64)]
        for row in rows:
            seen = np.flatnonzero(row != 0)  # four times as fast as on the integers
            ids.append(seen.astype(np.uint32))
            counts.append(row[seen])
        bounds = np.cumsum([len(some) for some in ids], dtype=np.int64)
        return cls(
            bounds, np.concatenate(ids), np.concatenate(counts), np.array(conversations, np.int64)
        )

    @classmethod
    def join(cls, parts: Iterable[ShardCounts]) -> ShardCounts:
        """All pieces, one after the other."""
        parts = list(parts) or [cls.of([], [])]
        ends = np.cumsum([0, *(part.bounds[-1] for part in parts)])
        shifted = [part.bounds[1:] + end for part, end in zip(parts, ends[:-1], strict=True)]
        return cls(
            np.concatenate([[0], *shifted]).astype(np.int64),
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.conversations for part in parts]),
        )

    def as_one(self, vocab_size: int) -> ShardCounts:
        """The same counts as a single piece."""
        return ShardCounts.of([self.total(vocab_size)], [int(self.conversations.sum())])

    def slice(self, start: int, stop: int) -> ShardCounts:
        """Pieces start … stop - 1."""
        first, last = self.bounds[start], self.bounds[stop]
        return ShardCounts(
            self.bounds[start : stop + 1] - first,
            self.ids[first:last],
            self.counts[first:last],
            self.conversations[start:stop],
        )

    def write(self, file: BinaryIO, meta: bytes = b"") -> None:
        """An .npz with these arrays and some bytes about them; same value, same bytes."""
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
        """What `write` made, from a file. InputError when it is anything else."""
        try:
            with np.load(path, allow_pickle=False) as a:
                counts = a["counts"].astype(np.int64)
                pieces = cls(a["bounds"], a["ids"], counts, a["conversations"])
                return pieces, a["meta"].tobytes()
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} does not hold counts by piece ({error}).") from error


def compact(
    parts: Iterable[ShardCounts], pieces: int, vocab_size: int, most: int = MOST_PIECES
) -> ShardCounts:
    """The `pieces` of all parts, neighbours added up until at most so many are left."""
    together = -(-pieces // most)

    def groups() -> Iterator[ShardCounts]:
        waiting = ShardCounts.of([], [])
        for part in parts:
            waiting = ShardCounts.join([waiting, part])
            whole = len(waiting) // together * together
            for start in range(0, whole, together):
                group = waiting.slice(start, start + together)
                yield group if together == 1 else group.as_one(vocab_size)
            waiting = waiting.slice(whole, len(waiting))
        if len(waiting):
            yield waiting.as_one(vocab_size)

    return ShardCounts.join(groups())


def save_shards(key: str, pieces: ShardCounts) -> Path:
    """Keep the pieces of the counts with this key in the workspace."""
    return write_atomic(_path(key), pieces.write)


def load_shards(key: str) -> ShardCounts | None:
    """The pieces of the counts with this key (`TokenCounts.key`), where this workspace has them."""
    path = _path(key)
    return ShardCounts.read(path)[0] if path.is_file() else None


def _path(key: str) -> Path:
    return workspace.folder("shards") / f"{key}.npz"
