"""Lists of tokens that engines with MTP layers read: ranges, int32, tables, GGUF."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.id_ranges import from_ranges
from vocabtrim_core.mappings.raw import RawMapping, plain


def are_ranges(value: Any) -> bool:
    """Whether a JSON value is a list of pairs."""
    return isinstance(value, list) and any(isinstance(entry, list) for entry in value)


def ranges(path: Path, value: Any) -> RawMapping:
    """Read ranges of ids, the end exclusive.

    Args:
        path: The file, for messages.
        value: Its content.

    Returns:
        The list.

    Raises:
        InputError: They are no ranges, overlap, or do not ascend.
    """
    ids = np.array(from_ranges(value, str(path)), np.int64)
    return RawMapping(path.name, "ranges (.json)", ids, label="vLLM", any_order=True, resolved=True)


def int32(path: Path) -> RawMapping:
    """Read raw int32, little endian.

    Args:
        path: The file.

    Returns:
        The list.

    Raises:
        InputError: Its length is no multiple of 4, or it is empty or cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}).") from error
    if not content or len(content) % 4:
        raise InputError(
            f"{path} has {len(content):,} bytes, which are no int32s of 4 bytes each; it may be "
            "cut off."
        )
    ids = np.frombuffer(content, "<i4").astype(np.int64)
    return RawMapping(
        path.name, "int32 (.i32)", ids, label="llama.cpp", any_order=True, resolved=True
    )


def table(path: Path) -> RawMapping:
    """Read a table with a column token_id, as the tools for llama.cpp write beside a GGUF file.

    Args:
        path: The .csv file; without a header the last column of one or two holds the ids.

    Returns:
        The list.

    Raises:
        InputError: A row has no whole number there, or the file cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is not a readable table ({error}).") from error
    if not rows:
        raise InputError(f"{path} is empty.")
    header = [name.strip() for name in rows[0][1]]
    named = "token_id" in header
    column = header.index("token_id") if named else min(len(header) - 1, 1)
    ids: list[int] = []
    for number, row in rows[1:] if named else rows:
        try:
            ids.append(int(row[column]))
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{path}, line {number}: there is no whole number in the column of token ids."
            ) from error
    numbers = np.array(ids, np.int64)
    if not len(numbers):
        raise InputError(f"{path} has a header and no token ids.")
    return RawMapping(
        path.name,
        "vocabulary table (.csv)",
        numbers,
        label="llama.cpp",
        any_order=True,
        resolved=True,
    )


def lines(path: Path) -> RawMapping:
    """Read one id per line; empty lines and those that begin with # are left out.

    Args:
        path: The file.

    Returns:
        The list.

    Raises:
        InputError: A line is no whole number, or the file cannot be read.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must hold one whole number per line ({error}).") from error
    ids: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        for word in line.partition("#")[0].split():
            try:
                ids.append(int(word))
            except ValueError as error:
                raise InputError(
                    f"{path}, line {number}: {word!r} is no whole number; the file must hold one "
                    "whole number per line."
                ) from error
    return plain(path, ids, "ids (.txt)")


def gguf(path: Path) -> RawMapping:
    """Read the tokens of a smaller head in a GGUF file.

    Args:
        path: The file.

    Returns:
        The list, with V and the rows of the head.

    Raises:
        InputError: It is no GGUF file, or its head is whole.
    """
    from vocabtrim_core.drafts.mtp.gguf_heads import read_ids

    ids, size, rows = read_ids(path)
    return RawMapping(
        path.name,
        "GGUF",
        ids,
        label="llama.cpp",
        any_order=True,
        resolved=True,
        vocab_size=size,
        head_rows=rows,
    )
