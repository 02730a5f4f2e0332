"""Result files as JSON values that remember the file and line they came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora.uploads import UPLOAD_CAP
from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import format_bytes

# What Model-Optimizer's benchmark leaves in its folder; other files of a folder are not results.
FOLDER_FILES = ("configuration.json", "timing.json", "acceptance_rate.json")


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON value. where: file, and line where the file has one value per line."""

    value: Any
    where: str


@dataclass(frozen=True, slots=True)
class Source:
    """One result file, or the files of one result folder. name: what it is called, not a path."""

    name: str
    records: tuple[Record, ...]


def open_sources(paths: Sequence[str | Path]) -> list[Source]:
    """The files and folders that a user named. InputError for what cannot be read."""
    found = []
    for path in map(Path, paths):
        files = [path / name for name in FOLDER_FILES if (path / name).is_file()]
        if path.is_dir() and not files:
            raise InputError(
                f"{path} holds none of {', '.join(FOLDER_FILES)}; name the result files in it."
            )
        parts = [read_source(_content(each), each.name) for each in files or [path]]
        found.append(Source(path.name, tuple(r for part in parts for r in part.records)))
    return found


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
    """One JSON value, or one per line. Infinity and NaN, which some tools write, are let through.

    InputError, with file and line, for anything else.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not text in UTF-8, so it is no result file.") from error
    if not text.strip():
        raise InputError(f"{name} is empty.")
    try:
        return Source(name, (Record(_parsed(text), name),))
    except ValueError as error:
        whole = error
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    return Source(name, tuple(_records(lines, name, whole)))


def _records(lines: Sequence[tuple[int, str]], name: str, whole: ValueError) -> Iterable[Record]:
    for i, line in lines:
        where = f"{name} line {i}"
        try:
            yield Record(_parsed(line), where)
        except ValueError as error:
            if i == lines[0][0]:  # not one value per line, so what is wrong with the whole counts
                at = getattr(whole, "lineno", i)
                raise InputError(f"{name} line {at} is not JSON: {_reason(whole)}.") from whole
            raise InputError(f"{where} is not JSON: {_reason(error)}.") from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _reason(error: ValueError) -> str:
    return str(getattr(error, "msg", error))
