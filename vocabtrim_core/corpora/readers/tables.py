"""Parquet files and Arrow's own files as blocks."""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from vocabtrim_core import workspace
from vocabtrim_core.corpora.batches import Block, Shard
from vocabtrim_core.corpora.compression import CHUNK, CODECS, is_compressed, open_stream
from vocabtrim_core.corpora.decoders.arrow import batch_from_arrow
from vocabtrim_core.corpora.file_names import label_of
from vocabtrim_core.corpora.fingerprint import scan
from vocabtrim_core.corpora.readers.json_lines import PART_BLOCKS
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

SHARD_BYTES = 16 * 2**20  # uncompressed bytes of the columns in the row groups of a shard
BATCH_BYTES = 5 * 2**20  # text per batch, about; counting a batch takes ten times its memory
PART_BATCHES = PART_BLOCKS * CHUNK // BATCH_BYTES  # where a row group is more than one part
MOST_ROWS = 8192  # conversations per batch


# --- Parquet ------------------------------------------------------------------------------------


@contextmanager
def _parquet(path: Path) -> Generator[pq.ParquetFile]:
    try:
        # Pages are read as they are needed (buffer_size), not a whole row group at once.
        with pq.ParquetFile(_plain(path), pre_buffer=False, buffer_size=2**20) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"{label_of(path)} cannot be read as Parquet ({reason}); write it again."
        ) from None


def _plain(path: Path) -> Path:
    """The file, unpacked once into the workspace where it is compressed."""
    if not is_compressed(path):
        return path
    named = path.with_suffix("") if path.suffix.lower() in CODECS else path
    target = workspace.folder("unpacked") / f"{scan(path).sha256[:32]}{named.suffix}"
    if not target.exists():

        def unpack(file: Any) -> None:
            with open_stream(path) as stream:
                while piece := stream.read(CHUNK):
                    file.write(piece)

        write_atomic(target, unpack)
    return target


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
        columns = list(mapping.columns_of(names))
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
    return max(1, min(MOST_ROWS, BATCH_BYTES * rows // max(total, 1)))


# --- Arrow's own files --------------------------------------------------------------------------


@contextmanager
def _arrow(path: Path) -> Generator[Iterator[pa.RecordBatch]]:
    """The record batches of an Arrow file or stream, mapped into memory."""
    try:
        with pa.memory_map(str(_plain(path))) as source:
            yield _record_batches(source)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"{label_of(path)} cannot be read as Arrow ({reason}); write it again."
        ) from None


def _record_batches(source: pa.MemoryMappedFile) -> Iterator[pa.RecordBatch]:
    size = source.size()
    if source.read(6) == b"ARROW1":
        file = ipc.open_file(source)
        yield from (file.get_batch(i) for i in range(file.num_record_batches))
        return
    source.seek(max(0, size - 8))
    ended = source.read() == b"\xff\xff\xff\xff\0\0\0\0"  # the mark at the end of a stream
    source.seek(0)
    yield from ipc.open_stream(source)
    if not ended:
        raise pa.ArrowInvalid("it is cut off: the mark at the end of its stream is missing")


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
    first_rows: list[dict[str, Any]] = []
    with _arrow(path) as batches:
        for batch in batches:
            first_rows += batch.slice(0, rows - len(first_rows)).to_pylist()
            if len(first_rows) >= rows:
                break
    return first_rows


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
            batch = record_batch.select(mapping.columns_of(record_batch.schema.names)).slice(
                0, left
            )
            step = max(1, min(MOST_ROWS, BATCH_BYTES * len(batch) // max(batch.nbytes, 1)))
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
