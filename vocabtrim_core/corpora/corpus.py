"""A corpus: files, how they are read, and a deterministic partition of their rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.corpora.batches import Block, MessageBatch, Shard
from vocabtrim_core.corpora.file_names import label_of
from vocabtrim_core.corpora.fingerprint import scan
from vocabtrim_core.corpora.formats import LINES, format_of, look
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.corpora.seen import seen
from vocabtrim_core.corpora.skips import SkipReport
from vocabtrim_core.corpora.streams import is_compressed
from vocabtrim_core.errors import InputError

READER = 6  # raise when the same files would be read as other messages, shards or parts


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What was seen of one file without reading it all."""

    name: str
    bytes: int
    format: str
    columns: tuple[str, ...]
    mapping: ColumnMapping
    sure: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """What to show before counting. `sure` is False where somebody should look at the mapping.

    candidates: field of Mapping -> columns that would fit it; head: the first rows of the first
    file as they are written there; left_out: files of a folder that hold no rows, and why.
    """

    name: str
    bytes: int
    files: tuple[FileInfo, ...]
    mapping: ColumnMapping
    sure: bool
    candidates: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]
    head: tuple[dict[str, Any], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files in a fixed order; `mappings` says how each is read; `limit` keeps the first rows."""

    name: str
    files: tuple[Path, ...]
    mappings: tuple[ColumnMapping, ...]
    limit: int | None = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # about which files are read

    @property
    def mapping(self) -> ColumnMapping:
        """The mapping of the first file; of all where the files are alike."""
        return self.mappings[0]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files, as they lie on disk."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def labels(self) -> tuple[str, ...]:
        """What messages call each file: its path below what all files have in common."""
        if len(self.files) == 1:
            return (label_of(self.files[0]),)
        common = Path(os.path.commonpath([path.parent for path in self.files]))
        return tuple(path.relative_to(common).as_posix() for path in self.files)

    def fingerprint(self) -> str:
        """sha256 (hex) of what would be read: contents, mappings, limit. Names do not matter."""
        parts = {
            "reader": READER,
            "files": [scan(path, lines=_cuttable(path)).sha256 for path in self.files],
            "mappings": [asdict(mapping) for mapping in self.mappings],
            "limit": self.limit,
        }
        return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()

    def shards(self) -> list[Shard]:
        """The pieces of the corpus, in order; different threads may read different shards."""
        shards: list[Shard] = []
        left = self.limit
        for i, path in enumerate(self.files):
            if left is not None and left <= 0:
                break
            found = format_of(path).shards(path, i, left)
            shards += found
            if left is not None and i + 1 < len(self.files):
                left -= sum(shard.rows or 0 for shard in found)
        return shards

    def blocks(self, shard: Shard, done: Container[str] = ()) -> Iterator[Block]:
        """The blocks of a shard, undecoded, but for those whose part is done."""
        mapping, path = self._checked(shard.file), self.files[shard.file]
        for block in format_of(path).blocks(path, self.labels[shard.file], shard, mapping):
            if block.part not in done:
                yield block

    def batches(
        self, shard: Shard | None = None, done: Container[str] = ()
    ) -> Iterator[MessageBatch]:
        """The messages of one shard, or of all; InputError when all have no conversation."""
        if shard is not None:
            for block in self.blocks(shard, done):
                yield block.batch()
            return
        report = SkipReport()
        for each in self.shards():
            for batch in self.batches(each, done):
                report += SkipReport.of(batch)
                yield batch
        if not done:
            report.require_conversations(self.name)

    def require_conversations(self, most_bytes: int | None = None) -> SkipReport:
        """NoConversationsError when no row has anything to count; the block with the first one that
        has ends the look. Returns what was left out of the rows looked at.

        most_bytes: of files to read at most, without an end by default. What cannot be read at all
        raises as reading does.
        """
        report, done = SkipReport(), 0
        for shard in self.shards():
            for block in self.blocks(shard):
                batch = block.batch()
                report += SkipReport.of(batch)
                if len(batch):
                    return report
                done += block.file_bytes
                if most_bytes is not None and done > most_bytes:
                    report.require_conversations(f"The beginning of {self.name}")
        report.require_conversations(self.name)
        return report

    def describe(self) -> CorpusInfo:
        """Shape, columns and first rows, from the head of each file."""
        infos, heads, guesses = [], [], []
        for path, label, mapping in zip(self.files, self.labels, self.mappings, strict=True):
            kind, columns, head, guess = look(path)
            given = mapping != guess.mapping
            infos.append(
                FileInfo(
                    name=label,
                    bytes=path.stat().st_size,
                    format=kind.name,
                    columns=columns,
                    mapping=mapping,
                    sure=given or guess.sure,
                    notes=() if given else guess.notes,
                )
            )
            heads.append(head)
            guesses.append(guess)
        return CorpusInfo(
            name=self.name,
            bytes=self.size_bytes,
            files=tuple(infos),
            mapping=self.mapping,
            sure=all(info.sure for info in infos),
            candidates=guesses[0].candidates,
            notes=tuple(dict.fromkeys([*self.notes, *(n for info in infos for n in info.notes)])),
            head=tuple(heads[0][:5]),
            left_out=self.left_out,
        )

    def _checked(self, file: int) -> ColumnMapping:
        """The mapping of a file; InputError when it has none that could be read."""
        mapping = self.mappings[file]
        if mapping.shape:
            return mapping
        _, columns, head, guess = look(self.files[file])
        raise InputError(
            f"{self.labels[file]} has no column that is known to hold conversations "
            f"(columns found: {seen(columns, head)}). {' '.join(guess.notes)} {guess.advice}"
        )


def _cuttable(path: Path) -> bool:
    """Plain JSON lines: the only format whose shards need a scan."""
    return format_of(path) is LINES and not is_compressed(path)
