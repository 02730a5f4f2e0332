"""Kinds of files: a registry of readers, and what the head of a file says."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora import read_array, read_json, read_table
from vocabtrim_core.corpora.batches import Block, Shard
from vocabtrim_core.corpora.shapes import Mapping, Recognition, recognise
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import label_of

SAMPLE = 50  # rows looked at to recognise a file


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of file is read: its first rows, its shards, the blocks of a shard."""

    name: str
    head: Callable[[Path, int], list[dict[str, Any]]]
    shards: Callable[[Path, int, int | None], list[Shard]]
    blocks: Callable[[Path, str, Shard, Mapping], Iterator[Block]]


LINES = Format("JSON lines", read_json.line_head, read_json.line_shards, read_json.line_blocks)
ARRAY = Format(
    "JSON array", read_array.array_head, read_array.array_shards, read_array.array_blocks
)
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
    return LINES if kind is ARRAY and not read_array.is_array(path) else kind


@functools.lru_cache(maxsize=256)
def _look_at(
    path: Path, size: int, mtime_ns: int
) -> tuple[Format, tuple[str, ...], list[dict[str, Any]], Recognition]:
    kind = format_of(path)
    try:
        head = kind.head(path, SAMPLE)
    except InputError as error:
        if kind is LINES and ".json" in path.suffixes:
            raise InputError(
                f"{label_of(path)} holds neither an array of rows nor one row per line ({error})"
            ) from None
        raise
    columns = tuple(dict.fromkeys(key for row in head for key in row))
    return kind, columns, head, recognise(columns, head)


def look(path: Path) -> tuple[Format, tuple[str, ...], list[dict[str, Any]], Recognition]:
    """(format, columns, first rows, guess) of a file, remembered while it does not change."""
    stat = path.stat()
    return _look_at(path, stat.st_size, stat.st_mtime_ns)
