"""Finished parts of a running count, on disk: what a killed count does not do again.

A part is one file, written in one step and the same whoever writes it, so two processes that count
the same corpus at once do each other no harm.
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

SUFFIX = ".part.npz"  # other files may lie beside


@dataclass(frozen=True, slots=True)
class PartInfo:
    """What was read for a part. key: as in `Block.part`; rows: of the corpus, skipped ones too;
    file_bytes: of its file, as stored; text_bytes: of the messages; pieces: its counts are in.
    report: rows left out; notes: what was counted without a part of it."""

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
    """A finished part of a corpus and its counts."""

    info: PartInfo
    pieces: ShardCounts


class PartFolder:
    """The finished parts of one count with one engine, by key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.finished: dict[str, PartInfo] = {}
        for file in path.glob(f"*{SUFFIX}"):
            with suppress(InputError, msgspec.DecodeError):  # damaged: counted again
                info = _read(file).info
                self.finished[info.key] = info

    def save(self, part: Part) -> None:
        """Write a part. InputError when the disk is full."""
        meta = msgspec.json.encode(part.info)
        write = functools.partial(part.pieces.write, meta=meta)
        write_atomic(self._file(part.info.key), write)
        self.finished[part.info.key] = part.info

    def parts(self) -> Iterator[Part]:
        """All finished parts in the order of the corpus."""
        return (_read(self._file(key)) for key in sorted(self.finished))

    def remove(self) -> None:
        """Forget the parts: the count they belong to is kept elsewhere now."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _file(self, key: str) -> Path:
        return self.path / f"{key}{SUFFIX}"


def _read(file: Path) -> Part:
    pieces, meta = ShardCounts.read(file)
    return Part(msgspec.json.decode(meta, type=PartInfo), pieces)
