"""Open a corpus from what a user gives: files, folders, patterns."""

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
from vocabtrim_core.corpora.formats import SUFFIXES, inspect_head
from vocabtrim_core.corpora.mapping_checks import check_mapping
from vocabtrim_core.corpora.message_paths import message_keys
from vocabtrim_core.corpora.schema import DEFAULTS, ColumnMapping, one_of_several
from vocabtrim_core.corpora.skips import NoConversationsError
from vocabtrim_core.errors import InputError


def open_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    mapping: ColumnMapping | None = None,
    limit: int | None = None,
    name: str | None = None,
) -> Corpus:
    """A corpus from files, folders and patterns, in the order given and sorted within each.

    What a mapping leaves open is recognised for each file; `describe()` says whether that is sure.

    Args:
        paths: One or several files, folders or glob patterns.
        mapping: Columns to read; None to recognise them all.
        limit: Number of rows to read from the beginning; None for all.
        name: Name of the corpus; None for one made of the paths.

    Returns:
        The corpus.

    Raises:
        InputError: Nothing was found, a file is empty or of an unknown kind, or a file lacks a
            mapped column or holds something else in it.
    """
    if limit is not None and limit < 1:
        raise InputError(f"The row limit must be at least 1, but is {limit}.")
    inputs = _find([paths] if isinstance(paths, str | Path) else paths)
    mappings = []
    for path in inputs.files:
        if not path.stat().st_size:
            raise InputError(f"{_called(path)} is empty; give a file with conversations in it.")
        require_content(path, _called(path))
        _, columns, head, guess = inspect_head(path)
        if not head:
            _explain(path)
        file_mapping = _keyed(mapping.over(guess.mapping), head) if mapping else guess.mapping
        known_columns = {
            *columns,
            *(c for c in file_mapping.columns if c.partition(".")[0] in columns),
        }
        missing = [column for column in file_mapping.columns if column not in known_columns]
        if missing:
            raise InputError(
                f"{_called(path)} has no column {' and no column '.join(missing)} (columns found: "
                f"{', '.join(columns)}); map the columns it has"
                f"{_about_plus(file_mapping, columns)}."
            )
        if mapping:
            check_mapping(file_mapping, guess, head, _called(path))
        mappings.append(file_mapping)
    return Corpus(
        name or _name(paths, inputs.files),
        inputs.files,
        tuple(mappings),
        limit,
        inputs.left_out,
        inputs.notes,
    )


def _explain(path: Path) -> None:
    """Raise InputError for a file without a readable row, with the reason and the place."""
    try:
        # Any mapping will do that is read row by row.
        by_row = ColumnMapping("prompt_response", response="response")
        Corpus(_called(path), (path,), (by_row,)).require_conversations()
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
    for pattern in paths:
        path = Path(pattern).expanduser().absolute()
        if path.is_dir():
            inside = files_in(path)
            files += inside.files
            left_out += inside.left_out
            notes += inside.notes
        elif path.exists():
            files.append(path)
        elif glob.has_magic(str(path)):
            matches = [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
            files += [match for match in matches if match.is_file()]
            if not any(match.is_file() for match in matches):
                raise InputError(f"No file matches {pattern}; check the pattern.")
        else:
            raise InputError(f"There is no file {pattern}; check the path.")
    if not files:
        raise InputError("No corpus file was given.")
    left_out += [f"{path.name} (given twice)" for path, n in Counter(files).items() if n > 1]
    return DatasetFiles(tuple(dict.fromkeys(files)), tuple(left_out), tuple(notes))


def _name(paths: Any, files: Sequence[Path]) -> str:
    patterns = [paths] if isinstance(paths, str | Path) else list(paths)
    first = Path(patterns[0])
    if len(patterns) == 1 and first.is_dir():
        return first.resolve().name
    stem = SUFFIXES.sub("", label_of(files[0]))
    return stem if len(files) == 1 else f"{stem} and {len(files) - 1} more"


def _about_plus(mapping: ColumnMapping, columns: Sequence[str]) -> str:
    """How to write a column with a plus in its name, where one was taken for two."""
    stated = ((name, getattr(mapping, name)) for name in mapping.joined)
    meant = [f"{name}={one_of_several(value)}" for name, value in stated if value in columns]
    return (
        f"; `+` joins columns, one in a name is written `\\+` ({', '.join(meant)})" if meant else ""
    )
