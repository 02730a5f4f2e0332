"""The name of a corpus file in messages, and why a file of a folder is none."""

from __future__ import annotations

import json
from pathlib import Path

from vocabtrim_core import workspace

HIDDEN, NO_DATA_FILE = "hidden", "not a data file"
NOTE = "upload.json"  # beside an uploaded file: its `Upload` as JSON


def label_of(path: Path) -> str:
    """The name to show for a file.

    Args:
        path: The file.

    Returns:
        The name its uploader gave it, else the file's own name.
    """
    note = path.with_name(NOTE)
    uploaded = path.parent.parent == workspace.folder("corpora") and note.is_file()
    return str(json.loads(note.read_text("utf-8"))["label"]) if uploaded else path.name
