"""Files that Arrow itself writes, and `datasets`, as blocks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

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


@contextmanager
def _arrow(path: Path) -> Generator[Iterator[pa.RecordBatch]]:
    """The record batches of an Arrow file or stream, mapped into memory."""
    with readable_as("Arrow", path), pa.memory_map(str(unpacked(path))) as source:
        yield _record_batches(source)


def _record_batches(source: pa.MemoryMappedFile) -> Iterator[pa.RecordBatch]:
    size = source.size()
    if source.read(6) == b"ARROW1":
        file = ipc.open_file(source)
        yield from (_checked(file.get_batch(i)) for i in range(file.num_record_batches))
        return
    source.seek(max(0, size - 8))
    ended = source.read() == b"\xff\xff\xff\xff\0\0\0\0"  # the mark at the end of a stream
    source.seek(0)
    yield from map(_checked, ipc.open_stream(source))
    if not ended:
        raise pa.ArrowInvalid("it is cut off: the mark at the end of its stream is missing")


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, whose offsets lie inside its buffers and whose text is UTF-8; else ArrowInvalid.

    Arrow maps files as they are, so a damaged one would make it read other memory.
    """
    batch.validate(full=True)
    return batch


def arrow_head(path: Path, rows: int) -> list[dict[str, Any]]:
    """The first rows.

    Args:
        path: The file.
        rows: Number of rows.

    Returns:
        At most that many rows.

    Raises:
        InputError: The file cannot be read as Arrow.
    """
    with _arrow(path) as batches:
        first = (row for batch in batches for row in batch.slice(0, rows).to_pylist())
        return list(itertools.islice(first, rows))


def arrow_shards(path: Path, file: int, limit: int | None) -> list[Shard]:
    """The single shard of a file: an Arrow stream can only be read from its beginning.

    Args:
        path: The file.
        file: Index of the file in its corpus.
        limit: Number of rows to read; None for all.

    Returns:
        One shard.

    Raises:
        InputError: The file cannot be read as Arrow.
    """
    with _arrow(path) as batches:
        rows = sum(len(batch) for batch in batches)
    rows = rows if limit is None else min(rows, limit)
    return [Shard(f"{file:04d}", file, 0, 0, 1, rows, path.stat().st_size)]


def arrow_blocks(path: Path, name: str, shard: Shard, mapping: ColumnMapping) -> Iterator[Block]:
    """The blocks of a file.

    Args:
        path: The file.
        name: Name of the file in messages.
        shard: The shard of `arrow_shards`.
        mapping: Columns to read.

    Yields:
        The blocks, in order.

    Raises:
        InputError: The file cannot be read as Arrow.
    """
    row, left, count = 1, shard.rows or 0, 0
    with _arrow(path) as batches:
        for record_batch in batches:
            columns = columns_to_read(mapping, record_batch.schema.names, path)
            batch = record_batch.select(columns).slice(0, left)
            step = rows_in_batch(len(batch), batch.nbytes)
            for start in range(0, len(batch), step):
                piece = batch.slice(start, step)
                decode = functools.partial(batch_from_arrow, piece, mapping, name, row)
                file_bytes = shard.bytes * len(piece) // max(shard.rows or 0, 1)
                part = f"{shard.key}-{count // PART_BATCHES:05d}"
                yield Block(part, row, len(piece), file_bytes, decode)
                row, count = row + len(piece), count + 1
            left -= len(batch)
            if left <= 0:
                return
