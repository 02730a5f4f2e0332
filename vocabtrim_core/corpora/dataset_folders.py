"""Which files of a folder hold rows.

The folder may be a dataset written by `datasets.save_to_disk`, a cloned dataset repository, or any
folder of data files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core import json_text
from vocabtrim_core.corpora.compression import peek
from vocabtrim_core.corpora.dataset_cards import dataset_files
from vocabtrim_core.corpora.file_names import HIDDEN, NO_DATA_FILE
from vocabtrim_core.corpora.formats import FORMATS, OBJECTS, SUFFIXES, format_of, inspect_head
from vocabtrim_core.errors import InputError

STATE, SPLITS = "state.json", "dataset_dict.json"  # of save_to_disk: one dataset, several
INDICES = ("_indices_files", "_indices_data_files")  # of datasets before 2.0
SIDE_FILES = (STATE, SPLITS, "dataset_info.json", "dataset_infos.json")
SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}(?:-\w+)?\.")  # SPLIT-00000-of-00002.parquet
POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The files of a folder that are read.

    Attributes:
        files: Files to read, in order.
        left_out: Files that are not read, each with the reason in brackets.
        notes: Remarks on the choice, a sentence each.
    """

    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def files_in(folder: Path) -> DatasetFiles:
    """The data files of a folder and its subfolders, sorted; splits in the dataset's order.

    Args:
        folder: The folder.

    Returns:
        The files.

    Raises:
        InputError: No file can be read, or a dataset lacks a file that it names.
    """
    inside = sorted(path for path in folder.rglob("*") if path.is_file())
    saved = {path.parent: _data_files(path) for path in inside if path.name == STATE}
    order = _split_order(folder)
    of_card, why_beside = (
        (frozenset(), "") if saved else dataset_files(folder, _unhidden(inside, folder))
    )
    files, left_out, hidden = [], [], {}
    for path in sorted(inside, key=lambda p: (order.get(p.relative_to(folder).parts[0], -1), p)):
        is_beside = of_card and path not in of_card
        reason = _why_not(path, folder, saved.get(path.parent), why_beside if is_beside else "")
        if reason == HIDDEN and (within := _hidden_folder(path, folder)):
            hidden[within] = hidden.get(within, 0) + 1
            continue
        left_out += [f"{path.relative_to(folder)} ({reason})"] if reason else []
        files += [] if reason else [path]
    left_out += [f"{within}/, {n:,} file{'s' * (n > 1)} ({HIDDEN})" for within, n in hidden.items()]
    if not files:
        raise InputError(
            f"The folder {folder} has no file that can be read "
            f"({', '.join(left_out[:5]) or 'it is empty'}); it needs {', '.join(FORMATS)}."
        )
    return DatasetFiles(tuple(files), tuple(left_out), _notes(folder, files, list(order)))


def require_content(path: Path, called: str) -> None:
    """Refuse a Git LFS pointer, which a clone without Git LFS has in place of the data.

    Args:
        path: The file.
        called: Name of the file in the message.

    Raises:
        InputError: The file is such a pointer.
    """
    if peek(path, len(POINTER)) == POINTER:
        raise InputError(
            f"{called} is a Git LFS pointer, not the data; fetch the data with `git lfs pull` in "
            "its repository, or download the file."
        )


def _data_files(state: Path) -> frozenset[str] | None:
    """Names of the files that a saved dataset consists of; None where it is no saved dataset."""
    fields = _json(state)
    entries = fields.get("_data_files")
    if not isinstance(entries, list):
        return None
    if lists := [name for name in INDICES if fields.get(name)]:
        raise InputError(
            f"The dataset {state.parent} was saved with indices that choose and order its rows "
            f"({lists[0]} in its {STATE}), which are not applied here; write it again with "
            "datasets: load_from_disk(folder).flatten_indices().save_to_disk(other)."
        )
    names = [str(entry.get("filename")) for entry in entries if isinstance(entry, dict)]
    missing = [name for name in names if not (state.parent / name).is_file()]
    if missing:
        raise InputError(
            f"The dataset {state.parent} lacks {missing[0]}, which its {STATE} names; copy the "
            "dataset again."
        )
    return frozenset(names)


def _split_order(folder: Path) -> dict[str, int]:
    """The splits of a saved DatasetDict, in its order."""
    names = _json(folder / SPLITS).get("splits")
    return {str(name): i for i, name in enumerate(names if isinstance(names, list) else ())}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json_text.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _unhidden(files: Sequence[Path], root: Path) -> list[Path]:
    return [path for path in files if SUFFIXES.search(path.name) and not _is_hidden(path, root)]


def _hidden_folder(path: Path, root: Path) -> str:
    """The outermost hidden folder that a file lies in; "" where only its own name is hidden."""
    *folders, _ = path.relative_to(root).parts
    at = next((i for i, part in enumerate(folders) if part.startswith((".", "_"))), None)
    return "" if at is None else "/".join(folders[: at + 1])


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(root).parts)


def _why_not(path: Path, root: Path, members: frozenset[str] | None, beside: str) -> str:
    """Why a file in a folder is no data; empty when it is.

    Args:
        path: The file.
        root: The folder.
        members: Names of the files of a saved dataset; None where it is none.
        beside: Why it is none of the dataset's files; empty where it may be one.

    Returns:
        The reason.
    """
    if _is_hidden(path, root):
        return HIDDEN
    if path.name in SIDE_FILES:
        return "describes the dataset"
    if not SUFFIXES.search(path.name):
        return NO_DATA_FILE
    if members is not None and path.name not in members:
        return f"not named in {STATE}"
    if path.stat().st_size and ".json" in path.suffixes and format_of(path) is OBJECTS:
        return _why_no_rows(path) or beside
    return beside


def _why_no_rows(path: Path) -> str:
    """Why one JSON object is no data; "" where conversations are recognised in it."""
    require_content(path, str(path))
    try:
        _, _, _, guess = inspect_head(path)
    except InputError as error:
        return str(error).rstrip(".")
    return "" if guess.sure else "one JSON object, not rows"


def _notes(folder: Path, files: Sequence[Path], splits: Sequence[str]) -> tuple[str, ...]:
    """A remark where several splits are read, with the way to read one of them."""
    places: dict[str, str] = {name: str(folder / name) for name in splits}
    if not places:
        for path in files:
            if match := SHARD.match(path.name):
                places.setdefault(match[1], str(path.parent / f"{match[1]}-*"))
    if len(places) < 2:
        return ()
    return (
        f"The splits {', '.join(places)} are all read; give {next(iter(places.values()))} for one.",
    )
