"""CSV files as blocks, read by Arrow after a check for quotes that would swallow lines."""

from __future__ import annotations

import codecs
import csv
import functools
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from vocabtrim_core.corpora.batches import Block, Shard
from vocabtrim_core.corpora.compression import (
    CHUNK,
    Stream,
    damage,
    not_utf8,
    open_stream,
    peek,
    whole_lines,
)
from vocabtrim_core.corpora.decoders.arrow import batch_from_arrow
from vocabtrim_core.corpora.file_names import label_of
from vocabtrim_core.corpora.readers.json_rows import PART_BLOCKS
from vocabtrim_core.corpora.readers.table_files import columns_to_read
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.errors import InputError

TOLD = {",": "a comma", ";": "a semicolon", "\t": "a tab"}  # the delimiters


def csv_head(path: Path, rows: int) -> list[dict[str, Any]]:
    """The first rows, every value as text.

    Args:
        path: The file.
        rows: Number of rows.

    Returns:
        At most that many rows.

    Raises:
        InputError: The file is not CSV, is not UTF-8, or is damaged.
    """
    with open_stream(path) as stream:
        batch = next(_csv_batches(stream, path, None), None)
        try:
            return [] if batch is None else batch.slice(0, rows).to_pylist()
        except UnicodeDecodeError:  # in the name of a column
            raise InputError(not_utf8(f"{label_of(path)}, line 1")) from None


def csv_shards(path: Path, file: int, limit: int | None) -> list[Shard]:
    """The single shard of a file: where a quoted record ends is known only from its beginning.

    Args:
        path: The file.
        file: Index of the file in its corpus.
        limit: Number of rows to read; None for all.

    Returns:
        One shard.
    """
    return [Shard(f"{file:04d}", file, 0, 0, 1, limit, path.stat().st_size)]


def csv_blocks(path: Path, name: str, shard: Shard, mapping: ColumnMapping) -> Iterator[Block]:
    """The blocks of a file.

    Args:
        path: The file.
        name: Name of the file in messages.
        shard: The shard of `csv_shards`.
        mapping: Columns to read.

    Yields:
        The blocks, in order.

    Raises:
        InputError: The file is not CSV, is not UTF-8, or is damaged.
    """
    row, position, left = 1, 0, shard.rows
    with open_stream(path) as stream:
        for i, batch in enumerate(_csv_batches(stream, path, mapping)):
            batch = batch if left is None else batch.slice(0, left)
            part = f"{shard.key}-{i // PART_BLOCKS:05d}"
            decode = functools.partial(batch_from_arrow, batch, mapping, name, row)
            yield Block(part, row, len(batch), stream.position - position, decode)
            position, row = stream.position, row + len(batch)
            left = None if left is None else left - len(batch)
            if left == 0:
                return


def _csv_batches(
    stream: Stream, path: Path, mapping: ColumnMapping | None
) -> Iterator[pa.RecordBatch]:
    """Record batches of about 8 MB with every column (or every mapped one) as text."""
    names, delimiter = _csv_header(path)
    names_read = [] if mapping is None else columns_to_read(mapping, names, path)
    row, stat = 0, path.stat()
    require_closed_quotes = functools.partial(
        _require_closed_quotes, path, delimiter, stat.st_size, stat.st_mtime_ns
    )
    try:
        if mapping is not None:  # not for a look at the first rows
            require_closed_quotes()
        yield from (
            batch
            for batch in pc.open_csv(
                stream.source,
                pc.ReadOptions(use_threads=False, block_size=CHUNK),
                pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                pc.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=names_read,
                    strings_can_be_null=False,
                ),
            )
            if (row := row + len(batch)) or True
        )
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        if "UTF8" in reason or "UTF-8" in reason:
            raise InputError(not_utf8(f"{label_of(path)}, line {_bad_line(path)}")) from None
        require_closed_quotes()
        where = f"after row {row}"
        if match := re.search(r"Row #(\d+): (.*)", reason):  # the header is the first
            where, reason = f"row {int(match[1]) - 1}", match[2]
        sentence = f"{label_of(path)}, {where}: not CSV ({reason})"
        if reason.startswith("Expected"):
            sentence += (
                "; give every row as many values as the first line names columns, and write a "
                f"value with {TOLD[delimiter]} in it in quotes, without a blank before them"
            )
        raise InputError(f"{sentence}.") from None
    except OSError as error:
        raise InputError(f"{damage(path, error)}, after line {whole_lines(path)}.") from None


