"""JSON lines, plain or compressed, as blocks.

pyarrow's JSON reader decodes a block with an explicit schema outside the interpreter's lock, so it
gains from threads, while msgspec holds the lock. Keys that the fast path must not overlook (tool
calls, …) are declared as null: a block that has them, or anything else unexpected, fails and is
decoded again line by line.
"""

from __future__ import annotations

import codecs
import functools
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pj

from vocabtrim_core.corpora.batches import Block, MessageBatch, Shard, place
from vocabtrim_core.corpora.compression import (
    CHUNK,
    Stream,
    is_compressed,
    open_stream,
    whole_lines,
)
from vocabtrim_core.corpora.decoders.arrow import batch_from_arrow
from vocabtrim_core.corpora.decoders.rows import batch_from_rows
from vocabtrim_core.corpora.file_names import label_of
from vocabtrim_core.corpora.fingerprint import scan
from vocabtrim_core.corpora.readers.json_rows import LONGEST_LINE, PART_BLOCKS, Rows, parse_lines
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.corpora.unread_keys import RICH, unread_keys
from vocabtrim_core.errors import InputError

SHARD_CUTS = 2  # blocks per shard of a plain file: enough shards for threads, few to checkpoint

KEY = re.compile(rb'"([^\x00-\x1f":,{}]{1,64}+)"\s*:')  # inside a text it ends in a backslash
UNESCAPED = re.compile(rb"([^\\]|\\u(?!d[89a-f])[0-9a-f]{4})+", re.IGNORECASE)
MOST_KEYS = 64  # other keys in a block; with more of them it is read line by line


def line_head(path: Path, rows: int) -> list[dict[str, Any]]:
    """The first rows.

    Args:
        path: The file.
        rows: Number of rows.

    Returns:
        At most that many rows, without lines that are no objects.

    Raises:
        InputError: A line is not JSON, not UTF-8 or too long, or the file is damaged.
    """
    first_rows: list[dict[str, Any]] = []
    with open_stream(path) as stream:
        for _, first, _, data in _line_blocks(stream, label_of(path), chunk=2**18):
            lines = data.splitlines(keepends=True)
            for at in range(0, len(lines), rows):
                parsed = parse_lines(b"".join(lines[at : at + rows]), first + at, label_of(path))
                first_rows += [row for _, row in parsed if isinstance(row, dict)]
                if len(first_rows) >= rows:
                    return first_rows[:rows]
    return first_rows


def line_shards(path: Path, file: int, limit: int | None) -> list[Shard]:
    """Byte ranges that start and end at line ends; one shard where the file is compressed.

    Args:
        path: The file.
        file: Index of the file in its corpus.
        limit: Number of lines to read; None for all.

    Returns:
        The shards, in order.
    """
    size = path.stat().st_size
    if is_compressed(path):
        rows = None if limit is None else count_lines(path, limit)
        return [Shard(f"{file:04d}", file, 0, 0, 1, rows, size)]
    cuts = scan(path, lines=True).cuts
    shards = []
    for (start, line), (stop, after) in itertools.pairwise([*cuts[:-1:SHARD_CUTS], cuts[-1]]):
        rows = after - line if limit is None else min(after - line, limit - line + 1)
        if rows > 0:
            key = f"{file:04d}-{len(shards):05d}"
            shards.append(Shard(key, file, start, stop, line, rows, stop - start))
    return shards


def count_lines(path: Path, limit: int) -> int:
    """Count the lines of a compressed file.

    Args:
        path: The file.
        limit: Number of lines at which counting stops.

    Returns:
        Number of lines, at most `limit`.

    Raises:
        InputError: The file is damaged before that line.
    """
    with open_stream(path) as stream:
        count = 0
        for _, first, rows, _ in _line_blocks(stream, label_of(path)):
            count = first + rows - 1
            if count >= limit:
                break
    return min(count, limit)


def line_blocks(path: Path, name: str, shard: Shard, mapping: ColumnMapping) -> Iterator[Block]:
    """The blocks of one shard; those of a plain file are read only when they are decoded.

    Args:
        path: The file.
        name: Name of the file in messages.
        shard: One of `line_shards`.
        mapping: Columns to read.

    Yields:
        The blocks, in order.

    Raises:
        InputError: A compressed file is damaged; decoding a block may raise it too.
    """
    if not is_compressed(path):
        yield from _cut_blocks(path, name, shard, mapping)
        return
    with open_stream(path) as stream:
        blocks = _line_blocks(stream, name, shard.rows)
        for i, (file_bytes, first, rows, data) in enumerate(blocks):
            part = f"{shard.key}-{i // PART_BLOCKS:05d}"
            decode = functools.partial(decode_lines, data, first, rows, mapping, name)
            yield Block(part, first, rows, file_bytes, decode)


def _cut_blocks(path: Path, name: str, shard: Shard, mapping: ColumnMapping) -> Iterator[Block]:
    left = shard.rows or 0
    for (start, line), (stop, after) in itertools.pairwise(scan(path, lines=True).cuts):
        if shard.start <= start < shard.stop and left > 0:
            rows = min(after - line, left)
            cut = rows < after - line
            decode = functools.partial(
                _decode_range, path, start, stop, line, rows, cut, mapping, name
            )
            yield Block(shard.key, line, rows, stop - start, decode)
            left -= rows


