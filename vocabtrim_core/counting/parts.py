"""Finished parts of a running count on disk, which an interrupted count need not count again.

A part is one file, written atomically and with the same content by any process. So two processes
may count the same corpus at once.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vocabtrim_core.corpora import SkipReport
from vocabtrim_core.counting.proof import Proof
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

SUFFIX = ".part.npz"  # the folder may hold other files


@dataclass(frozen=True, slots=True)
class PartInfo:
    """What was read for a part.

    Attributes:
        key: Of the part, as in `Block.part`.
        pieces: Number of pieces of its counts.
        rows: Rows of the corpus, skipped ones too.
        file_bytes: Bytes of its file, as stored.
        text_bytes: Bytes of the messages.
        report: Rows left out.
        proof: Evidence that the ids are HF's.
        notes: What was counted without a part of it.
    """

    key: str
    pieces: int
    rows: int
    file_bytes: int
    text_bytes: int
    report: SkipReport
    proof: Proof
    notes: SkipReport


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A finished part of a corpus.

    Attributes:
        info: What was read for it.
        pieces: Its counts.
    """

    info: PartInfo
    pieces: ShardCounts


class PartFolder:
    """The finished parts of one count with one engine.

    Attributes:
        path: The folder.
        finished: Key of each finished part to what was read for it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.finished: dict[str, PartInfo] = {}
        for file in path.glob(f"*{SUFFIX}"):
            with suppress(InputError, msgspec.DecodeError):  # damaged: counted again
                info = _read(file).info
                self.finished[info.key] = info

    def save(self, part: Part) -> None:
        """Write a part to its file.

        Args:
            part: The finished part.

        Raises:
            InputError: The disk is full.
        """
        meta = msgspec.json.encode(part.info)
        write = functools.partial(part.pieces.write, meta=meta)
        write_atomic(self._file(part.info.key), write)
        self.finished[part.info.key] = part.info

    def parts(self) -> Iterator[Part]:
        """Read all finished parts in the order of the corpus.

        Returns:
            An iterator that reads one part at a time.

        Raises:
            InputError: A file was damaged meanwhile.
        """
        return (_read(self._file(key)) for key in sorted(self.finished))

    def remove(self) -> None:
        """Delete the folder with all its parts."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _file(self, key: str) -> Path:
        return self.path / f"{key}{SUFFIX}"


def _read(file: Path) -> Part:
    pieces, meta = ShardCounts.read(file)
    return Part(msgspec.json.decode(meta, type=PartInfo), pieces)
