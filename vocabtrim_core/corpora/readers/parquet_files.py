"""Parquet files as blocks."""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from vocabtrim_core.corpora.batches import Block, Shard
from vocabtrim_core.corpora.decoders.arrow import batch_from_arrow
from vocabtrim_core.corpora.readers.table_files import (
    PART_BATCHES,
    columns_to_read,
    readable_as,
    rows_in_batch,
    unpacked,
)
from vocabtrim_core.corpora.schema import ColumnMapping

SHARD_BYTES = 16 * 2**20  # uncompressed bytes of the columns in the row groups of a shard


@contextmanager
def _parquet(path: Path) -> Generator[pq.ParquetFile]:
    # Pages are read as they are needed (buffer_size), not a whole row group at once.
    with (
        readable_as("Parquet", path),
        pq.ParquetFile(unpacked(path), pre_buffer=False, buffer_size=2**20) as file,
    ):
        yield file


def parquet_head(path: Path, rows: int) -> list[dict[str, Any]]:
    """The first rows.

    Args:
        path: The file.
        rows: Number of rows.

    Returns:
        At most that many rows.

    Raises:
        InputError: The file cannot be read as Parquet.
    """
    with _parquet(path) as file:
        batch = next(file.iter_batches(batch_size=rows, use_threads=False), None)
        return [] if batch is None else batch.to_pylist()


def parquet_shards(path: Path, file: int, limit: int | None) -> list[Shard]:
    """Ranges of row groups of about 16 MB.

    Args:
        path: The file.
        file: Index of the file in its corpus.
        limit: Number of rows to read; None for all.

    Returns:
        The shards, in order.

    Raises:
        InputError: The file cannot be read as Parquet.
    """
    with _parquet(path) as source:
        meta = source.metadata
        groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
        groups = [(g.num_rows, g.total_byte_size) for g in groups]
    total = sum(size for _, size in groups) or 1
    scale = path.stat().st_size / total
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


def parquet_blocks(path: Path, name: str, shard: Shard, mapping: ColumnMapping) -> Iterator[Block]:
    """The blocks of one shard; a row group of any size is read in bounded memory.

    Args:
        path: The file.
        name: Name of the file in messages.
        shard: One of `parquet_shards`.
        mapping: Columns to read.

    Yields:
        The blocks, in order.

    Raises:
        InputError: The file cannot be read as Parquet.
    """
    with _parquet(path) as source:
        names = source.schema_arrow.names
        columns = columns_to_read(mapping, names, path)
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
            in_parts = shard.stop - shard.start == 1 and (shard.rows or 0) > PART_BATCHES * size
            part = f"{shard.key}-{i // PART_BATCHES:05d}" if in_parts else shard.key
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
    return rows_in_batch(rows, total)
