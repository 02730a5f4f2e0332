"""A corpus: files, how they are read, and a deterministic partition of their rows."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.corpora import read_json, read_table
from vocabtrim_core.corpora.batches import Block, MessageBatch, Shard, SkipReport
from vocabtrim_core.corpora.fingerprint import scan
from vocabtrim_core.corpora.shapes import Mapping, Recognition, recognise
from vocabtrim_core.errors import InputError

READER = 1  # raise when the same files would be read as other messages, shards or parts
SAMPLE = 50  # rows looked at to recognise a file


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of file is read: its first rows, its shards, the blocks of a shard."""

    name: str
    head: Callable[[Path, int], list[dict[str, Any]]]
    shards: Callable[[Path, int, int | None], list[Shard]]
    blocks: Callable[[Path, str, Shard, Mapping], Iterator[Block]]


LINES = Format("JSON lines", read_json.line_head, read_json.line_shards, read_json.line_blocks)
ARRAY = Format("JSON array", read_json.array_head, read_json.array_shards, read_json.array_blocks)
PARQUET = Format(
    "Parquet", read_table.parquet_head, read_table.parquet_shards, read_table.parquet_blocks
)
CSV = Format("CSV", read_table.csv_head, read_table.csv_shards, read_table.csv_blocks)
FORMATS = {".jsonl": LINES, ".ndjson": LINES, ".json": ARRAY, ".parquet": PARQUET,
           ".csv": CSV, ".tsv": CSV}  # fmt: skip
SUFFIXES = re.compile(rf"({'|'.join(map(re.escape, FORMATS))})(\.gz|\.zst)?$", re.IGNORECASE)


def format_of(path: Path) -> Format:
    """By suffix; a .json file may also be JSON lines, which is how many hubs name them."""
    found = SUFFIXES.search(path.name)
    if not found:
        raise InputError(
            f"{path} is not a kind of file that can be read: its name must end in "
            f"{', '.join(FORMATS)}, or one of these with .gz or .zst."
        )
    kind = FORMATS[found.group(1).lower()]
    return LINES if kind is ARRAY and not read_json.is_array(path) else kind


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What was seen of one file without reading it all."""

    name: str
    bytes: int
    format: str
    columns: tuple[str, ...]
    mapping: Mapping
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
    mapping: Mapping
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
    mappings: tuple[Mapping, ...]
    limit: int | None = None
    left_out: tuple[str, ...] = ()

    @property
    def mapping(self) -> Mapping:
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
            return (self.files[0].name,)
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

    def describe(self) -> CorpusInfo:
        """Shape, columns and first rows, from the head of each file."""
        infos, heads, guesses = [], [], []
        for path, label, mapping in zip(self.files, self.labels, self.mappings, strict=True):
            kind, columns, head, guess = _look(path)
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
            notes=tuple(dict.fromkeys(note for info in infos for note in info.notes)),
            head=tuple(heads[0][:5]),
            left_out=self.left_out,
        )

    def _checked(self, file: int) -> Mapping:
        """The mapping of a file; InputError when it has none that could be read."""
        mapping, path = self.mappings[file], self.files[file]
        if mapping.shape:
            return mapping
        _, columns, _, guess = _look(path)
        raise InputError(
            f"{path.name} has no column that is known to hold conversations "
            f"(columns found: {', '.join(columns)}). {' '.join(guess.notes)} "
            "Map them, for example with prompt=COLUMN and response=COLUMN."
        )


def open_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    mapping: Mapping | None = None,
    limit: int | None = None,
    name: str | None = None,
) -> Corpus:
    """A corpus from files, folders and globs, in the order given (sorted within each).

    Without a mapping each file's columns are recognised; ask `describe()` whether that is sure.
    InputError: nothing found, a file that is empty or of an unknown kind, a mapping to columns
    that a file lacks.
    """
    if limit is not None and limit < 1:
        raise InputError(f"The row limit must be at least 1, but is {limit}.")
    files, left_out = _find([paths] if isinstance(paths, str | Path) else paths)
    mappings = []
    for path in files:
        if not path.stat().st_size:
            raise InputError(f"{path} is empty; give a file with conversations in it.")
        _, columns, head, guess = _look(path)
        if not head:
            raise InputError(f"{path} has no rows; give a file with conversations in it.")
        missing = [column for column in mapping.columns if column not in columns] if mapping else []
        if mapping and missing and not set(mapping.columns) & set(columns):
            raise InputError(
                f"{path} has no column {' or '.join(missing)} (columns found: "
                f"{', '.join(columns)}); map the columns it has."
            )
        mappings.append(mapping or guess.mapping)
    return Corpus(name or _name(paths, files), files, tuple(mappings), limit, left_out)


def _find(paths: Sequence[str | Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """(files, what was left out of folders and why)."""
    files: list[Path] = []
    left_out: list[str] = []
    for given in paths:
        path = Path(given).expanduser()
        if path.is_dir():
            for inside in sorted(p for p in path.rglob("*") if p.is_file()):
                reason = _why_not(inside, path)
                left_out += [f"{inside.relative_to(path)} ({reason})"] if reason else []
                files += [] if reason else [inside]
            if not files:
                raise InputError(
                    f"The folder {path} has no file that can be read "
                    f"({', '.join(left_out[:5]) or 'it is empty'}); it needs {', '.join(FORMATS)}."
                )
        elif path.exists():
            files.append(path)
        elif glob.has_magic(str(path)):
            found = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - absolute patterns
            files += [match for match in found if match.is_file()]
            if not found:
                raise InputError(f"No file matches {given}; check the pattern.")
        else:
            raise InputError(f"There is no file {given}; check the path.")
    if not files:
        raise InputError("No corpus file was given.")
    return tuple(dict.fromkeys(files)), tuple(left_out)


def _why_not(path: Path, root: Path) -> str:
    """Why a file in a folder is no data; empty when it is."""
    if any(part.startswith((".", "_")) for part in path.relative_to(root).parts):
        return "hidden"
    if not SUFFIXES.search(path.name):
        return "not a data file"
    if path.stat().st_size and format_of(path) is LINES and ".json" in path.suffixes:
        try:
            read_json.line_head(path, 1)
        except InputError:
            return "one JSON object, not rows"
    return ""


@functools.lru_cache(maxsize=256)
def _look_at(
    path: Path, size: int, mtime_ns: int
) -> tuple[Format, tuple[str, ...], list[dict[str, Any]], Recognition]:
    kind = format_of(path)
    head = kind.head(path, SAMPLE)
    columns = tuple(dict.fromkeys(key for row in head for key in row))
    return kind, columns, head, recognise(columns, head)


def _look(path: Path) -> tuple[Format, tuple[str, ...], list[dict[str, Any]], Recognition]:
    """(format, columns, first rows, guess) of a file, remembered while it does not change."""
    stat = path.stat()
    return _look_at(path, stat.st_size, stat.st_mtime_ns)


def _cuttable(path: Path) -> bool:
    """Plain JSON lines: the only format whose shards need a scan."""
    return format_of(path) is LINES and not read_json.is_compressed(path)


def _name(paths: Any, files: Sequence[Path]) -> str:
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    first = Path(given[0])
    if len(given) == 1 and first.is_dir():
        return first.resolve().name
    stem = SUFFIXES.sub("", files[0].name)
    return stem if len(files) == 1 else f"{stem} and {len(files) - 1} more"
