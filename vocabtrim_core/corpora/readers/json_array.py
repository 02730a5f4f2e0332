"""JSON values that lines do not separate, plain or compressed, as blocks.

A file is one array of rows, objects one after another (as `jq` prints them, or with CR line ends),
or one object that holds the rows. Neither an array nor a sequence of objects is held in memory; a
single object is.
"""

from __future__ import annotations

import codecs
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vocabtrim_core import json_text
from vocabtrim_core.corpora.batches import Block, Shard
from vocabtrim_core.corpora.compression import CHUNK, Stream, not_utf8, open_stream, peek
from vocabtrim_core.corpora.decoders.rows import batch_from_rows, row_or_reason
from vocabtrim_core.corpora.file_names import label_of
from vocabtrim_core.corpora.readers.json_rows import (
    DECODER,
    LONGEST_LINE,
    PART_BLOCKS,
    Rows,
    not_object,
)
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.corpora.single_object import rows_inside
from vocabtrim_core.corpora.skips import TOO_DEEP
from vocabtrim_core.errors import InputError

BRACKETS = re.compile(r'[\[\]{}]|"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # and whole texts
GAP = re.compile(r"[ \t\r\n,]*")
Reader = Callable[..., Iterator[Rows]]


def begins(path: Path) -> str:
    """How a JSON file has to be read.

    Args:
        path: The file.

    Returns:
        "array", "lines" or "objects"; "lines" where the first line is a complete value and another
        line follows.

    Raises:
        InputError: The file is damaged.
    """
    with open_stream(path) as stream:
        head = stream.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()
        if head[:1] == b"[":
            return "array"
        while b"\n" not in head.rstrip() and len(head) < LONGEST_LINE:
            if not (piece := stream.read(max(CHUNK, len(head)))):
                return "objects"
            head += piece
        first = head.partition(b"\n")[0]
    try:
        json_text.loads(first)
    except (ValueError, RecursionError):
        return "objects"  # indented, say
    return "lines"


def has_cr_ends(path: Path) -> bool:
    """Whether CR alone ends the lines of a file, judged from its first 64 KB.

    Args:
        path: The file.

    Returns:
        True where there are CRs and no line feeds.
    """
    head = peek(path, 2**16)
    return b"\r" in head.rstrip(b"\r\n") and b"\n" not in head


def head(path: Path, rows: int, *, read: Reader) -> list[dict[str, Any]]:
    """The first rows.

    Args:
        path: The file.
        rows: Number of rows.
        read: `array_rows` or `object_rows`.

    Returns:
        At most that many rows, without values that are no objects.

    Raises:
        InputError: The file is not JSON, is not UTF-8, or is damaged.
    """
    with open_stream(path) as stream:
        batches = read(stream, label_of(path), chunk=2**18)
        first = (row for batch in batches for _, row in batch if isinstance(row, dict))
        return list(itertools.islice(first, rows))


def shards(path: Path, file: int, limit: int | None, *, read: Reader) -> list[Shard]:
    """The single shard of a file that can only be read from its beginning.

    Args:
        path: The file.
        file: Index of the file in its corpus.
        limit: Number of rows to read; None for all.
        read: `array_rows` or `object_rows`.

    Returns:
        One shard; with a limit its number of rows is counted.

    Raises:
        InputError: With a limit, the file is not JSON, is not UTF-8, or is damaged.
    """
    rows = None
    if limit is not None:
        rows = 0
        with open_stream(path) as stream:
            for batch in read(stream, label_of(path)):
                rows = min(rows + len(batch), limit)
                if rows == limit:
                    break
    return [Shard(f"{file:04d}", file, 0, 0, 1, rows, path.stat().st_size)]


def blocks(
    path: Path, name: str, shard: Shard, mapping: ColumnMapping, *, read: Reader
) -> Iterator[Block]:
    """The blocks of a file.

    Args:
        path: The file.
        name: Name of the file in messages.
        shard: The shard of `shards`.
        mapping: Columns to read.
        read: `array_rows` or `object_rows`.

    Yields:
        The blocks, in order.

    Raises:
        InputError: The file is not JSON, is not UTF-8, or is damaged.
    """
    position = 0
    with open_stream(path) as stream:
        for i, rows in enumerate(read(stream, name)):
            if shard.rows is not None:
                rows = rows[: max(0, shard.rows - rows[0][0] + 1)]
                if not rows:
                    return
            part = f"{shard.key}-{i // PART_BLOCKS:05d}"
            decode = functools.partial(batch_from_rows, rows, mapping, name)
            yield Block(part, rows[0][0], len(rows), stream.position - position, decode)
            position = stream.position


def array_rows(stream: Stream, name: str, chunk: int | None = None) -> Iterator[Rows]:
    """The elements of a file that is one array, to its last byte.

    Args:
        stream: The open file.
        name: Name of the file in messages.
        chunk: Bytes to read at once; None for `CHUNK`.

    Yields:
        Rows with their numbers, one list for each piece of the file.

    Raises:
        InputError: The file is not JSON, is not UTF-8, ends early, or has text after the array.
    """
    yield from _values(stream, name, chunk, array=True)


def object_rows(stream: Stream, name: str, chunk: int | None = None) -> Iterator[Rows]:
    """The objects of a file, or the rows that its only object holds.

    Args:
        stream: The open file.
        name: Name of the file in messages.
        chunk: Bytes to read at once; None for `CHUNK`.

    Yields:
        Rows with their numbers, one list for each piece of the file.

    Raises:
        InputError: The file is not JSON, is not UTF-8, or is damaged.
    """
    batches = _values(stream, name, chunk, array=False)
    first = next(batches, [])
    second = next(batches, []) if len(first) == 1 else []
    if len(first) == 1 and not second and isinstance(first[0][1], dict):
        rows: Rows = list(enumerate(rows_inside(first[0][1]), 1))
        step = max(1, len(rows) * CHUNK // max(stream.position, 1))
        yield from (rows[at : at + step] for at in range(0, len(rows), step))
        return
    yield from (rows for rows in (first, second) if rows)
    yield from batches


def _values(stream: Stream, name: str, chunk: int | None, *, array: bool) -> Iterator[Rows]:
    """The values, read piece by piece so that the size of the file does not matter."""
    utf8 = codecs.getincrementaldecoder("utf-8-sig")()
    text, at, number, line, opened, ended = "", 0, 0, 1, not array, False
    while not ended:
        try:
            # doubles until the row is complete
            piece = stream.read(max(chunk or CHUNK, len(text) - at))
            text, at = text[at:] + utf8.decode(piece, final=not piece), 0
        except InputError as error:
            raise InputError(f"{error}{f', after row {number}' * bool(number)}.") from None
        except UnicodeDecodeError as error:
            place = f"{name}, after row {number}, byte {error.start + 1}"
            raise InputError(not_utf8(place)) from None
        if not opened:
            opened, at = True, _next(text, at) + 1  # begins() saw the bracket
        rows: Rows = []
        escapes = "\\ud" in text or "\\uD" in text  # may be halves of surrogate pairs
        while (at := _next(text, at)) < len(text) and not ended:
            if array and text[at] == "]":
                ended = True
                continue
            try:
                row, end = DECODER.raw_decode(text, at)
            except json.JSONDecodeError as error:
                if piece and _goes_on(error, len(text) - at):
                    break
                at_line = line + text.count("\n", 0, error.pos)
                raise InputError(
                    f"{name}, line {at_line}, row {number + 1}: not JSON ({error.msg})."
                ) from None
            except RecursionError:
                if (end := _end_of(text, at)) is None:
                    if piece and len(text) - at < LONGEST_LINE:
                        break
                    end = len(text)
                row = TOO_DEEP
            number += 1
            if row is not TOO_DEEP and not isinstance(row, dict):
                row = not_object(row)
            rows.append((number, row_or_reason(row) if escapes and row is not TOO_DEEP else row))
            at = end
        line += text.count("\n", 0, at)
        if rows:
            yield rows
        if ended:
            _require_end(stream, text[at + 1 :], name, line)
        elif not piece:
            if array:
                raise InputError(f"{name} ends inside its JSON array, after row {number}.")
            return


def _require_end(stream: Stream, text: str, name: str, line: int) -> None:
    """Raise InputError where anything follows the array: a second array would be lost."""
    while True:
        remaining = text.lstrip(" \t\r\n")
        if remaining:
            line += text.count("\n", 0, len(text) - len(remaining))
            description = (
                "a second array" if remaining[0] == "[" else f"more text ({remaining[:20]!r})"
            )
            raise InputError(
                f"{name}, line {line}: {description} after the end of the JSON array; make it one "
                "array, or one object per line in a .jsonl file."
            )
        line += text.count("\n")
        piece = stream.read(CHUNK)
        if not piece:
            return
        text = piece.decode("utf-8", "replace")


def _goes_on(error: json.JSONDecodeError, length: int) -> bool:
    """Whether the error may come from missing text: it is at the very end, or in a long string."""
    cut = error.msg.startswith("Unterminated string") or error.pos > len(error.doc) - 16
    return cut and length < LONGEST_LINE


def _end_of(text: str, at: int) -> int | None:
    """Where a list or object ends that is nested too deeply to be read; None if not in the text."""
    depth = 0
    for bracket in BRACKETS.finditer(text, at):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket[0], 0)
        if not depth:
            return bracket.end()
    return None


def _next(text: str, at: int) -> int:
    """Where the next value begins."""
    gap = GAP.match(text, at)
    return gap.end() if gap else at
