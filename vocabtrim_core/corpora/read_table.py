"""Parquet and CSV -> blocks."""

from __future__ import annotations

import codecs
import csv
import functools
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from vocabtrim_core import workspace
from vocabtrim_core.corpora.batches import Block, Shard
from vocabtrim_core.corpora.fingerprint import scan
from vocabtrim_core.corpora.from_arrow import batch_from_arrow
from vocabtrim_core.corpora.read_json import PART_BLOCKS
from vocabtrim_core.corpora.shapes import Mapping
from vocabtrim_core.corpora.streams import (
    CHUNK,
    Stream,
    damage,
    is_compressed,
    not_utf8,
    open_stream,
    whole_lines,
)
from vocabtrim_core.errors import InputError

SHARD_BYTES = 16 * 2**20  # uncompressed bytes of the columns in the row groups of a shard
BATCH_BYTES = 5 * 2**20  # of text per batch, about: what a thread counts at once takes ten times it
PART_BATCHES = PART_BLOCKS * CHUNK // BATCH_BYTES  # where a row group is more than one part
MOST_ROWS = 8192  # conversations per batch


# --- Parquet ------------------------------------------------------------------------------------


@contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # Pages are read as they are needed (buffer_size), not a whole row group at once.
        with pq.ParquetFile(_plain(path), pre_buffer=False, buffer_size=2**20) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"{workspace.label_of(path)} cannot be read as Parquet ({reason}); write it again."
        ) from None


def _plain(path: Path) -> Path:
    """Parquet is read from its end: a compressed file is unpacked once, into the workspace."""
    if not is_compressed(path):
        return path
    target = workspace.folder("unpacked") / f"{scan(path).sha256[:32]}.parquet"
    if not target.exists():

        def unpack(file: Any) -> None:
            with open_stream(path) as stream:
                while piece := stream.read(CHUNK):
                    file.write(piece)

        workspace.write_atomic(target, unpack)
    return target


def parquet_head(path: Path, rows: int) -> list[dict[str, Any]]:
    """The first rows."""
    with _parquet(path) as file:
        batch = next(file.iter_batches(batch_size=rows, use_threads=False), None)
        return [] if batch is None else batch.to_pylist()


def parquet_shards(path: Path, file: int, limit: int | None) -> list[Shard]:
    """Ranges of row groups of about 16 MB."""
    with _parquet(path) as source:
        meta = source.metadata
        groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
        groups = [(g.num_rows, g.total_byte_size) for g in groups]
    whole = sum(size for _, size in groups) or 1
    scale = path.stat().st_size / whole
    shards: list[Shard] = []
    start = row = rows = size = 0
    for i, (group_rows, group_size) in enumerate(groups):
        rows, size = rows + group_rows, size + group_size
        if size >= SHARD_BYTES or i == len(groups) - 1:
            left = rows if limit is None else min(rows, limit - row)
            if left > 0:
                key = f"{file:04d}-{len(shards):05d}"
                shards.append(Shard(key, file, start, i + 1, row + 1, left, int(size * scale)))
            start, row, rows, size = i + 1, row + rows, 0, 0
    return shards


def parquet_blocks(path: Path, name: str, shard: Shard, mapping: Mapping) -> Iterator[Block]:
    """The blocks of one shard; a row group of any size is read in bounded memory."""
    with _parquet(path) as source:
        names = source.schema_arrow.names
        columns = [column for column in mapping.columns if column in names]
        row, left = shard.first_row, shard.rows or 0
        size = _batch_rows(source, shard, columns)
        batches = source.iter_batches(
            batch_size=size,
            row_groups=range(shard.start, shard.stop),
            columns=columns,
            use_threads=False,
        )
        for i, batch in enumerate(batches):
            batch = batch.slice(0, left)
            one = shard.stop - shard.start == 1 and (shard.rows or 0) > PART_BATCHES * size
            part = f"{shard.key}-{i // PART_BATCHES:05d}" if one else shard.key
            file_bytes = shard.bytes * len(batch) // (shard.rows or 1)
            decode = functools.partial(batch_from_arrow, batch, mapping, name, row)
            yield Block(part, row, len(batch), file_bytes, decode)
            row, left = row + len(batch), left - len(batch)
            if left <= 0:
                return


