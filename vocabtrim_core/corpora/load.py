"""From what a user gives (files, folders, patterns) to a corpus."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora.corpus import Corpus
from vocabtrim_core.corpora.dataset_folders import DatasetFiles, files_in, require_content
from vocabtrim_core.corpora.file_names import label_of
from vocabtrim_core.corpora.fitting import require_fitting
from vocabtrim_core.corpora.formats import SUFFIXES, look
from vocabtrim_core.corpora.places import message_keys
from vocabtrim_core.corpora.schema import DEFAULTS, ColumnMapping
from vocabtrim_core.corpora.skips import NoConversationsError
from vocabtrim_core.errors import InputError


def open_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    mapping: ColumnMapping | None = None,
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
    found = _find([paths] if isinstance(paths, str | Path) else paths)
    mappings = []
    for path in found.files:
        if not path.stat().st_size:
            raise InputError(f"{_called(path)} is empty; give a file with conversations in it.")
        require_content(path, _called(path))
        _, columns, head, guess = look(path)
        if not head:
            _explain(path)
        given = _keyed(mapping.over(guess.mapping), head) if mapping else guess.mapping
        known = {*columns, *(c for c in given.columns if c.partition(".")[0] in columns)}
        missing = [column for column in given.columns if column not in known]
        if missing:
            raise InputError(
                f"{_called(path)} has no column {' and no column '.join(missing)} (columns found: "
                f"{', '.join(columns)}); map the columns it has."
            )
        if mapping:
            require_fitting(given, guess, head, _called(path))
        mappings.append(given)
    return Corpus(
        name or _name(paths, found.files),
        found.files,
        tuple(mappings),
        limit,
        found.left_out,
        found.notes,
    )


def _explain(path: Path) -> None:
    """InputError for a file of which no row can be read: why, and which; or that it has none."""
    try:
        # any mapping that is read row by row
        anything = ColumnMapping("prompt_response", response="response")
        Corpus(_called(path), (path,), (anything,)).require_conversations()
    except NoConversationsError as error:
        if error.report.skipped:
            raise
    raise InputError(f"{_called(path)} has no rows; give a file with conversations in it.")


def _keyed(mapping: ColumnMapping, head: Sequence[dict[str, Any]]) -> ColumnMapping:
    """With the keys that the messages have, where the mapping does not say them."""
    keys = message_keys(head, mapping.conversation) if mapping.conversation else None
    if not keys or any(getattr(mapping, key) != DEFAULTS[key] for key in ("role", "content")):
        return mapping
    return replace(mapping, role=keys[0], content=keys[1])


def _called(path: Path) -> str:
    """A file in a sentence: its path, but an upload by the name its uploader gave it."""
    label = label_of(path)
    return str(path) if label == path.name else label


def _find(paths: Sequence[str | Path]) -> DatasetFiles:
    """The files of all paths, each once."""
    files: list[Path] = []
    left_out: list[str] = []
    notes: list[str] = []
    for given in paths:
        path = Path(given).expanduser().absolute()
        if path.is_dir():
            inside = files_in(path)
            files += inside.files
            left_out += inside.left_out
            notes += inside.notes
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
    return DatasetFiles(tuple(dict.fromkeys(files)), tuple(left_out), tuple(notes))


def _name(paths: Any, files: Sequence[Path]) -> str:
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    first = Path(given[0])
    if len(given) == 1 and first.is_dir():
        return first.resolve().name
    stem = SUFFIXES.sub("", label_of(files[0]))
    return stem if len(files) == 1 else f"{stem} and {len(files) - 1} more"
