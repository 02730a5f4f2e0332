"""The readers of all file formats, and what the head of a file shows."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora.batches import Block, Shard
from vocabtrim_core.corpora.compression import require_utf8
from vocabtrim_core.corpora.readers import (
    arrow_files,
    csv_files,
    json_array,
    json_lines,
    parquet_files,
)
from vocabtrim_core.corpora.recognise import Recognition, recognise
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.errors import InputError

SAMPLE = 50  # rows looked at to recognise a file


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of file is read.

    Attributes:
        name: Name to show.
        head: (path, number of rows) -> the first rows.
        shards: (path, index of the file, row limit or None) -> its shards.
        blocks: (path, name of the file, shard, mapping) -> the blocks of the shard.
    """

    name: str
    head: Callable[[Path, int], list[dict[str, Any]]]
    shards: Callable[[Path, int, int | None], list[Shard]]
    blocks: Callable[[Path, str, Shard, ColumnMapping], Iterator[Block]]


def _values(name: str, read: json_array.Reader) -> Format:
    partial = functools.partial
    return Format(
        name,
        partial(json_array.head, read=read),
        partial(json_array.shards, read=read),
        partial(json_array.blocks, read=read),
    )


LINES = Format("JSON lines", json_lines.line_head, json_lines.line_shards, json_lines.line_blocks)
ARRAY = _values("JSON array", json_array.array_rows)
OBJECTS = _values("JSON objects", json_array.object_rows)
PARQUET = Format(
    "Parquet",
    parquet_files.parquet_head,
    parquet_files.parquet_shards,
    parquet_files.parquet_blocks,
)
ARROW = Format("Arrow", arrow_files.arrow_head, arrow_files.arrow_shards, arrow_files.arrow_blocks)
CSV = Format("CSV", csv_files.csv_head, csv_files.csv_shards, csv_files.csv_blocks)
FORMATS = {
    ".jsonl": LINES,
    ".ndjson": LINES,
    ".json": ARRAY,
    ".parquet": PARQUET,
    ".csv": CSV,
    ".tsv": CSV,
    ".arrow": ARROW,
}
SUFFIXES = re.compile(rf"({'|'.join(map(re.escape, FORMATS))})(\.gz|\.zst|\.bz2)?$", re.IGNORECASE)
TEXTS = (LINES, ARRAY, OBJECTS, CSV)


def format_of(path: Path) -> Format:
    """The format of a file, by its suffix; a .json file may also hold JSON lines.

    Args:
        path: The file.

    Returns:
        The format.

    Raises:
        InputError: The suffix is not known.
    """
    match = SUFFIXES.search(path.name)
    if not match:
        raise InputError(
            f"{path} is not a kind of file that can be read: its name must end in "
            f"{', '.join(FORMATS)}, or one of these with .gz, .zst or .bz2."
        )
    kind = FORMATS[match.group(1).lower()]
    if kind not in (ARRAY, LINES):
        return kind
    stat = path.stat()
    return _json_kind(path, kind is ARRAY, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _json_kind(path: Path, named_json: bool, size: int, mtime_ns: int) -> Format:
    if named_json:
        return {"array": ARRAY, "lines": LINES, "objects": OBJECTS}[json_array.begins(path)]
    return OBJECTS if json_array.has_cr_ends(path) else LINES


@functools.lru_cache(maxsize=256)
def _look_at(
    path: Path, size: int, mtime_ns: int
) -> tuple[Format, tuple[str, ...], list[dict[str, Any]], Recognition]:
    kind = format_of(path)
    if kind in TEXTS:
        require_utf8(path)
    head = kind.head(path, SAMPLE)
    columns = tuple(dict.fromkeys(key for row in head for key in row))
    return kind, columns, head, recognise(columns, head)


def inspect_head(path: Path) -> tuple[Format, tuple[str, ...], list[dict[str, Any]], Recognition]:
    """The head of a file; the result is cached while size and modification time stay the same.

    Args:
        path: The file.

    Returns:
        (format, columns, up to `SAMPLE` first rows, guess of the mapping).

    Raises:
        InputError: The file cannot be read, or is not UTF-8.
    """
    stat = path.stat()
    return _look_at(path, stat.st_size, stat.st_mtime_ns)
