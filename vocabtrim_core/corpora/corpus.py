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
from vocabtrim_core.corpora.column_contents import describe_columns
from vocabtrim_core.corpora.compression import is_compressed
from vocabtrim_core.corpora.file_names import HIDDEN, NO_DATA_FILE, label_of
from vocabtrim_core.corpora.fingerprint import scan
from vocabtrim_core.corpora.formats import CSV, LINES, format_of, inspect_head
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.corpora.skips import SkipReport
from vocabtrim_core.errors import InputError

NEVER_DATA = tuple(f"({reason})" for reason in (HIDDEN, NO_DATA_FILE))
READER = 6  # raise when the same files would be read as other messages, shards or parts


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What the head of a file shows.

    Attributes:
        name: Name of the file in messages.
        bytes: Its size.
        format: Name of its format.
        columns: Names of its columns.
        mapping: How it is read.
        sure: Whether the mapping was given or recognised without doubt.
        notes: Remarks on a recognised mapping, a sentence each.
    """

    name: str
    bytes: int
    format: str
    columns: tuple[str, ...]
    mapping: ColumnMapping
    sure: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """What to show of a corpus before counting.

    Attributes:
        name: Name of the corpus.
        bytes: Size of all files.
        files: What the head of each file shows.
        mapping: Mapping of the first file.
        sure: False where a user should check a mapping.
        candidates: Field of `ColumnMapping` and the columns that would fit it.
        notes: Remarks, a sentence each.
        head: The first rows of the first file, as they are written there.
        left_out: Files of a folder that hold no rows, each with the reason.
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

    @property
    def data_left_out(self) -> tuple[str, ...]:
        """Those of the files left out that may hold rows by their names and places."""
        return tuple(file for file in self.left_out if not file.endswith(NEVER_DATA))


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files in a fixed order, and how each is read.

    Attributes:
        name: Name to show.
        files: Paths, in the order in which they are read.
        mappings: How each file is read.
        limit: Number of rows that are read from the beginning; None for all.
        left_out: Files of a folder that are not read, each with the reason.
        notes: Remarks on which files are read, a sentence each.
    """

    name: str
    files: tuple[Path, ...]
    mappings: tuple[ColumnMapping, ...]
    limit: int | None = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mapping(self) -> ColumnMapping:
        """The mapping of the first file."""
        return self.mappings[0]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files on disk."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the files in messages: each path below the folder that all files share."""
        if len(self.files) == 1:
            return (label_of(self.files[0]),)
        common = Path(os.path.commonpath([path.parent for path in self.files]))
        return tuple(path.relative_to(common).as_posix() for path in self.files)

    def fingerprint(self) -> str:
        """The sha256 of what would be read: contents, mappings and limit, but not file names.

        Returns:
            64 hex digits.
        """
        parts = {
            "reader": READER,
            "files": [scan(path, lines=_cuttable(path)).sha256 for path in self.files],
            "mappings": [asdict(mapping) for mapping in self.mappings],
            "limit": self.limit,
        }
        return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()

    def shards(self) -> list[Shard]:
        """The pieces of the corpus, in order; different threads may read different shards.

        Returns:
            The same shards for the same corpus.
        """
        shards: list[Shard] = []
        left = self.limit
        for i, path in enumerate(self.files):
            if left is not None and left <= 0:
                break
            file_shards = format_of(path).shards(path, i, left)
            shards += file_shards
            if left is not None and i + 1 < len(self.files):
                left -= sum(shard.rows or 0 for shard in file_shards)
        return shards

    def blocks(self, shard: Shard, done: Container[str] = ()) -> Iterator[Block]:
        """The blocks of a shard, not yet decoded.

        Args:
            shard: One of `shards()`.
            done: Parts that are left out.

        Yields:
            The blocks, in order.

        Raises:
            InputError: The file has no usable mapping, or cannot be read.
        """
        mapping, path = self._checked(shard.file), self.files[shard.file]
        for block in format_of(path).blocks(path, self.labels[shard.file], shard, mapping):
            if block.part not in done:
                yield block

    def batches(
        self, shard: Shard | None = None, done: Container[str] = ()
    ) -> Iterator[MessageBatch]:
        """The messages of one shard, or of all.

        Args:
            shard: One of `shards()`; None for all.
            done: Parts that are left out.

        Yields:
            The batches, in order.

        Raises:
            InputError: A file cannot be read.
            NoConversationsError: All shards were read, no part was left out, and no row has a
                conversation.
        """
        if shard is not None:
            for block in self.blocks(shard, done):
                yield block.batch()
            return
        report = SkipReport()
        for piece in self.shards():
            for batch in self.batches(piece, done):
                report += SkipReport.of(batch)
                yield batch
        if not done:
            report.require_conversations(self.name)

    def require_conversations(self, most_bytes: int | None = None) -> SkipReport:
        """Refuse a corpus without a row to count; reading stops at the first block with one.

        Args:
            most_bytes: Number of file bytes after which reading stops; None for no limit.

        Returns:
            The rows left out among those that were read.

        Raises:
            NoConversationsError: No row that was read has anything to count.
            InputError: A file cannot be read.
        """
        report, bytes_read = SkipReport(), 0
        for shard in self.shards():
            for block in self.blocks(shard):
                batch = block.batch()
                report += SkipReport.of(batch)
                if len(batch):
                    return report
                bytes_read += block.file_bytes
                if most_bytes is not None and bytes_read > most_bytes:
                    report.require_conversations(f"The beginning of {self.name}")
        report.require_conversations(self.name)
        return report

    def describe(self) -> CorpusInfo:
        """Describe the corpus from the head of each file.

        Returns:
            Mapping, columns and first rows.
        """
        infos, heads, guesses = [], [], []
        for path, label, mapping in zip(self.files, self.labels, self.mappings, strict=True):
            kind, columns, head, guess = inspect_head(path)
            is_given = mapping != guess.mapping
            infos.append(
                FileInfo(
                    name=label,
                    bytes=path.stat().st_size,
                    format=kind.name,
                    columns=columns,
                    mapping=mapping,
                    sure=is_given or guess.sure,
                    notes=() if is_given else guess.notes,
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
        kind, columns, head, guess = inspect_head(self.files[file])
        headless = (
            " If its first line is a row already, write a line above it that names the columns."
            if kind is CSV
            else ""
        )
        raise InputError(
            f"{self.labels[file]} has no column that is known to hold conversations "
            f"(columns found: {describe_columns(columns, head)}). {' '.join(guess.notes)} "
            f"{guess.advice}{headless}"
        )


def _cuttable(path: Path) -> bool:
    """Plain JSON lines: the only format whose shards need a scan."""
    return format_of(path) is LINES and not is_compressed(path)
