"""From what a user gives (files, folders, patterns) to a corpus."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora import read_json
from vocabtrim_core.corpora.corpus import Corpus
from vocabtrim_core.corpora.formats import FORMATS, LINES, SUFFIXES, format_of, look
from vocabtrim_core.corpora.shapes import Mapping
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import label_of


def open_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    mapping: Mapping | None = None,
    limit: int | None = None,
    name: str | None = None,
) -> Corpus:
    """A corpus from files, folders and globs, in the order given (sorted within each).

    What a mapping leaves open is recognised for each file, all of it without one; ask `describe()`
    whether that is sure.
    InputError: nothing found, a file that is empty or of an unknown kind, a mapping to columns
    that a file lacks.
    """
    if limit is not None and limit < 1:
        raise InputError(f"The row limit must be at least 1, but is {limit}.")
    files, left_out = _find([paths] if isinstance(paths, str | Path) else paths)
    mappings = []
    for path in files:
        if not path.stat().st_size:
            raise InputError(f"{_called(path)} is empty; give a file with conversations in it.")
        _, columns, head, guess = look(path)
        if not head:
            raise InputError(f"{_called(path)} has no rows; give a file with conversations in it.")
        given = mapping.over(guess.mapping) if mapping else guess.mapping
        missing = [column for column in given.columns if column not in columns]
        if missing:
            raise InputError(
                f"{_called(path)} has no column {' and no column '.join(missing)} (columns found: "
                f"{', '.join(columns)}); map the columns it has."
            )
        mappings.append(given)
    return Corpus(name or _name(paths, files), files, tuple(mappings), limit, left_out)


def _called(path: Path) -> str:
    """A file in a sentence: its path, but an upload by the name its uploader gave it."""
    label = label_of(path)
    return str(path) if label == path.name else label


def _find(paths: Sequence[str | Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """(files, what was left out of folders and why)."""
    files: list[Path] = []
    left_out: list[str] = []
    for given in paths:
        path = Path(given).expanduser().absolute()
        if path.is_dir():
            for inside in sorted(p for p in path.rglob("*") if p.is_file()):
                reason = _why_not(inside, path)
                left_out += [f"{inside.relative_to(path)} ({reason})"] if reason else []
                files += [] if reason else [inside]
            if not files:
                raise InputError(
                    f"The folder {path} has no file that can be read "
                    f"({', '.join(left_out[:5]) or 'it is empty'}); it needs {', '.join(FORMATS)}."
                )
        elif path.exists():
            files.append(path)
        elif glob.has_magic(str(path)):
            found = [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
            files += [match for match in found if match.is_file()]
            if not any(match.is_file() for match in found):
                raise InputError(f"No file matches {given}; check the pattern.")
        else:
            raise InputError(f"There is no file {given}; check the path.")
    if not files:
        raise InputError("No corpus file was given.")
    left_out += [f"{path.name} (given twice)" for path, n in Counter(files).items() if n > 1]
    return tuple(dict.fromkeys(files)), tuple(left_out)


def _why_not(path: Path, root: Path) -> str:
    """Why a file in a folder is no data; empty when it is."""
    if any(part.startswith((".", "_")) for part in path.relative_to(root).parts):
        return "hidden"
    if not SUFFIXES.search(path.name):
        return "not a data file"
    if path.stat().st_size and format_of(path) is LINES and ".json" in path.suffixes:
        try:
            read_json.line_head(path, 1)
        except InputError:
            return "one JSON object, not rows"
    return ""


def _name(paths: Any, files: Sequence[Path]) -> str:
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    first = Path(given[0])
    if len(given) == 1 and first.is_dir():
        return first.resolve().name
    stem = SUFFIXES.sub("", label_of(files[0]))
    return stem if len(files) == 1 else f"{stem} and {len(files) - 1} more"
