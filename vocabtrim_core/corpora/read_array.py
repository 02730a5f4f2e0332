"""One JSON array of rows, plain or compressed -> blocks, without holding the array in memory."""

from __future__ import annotations

import codecs
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora.batches import Block, Shard
from vocabtrim_core.corpora.from_rows import batch_from_rows, whole
from vocabtrim_core.corpora.read_json import LONGEST_LINE, PART_BLOCKS, Rows, not_object
from vocabtrim_core.corpora.shapes import Mapping
from vocabtrim_core.corpora.streams import CHUNK, Stream, not_utf8, open_stream
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import label_of


def is_array(path: Path) -> bool:
    """Whether the file holds one JSON array rather than one object per line."""
    with open_stream(path) as stream:
        return stream.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["


def array_head(path: Path, rows: int) -> list[dict[str, Any]]:
    """The first rows."""
    found: list[dict[str, Any]] = []
    with open_stream(path) as stream:
        for batch in _array_rows(stream, label_of(path), chunk=2**18):
            found.extend(row for _, row in batch if isinstance(row, dict))
            if len(found) >= rows:
                break
    return found[:rows]


def array_shards(path: Path, file: int, limit: int | None) -> list[Shard]:
    """One: an array can only be read from its beginning."""
    rows = None
    if limit is not None:
        rows = 0
        with open_stream(path) as stream:
            for batch in _array_rows(stream, label_of(path)):
                rows = min(rows + len(batch), limit)
                if rows == limit:
                    break
    return [Shard(f"{file:04d}", file, 0, 0, 1, rows, path.stat().st_size)]


def array_blocks(path: Path, name: str, shard: Shard, mapping: Mapping) -> Iterator[Block]:
    """The blocks of the array."""
    told = 0
    with open_stream(path) as stream:
        for i, rows in enumerate(_array_rows(stream, name)):
            if shard.rows is not None:
                rows = rows[: max(0, shard.rows - rows[0][0] + 1)]
                if not rows:
                    return
            part = f"{shard.key}-{i // PART_BLOCKS:05d}"
            decode = functools.partial(batch_from_rows, rows, mapping, name)
            yield Block(part, rows[0][0], len(rows), stream.position - told, decode)
            told = stream.position


def _array_rows(stream: Stream, name: str, chunk: int | None = None) -> Iterator[Rows]:
    """The elements of the array, read piece by piece so that its size does not matter."""
    decoder, utf8 = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")()
    text, at, number, line, opened, ended = "", 0, 0, 1, False, False
    while not ended:
        try:
            piece = stream.read(
                max(chunk or CHUNK, len(text) - at)
            )  # doubles while one row goes on
            text, at = text[at:] + utf8.decode(piece, final=not piece), 0
        except InputError as error:
            raise InputError(f"{error}{f', after row {number}' * bool(number)}.") from None
        except UnicodeDecodeError as error:
            raise not_utf8(f"{name}, after row {number}, byte {error.start + 1}") from None
        if not opened:
            at = _skip(text, at, " \t\r\n")
            opened, at = True, at + 1  # is_array() saw the bracket
        rows: Rows = []
        escapes = "\\ud" in text or "\\uD" in text  # may be halves of surrogate pairs
        while True:
            at = _skip(text, at, " \t\r\n,")
            if at >= len(text) or text[at] == "]":
                ended = at < len(text)
                break
            try:
                row, end = decoder.raw_decode(text, at)
            except json.JSONDecodeError as error:
                if piece and _goes_on(error, len(text) - at):
                    break
                at_line = line + text.count("\n", 0, error.pos)
                raise InputError(
                    f"{name}, line {at_line}, row {number + 1}: not JSON ({error.msg})."
                ) from None
            except RecursionError:
                raise InputError(f"{name}, row {number + 1}: JSON nested too deeply.") from None
            number += 1
            if not isinstance(row, dict):
                raise not_object(f"{name}, row {number}", row)
            rows.append((number, whole(row) if escapes else row))
            at = end
        line += text.count("\n", 0, at)
        if rows:
            yield rows
        if not piece and not ended:
            raise InputError(f"{name} ends inside its JSON array, after row {number}.")


def _goes_on(error: json.JSONDecodeError, length: int) -> bool:
    """Whether more text could mend it: it broke at the very end, or inside a long string."""
    cut = error.msg.startswith("Unterminated string") or error.pos > len(error.doc) - 16
    return cut and length < LONGEST_LINE


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at