def _csv_header(path: Path) -> tuple[list[str], str]:
    """(column names, delimiter): the one of , ; tab that cuts the first line most often."""
    text = peek(path, 2**16).decode("utf-8-sig", errors="ignore")
    names = {
        delimiter: next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        for delimiter in TOLD
    }
    delimiter = max(names, key=lambda delimiter: len(names[delimiter]))
    return names[delimiter], delimiter


@functools.lru_cache(maxsize=256)
def _require_closed_quotes(path: Path, delimiter: str, size: int, mtime_ns: int) -> None:
    """Refuse a file with a quoted field that is not closed as CSV requires.

    In most files every quote is where it must be: an opening one after a delimiter or a line end, a
    closing one before. Where one is not, Python's csv module, strict and slow, decides.

    Args:
        path: The file.
        delimiter: One character.
        size: Size of the file; with the time it makes the cached result valid.
        mtime_ns: Time of its last change.

    Raises:
        InputError: A field is not closed; the message names the line where it opens.
    """
    edges = np.zeros(256, bool)
    edges[[ord(delimiter), *b'"\n\r']] = True
    before, inside, read, opened = b"\n", False, 0, 0
    with open_stream(path) as stream:
        while before:
            piece = _read(stream)
            if not read and piece.startswith(codecs.BOM_UTF8):
                piece, read = piece[len(codecs.BOM_UTF8) :], len(codecs.BOM_UTF8)
            data = before + (piece or b"\n")  # all but its last byte, whose neighbour is not known
            inside, at = _look(data, inside, edges)
            if at is None:
                _read_strictly(path, delimiter)
                return
            opened = read - len(before) + at if at else opened
            read += len(piece)
            before = data[-2:] if piece else b""
    if inside:
        raise InputError(_unclosed(path, _line_at(path, opened)))


def _line_at(path: Path, offset: int) -> int:
    """The line of a byte; the file is read again, only for the error message."""
    lines = returns = 0
    with open_stream(path) as stream:
        while offset > 0 and (piece := stream.read(min(offset, CHUNK))):
            offset -= len(piece)
            lines += piece.count(b"\n")
            returns += piece.count(b"\r")
    return (lines or returns) + 1


def _read(stream: Stream) -> bytes:
    try:
        return stream.read(CHUNK)
    except InputError as error:
        raise InputError(f"{error}, after line {whole_lines(stream.path)}.") from None


def _look(data: bytes, inside: bool, edges: np.ndarray) -> tuple[bool, int | None]:
    """Follow the quotes of data[1:-1].

    Args:
        data: Bytes of the file with one more on either side.
        inside: Whether a quoted field is open at the beginning.
        edges: bool[256], bytes that may be beside the quotes of a field.

    Returns:
        (whether a field is open at the end, position of the last quote or 0); the position is None
        where a quote has a neighbour that it must not have.
    """
    characters = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(characters[1:-1] == ord('"')) + 1
    opening = (np.arange(len(quotes)) + inside) % 2 == 0
    if not edges[characters[np.where(opening, quotes - 1, quotes + 1)]].all():
        return inside, None
    return inside ^ (len(quotes) % 2 == 1), int(quotes[-1]) if len(quotes) else 0


def _read_strictly(path: Path, delimiter: str) -> None:
    """The whole file by the csv module; InputError with the line where a field opens."""
    before, limit = 0, csv.field_size_limit(2**31 - 1)
    with open_stream(path) as stream:
        raw = io.BufferedReader(_Raw(stream))
        lines = io.TextIOWrapper(raw, "utf-8-sig", "replace", newline="")
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for _ in reader:
                before = reader.line_num
        except csv.Error:
            raise InputError(_unclosed(path, before + 1)) from None
        finally:
            csv.field_size_limit(limit)


def _unclosed(path: Path, line: int) -> str:
    return (
        f"{label_of(path)}, line {line}: a quote opens a field that no quote closes "
        "before a delimiter or a line end, so the lines after it would be lost in it; close it, "
        'and write quotes inside a quoted field twice ("").'
    )


class _Raw(io.RawIOBase):
    """A Stream as Python's text files read one."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _bad_line(path: Path) -> int:
    """The first line that is not UTF-8; searched only for the error message."""
    line = 1
    with open_stream(path) as stream:
        decoder = codecs.getincrementaldecoder("utf-8")()
        while piece := stream.read(CHUNK):
            try:
                line += decoder.decode(piece).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object.count(b"\n", 0, error.start)
    return line
