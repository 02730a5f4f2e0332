"""The name of a corpus file in messages, and why a file of a folder is none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.records import DamagedError

HIDDEN, NO_DATA_FILE = "hidden", "not a data file"
NOTE = "upload.json"  # beside an uploaded file: its `Upload` as JSON


@dataclass(frozen=True, slots=True)
class _Labelled:
    """What is read of an upload's note here."""

    label: str


def label_of(path: Path) -> str:
    """The name to show for a file.

    Args:
        path: The file.

    Returns:
        The name its uploader gave it, else the file's own name.
    """
    note = path.with_name(NOTE)
    if path.parent.parent == workspace.folder("corpora") and note.is_file():
        with suppress(DamagedError, FileNotFoundError):
            return records.read(note, _Labelled).label
    return path.name