def _batch_rows(source: pq.ParquetFile, shard: Shard, columns: list[str]) -> int:
    """Rows that make about BATCH_BYTES of text."""
    total = rows = 0
    for i in range(shard.start, shard.stop):
        group = source.metadata.row_group(i)
        rows += group.num_rows
        for j in range(group.num_columns):
            column = group.column(j)
            if column.path_in_schema.split(".")[0] in columns:
                total += column.total_uncompressed_size
    return max(1, min(MOST_ROWS, BATCH_BYTES * rows // max(total, 1)))


# --- CSV ----------------------------------------------------------------------------------------


def csv_head(path: Path, rows: int) -> list[dict[str, Any]]:
    """The first rows, every value as text."""
    with open_stream(path) as stream:
        batch = next(_csv_batches(stream, path, None), None)
        return [] if batch is None else batch.slice(0, rows).to_pylist()


def csv_shards(path: Path, file: int, limit: int | None) -> list[Shard]:
    """One: where a quoted record ends is known only by reading from the beginning."""
    return [Shard(f"{file:04d}", file, 0, 0, 1, limit, path.stat().st_size)]


def csv_blocks(path: Path, name: str, shard: Shard, mapping: Mapping) -> Iterator[Block]:
    """The blocks of the file."""
    row, told, left = 1, 0, shard.rows
    with open_stream(path) as stream:
        for i, batch in enumerate(_csv_batches(stream, path, mapping)):
            batch = batch if left is None else batch.slice(0, left)
            part = f"{shard.key}-{i // PART_BLOCKS:05d}"
            decode = functools.partial(batch_from_arrow, batch, mapping, name, row)
            yield Block(part, row, len(batch), stream.position - told, decode)
            told, row = stream.position, row + len(batch)
            left = None if left is None else left - len(batch)
            if left == 0:
                return


def _csv_batches(stream: Stream, path: Path, mapping: Mapping | None) -> Iterator[pa.RecordBatch]:
    """Record batches of about 8 MB with every column (or every mapped one) as text."""
    names, delimiter = _csv_header(path)
    wanted = [] if mapping is None else [name for name in mapping.columns if name in names]
    row = 0
    try:
        yield from (
            batch
            for batch in pc.open_csv(
                stream.source,
                pc.ReadOptions(use_threads=False, block_size=CHUNK),
                pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                pc.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=wanted,
                    strings_can_be_null=False,
                ),
            )
            if (row := row + len(batch)) or True
        )
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        if "UTF8" in reason or "UTF-8" in reason:
            raise not_utf8(f"{workspace.label_of(path)}, line {_bad_line(path)}") from None
        where = f"after row {row}"
        if told := re.search(r"Row #(\d+): (.*)", reason):  # the header is the first
            where, reason = f"row {int(told[1]) - 1}", told[2]
        raise InputError(f"{workspace.label_of(path)}, {where}: not CSV ({reason}).") from None
    except OSError as error:
        raise InputError(f"{damage(path, error)}, after line {whole_lines(path)}.") from None


def _csv_header(path: Path) -> tuple[list[str], str]:
    """(column names, delimiter): the one of , ; tab that the first line has most of."""
    with open_stream(path) as stream:
        text = stream.read(2**16).decode("utf-8-sig", errors="ignore")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    return next(csv.reader(io.StringIO(text), delimiter=delimiter), []), delimiter


def _bad_line(path: Path) -> int:
    """The first line that is not UTF-8; looked for only to say it."""
    line = 1
    with open_stream(path) as stream:
        decoder = codecs.getincrementaldecoder("utf-8")()
        while piece := stream.read(CHUNK):
            try:
                line += decoder.decode(piece).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object.count(b"\n", 0, error.start)
    return line
