"""Rows of JSON, one by one, and sizes that the readers of text share."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from vocabtrim_core.corpora.batches import UnusableError, place
from vocabtrim_core.corpora.compression import not_utf8
from vocabtrim_core.corpora.content_parts import kind_in
from vocabtrim_core.corpora.decoders.rows import row_or_reason
from vocabtrim_core.corpora.skips import NOT_OBJECT, TOO_DEEP
from vocabtrim_core.errors import InputError

LONGEST_LINE = 256 * 2**20
BYTE_ORDER_MARK = "\ufeff"  # not seen in an editor
PART_BLOCKS = 4  # blocks per part where a shard is a whole file: about 32 MB
Rows = list[tuple[int, dict[str, Any] | str]]  # number, row or why it is unusable


def parse_lines(data: bytes, first_row: int, name: str) -> Rows:
    """Parse line by line. Blank lines are no rows.

    Args:
        data: Complete lines.
        first_row: Number of the first line.
        name: Name of the file in messages.

    Returns:
        A row, or why it is unusable, per line.

    Raises:
        InputError: A line is not JSON, or not UTF-8; the message names it.
    """
    rows = []
    for number, line in enumerate(data.split(b"\n"), first_row):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (ValueError, RecursionError):
            try:
                row = _parse_strange(line, place(name, number))
            except UnusableError as reason:
                rows.append((number, str(reason)))
                continue
        if not isinstance(row, dict):
            row = not_object(row)
        rows.append((number, row_or_reason(row) if b"\\ud" in line or b"\\uD" in line else row))
    return rows


def _integer(digits: str) -> int | float:
    """An integer of JSON; as a float where Python refuses to read so many digits."""
    return int(digits) if len(digits) < 4300 else float(digits)


DECODER = json.JSONDecoder(parse_int=_integer)  # reads what Python writes: NaN, half surrogates


def _parse_strange(line: bytes, where: str) -> Any:
    """Parse a line with the standard library, which accepts more and explains its errors."""
    try:
        return DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(not_utf8(f"{where}, byte {error.start + 1}")) from None
    except json.JSONDecodeError as error:
        message = error.msg[0].lower() + error.msg[1:]
        advice = "correct the line or take it out."
        if error.msg == "Extra data" and error.doc[error.pos] in "{[":
            message = "a second value on the line"
            advice = "write one object per line, for example with `jq -c .`."
        elif error.doc[error.pos : error.pos + 1] == BYTE_ORDER_MARK:
            message = "a byte order mark (U+FEFF), as where files were joined"
            advice = "take the mark out, for example with `sed 's/\\xef\\xbb\\xbf//g'`."
        raise InputError(f"{where}, column {error.colno}: not JSON ({message}); {advice}") from None
    except RecursionError:
        raise UnusableError(TOO_DEEP) from None


def not_object(row: Any) -> str:
    """The reason to leave out a row that is JSON but not an object.

    Args:
        row: The value.

    Returns:
        The reason.
    """
    return f"{NOT_OBJECT} but {kind_in(row)}"
