"""Result files as JSON values with the file and line they are from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core import json_text
from vocabtrim_core.corpora.uploads import UPLOAD_CAP
from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import format_bytes

# The result files of Model-Optimizer's benchmark; other files of a folder are ignored.
FOLDER_FILES = ("configuration.json", "timing.json", "acceptance_rate.json")
# What only lines of logs have that can be imported; such a file is one value, its text.
LOG_MARKS = (" print_timing: id",)


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON value, or a log.

    Attributes:
        value: The value; text for a log.
        where: Its file, and its line where the file has one value per line.
    """

    value: Any
    where: str


@dataclass(frozen=True, slots=True)
class Source:
    """One result file, or the files of one result folder.

    Attributes:
        name: Name of the file or folder, without its path.
        records: The JSON values in it.
    """

    name: str
    records: tuple[Record, ...]


def open_sources(paths: Sequence[str | Path]) -> list[Source]:
    """Read result files and folders.

    Args:
        paths: Files, or folders of Model-Optimizer's benchmark.

    Returns:
        One source for each path.

    Raises:
        InputError: A file cannot be read or is not JSON, or a folder holds no results.
    """
    sources = []
    for path in map(Path, paths):
        files = [path / name for name in FOLDER_FILES if (path / name).is_file()]
        if path.is_dir() and not files:
            raise InputError(
                f"{path} holds none of {', '.join(FOLDER_FILES)}; name the result files in it."
            )
        parts = [read_source(_content(file), file.name) for file in files or [path]]
        sources.append(Source(path.name, tuple(r for part in parts for r in part.records)))
    return sources


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > UPLOAD_CAP:
            raise InputError(
                f"{path} is larger than {format_bytes(UPLOAD_CAP)}; that is no result file."
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_source(content: bytes, name: str) -> Source:
    """Read a file of one JSON value, or of one per line, or a log that can be imported.

    Infinity and NaN, which some tools write, are accepted.

    Args:
        content: The bytes of the file.
        name: Name of the file in messages.

    Returns:
        The values.

    Raises:
        InputError: The file is empty, not UTF-8, or neither JSON nor such a log; with the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not text in UTF-8, so it is no result file.") from error
    if not text.strip():
        raise InputError(f"{name} is empty.")
    if any(mark in text for mark in LOG_MARKS) and text.lstrip()[:1] not in "{[":
        return Source(name, (Record(text, name),))
    try:
        return Source(name, (Record(_parse(text), name),))
    except ValueError as error:
        file_error = error
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    return Source(name, tuple(_records(lines, name, file_error)))


def _records(
    lines: Sequence[tuple[int, str]], name: str, file_error: ValueError
) -> Iterable[Record]:
    for i, line in lines:
        where = f"{name} line {i}"
        try:
            yield Record(_parse(line), where)
        except ValueError as error:
            if i == lines[0][0]:  # not one value per line: report the error of the file as a whole
                number = getattr(file_error, "lineno", i)
                raise InputError(
                    f"{name} line {number} is not JSON: {_reason(file_error)}."
                ) from file_error
            raise InputError(f"{where} is not JSON: {_reason(error)}.") from error


def _parse(text: str) -> Any:
    try:
        return json_text.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _reason(error: ValueError) -> str:
    return str(getattr(error, "msg", error))