def _decode_range(
    path: Path,
    start: int,
    stop: int,
    row: int,
    rows: int,
    cut: bool,
    mapping: ColumnMapping,
    name: str,
) -> MessageBatch:
    if stop - start > LONGEST_LINE:
        raise _too_long(name, row)
    with open_stream(path, start, stop) as stream:
        data = stream.read(stop - start)
    data = data.removeprefix(codecs.BOM_UTF8) if row == 1 else data
    return decode_lines(_first_lines(data, rows) if cut else data, row, rows, mapping, name)


def decode_lines(
    data: bytes, first_row: int, lines: int, mapping: ColumnMapping, name: str
) -> MessageBatch:
    """Decode complete lines into a batch.

    Args:
        data: The lines, in UTF-8.
        first_row: Number of the first line in the file.
        lines: Number of lines.
        mapping: Columns to read.
        name: Name of the file in messages.

    Returns:
        The batch.

    Raises:
        InputError: A line is not JSON or not UTF-8.
    """
    # Arrow's reader crashes on a line that is not an object (null).
    objects = data.startswith(b"{") and data.count(b"\n{") == lines - 1
    table = _parse_fast(data, mapping) if objects else None
    if table is not None and len(table) == lines:  # else: blank lines, or objects across lines

        def whole_rows(positions: list[int]) -> Rows:
            all_lines = data.split(b"\n")
            return [
                row for i in positions for row in parse_lines(all_lines[i], first_row + i, name)
            ]

        return batch_from_arrow(table, mapping, name, first_row, whole_rows)
    return batch_from_rows(parse_lines(data, first_row, name), mapping, name)


def _line_blocks(
    stream: Stream, name: str, rows: int | None = None, chunk: int | None = None
) -> Iterator[tuple[int, int, int, bytes]]:
    """(bytes of the file read, first row, rows, whole lines) until the end or `rows` rows."""
    row, position, carry, left = 1, 0, b"", rows
    while left is None or left > 0:
        try:
            piece = stream.read(chunk or CHUNK)
        except InputError as error:
            lines = whole_lines(stream.path)
            raise InputError(f"{error}{f', after line {lines}' * bool(lines)}.") from None
        if row == 1 and not carry:
            piece = piece.removeprefix(codecs.BOM_UTF8)
        end = piece.rfind(b"\n") + 1
        if piece and not end:
            carry += piece
            if len(carry) > LONGEST_LINE:
                raise _too_long(name, row)
            continue
        data, carry = (carry + piece[:end], piece[end:]) if piece else (carry, b"")
        if not data:
            return
        line_count = data.count(b"\n") + (not data.endswith(b"\n"))
        if left is not None and line_count > left:
            data, line_count = _first_lines(data, left), left
        yield stream.position - position, row, line_count, data
        position, row = stream.position, row + line_count
        left = None if left is None else left - line_count
        if not piece:
            return


def _too_long(name: str, row: int) -> InputError:
    return InputError(
        f"{place(name, row)} is longer than {LONGEST_LINE >> 20} MB; write one JSON object per "
        "line, or name the file .json if it is one array."
    )


def _first_lines(data: bytes, lines: int) -> bytes:
    end = 0
    for _ in range(lines):
        end = data.index(b"\n", end) + 1
    return data[:end]


@functools.lru_cache(maxsize=64)
def _parse_options(mapping: ColumnMapping, others: tuple[str, ...]) -> pj.ParseOptions | None:
    """The columns that Arrow reads.

    Args:
        mapping: Columns to read.
        others: Further keys of messages whose text is checked.

    Returns:
        The options; None where only the decoder of Python rows can read the mapping.
    """
    text, never = pa.string(), pa.null()
    if mapping.nested:
        return None
    if mapping.shape == "conversation" and not mapping.system:
        keys = {mapping.role: text, mapping.content: text}
        keys |= dict.fromkeys(RICH, never) | dict.fromkeys(others, text)
        fields = {mapping.conversation: pa.list_(pa.struct(list(keys.items())))}
    elif mapping.shape != "conversation":
        names = (*mapping.prompts, mapping.response, mapping.text, mapping.system)
        fields = dict.fromkeys(filter(None, names), text)
    else:
        return None
    if mapping.domain:
        fields[mapping.domain] = text
    if mapping.tools:
        fields[mapping.tools] = never
    return pj.ParseOptions(
        explicit_schema=pa.schema(list(fields.items())), unexpected_field_behavior="ignore"
    )


def _other_keys(data: bytes, mapping: ColumnMapping) -> list[str]:
    """The keys of any object that would not be read in a message: Arrow would overlook them."""
    written = (key for key in set(KEY.findall(data)) if not key.endswith(b"\\"))
    complete = (key.decode("utf-8", "replace") for key in written if UNESCAPED.fullmatch(key))
    keys = sorted({str(json.loads(f'"{key}"')) for key in complete})
    return unread_keys(keys, (mapping.role, mapping.content))


def _parse_fast(data: bytes, mapping: ColumnMapping) -> pa.Table | None:
    others = _other_keys(data, mapping) if mapping.shape == "conversation" else []
    options = _parse_options(mapping, tuple(others)) if len(others) <= MOST_KEYS else None
    if options is None:
        return None
    read_options = pj.ReadOptions(use_threads=False, block_size=len(data) + 1)
    try:
        table = pj.read_json(pa.BufferReader(data), read_options, options)
        table.validate(full=True)  # the reader itself lets bytes through that are not UTF-8
    except pa.ArrowInvalid:
        return None
    return table
