"""Uploaded files that belong together, in a folder named by what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.workspace.files import write_atomic


def write_together(kind: str, prefix: str, files: Mapping[str, bytes]) -> Path:
    """Write files into one folder of the workspace; the same files are written to the same folder.

    Args:
        kind: The folder of the workspace that holds it, such as 'mappings'.
        prefix: What the name of the folder begins with.
        files: Content by name. Names must be ours, never those that a user gave.

    Returns:
        The folder, named by the sha256 of names and contents.

    Raises:
        InputError: A file cannot be written, or the disk is full.
    """
    digest = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files)))
    folder = workspace.folder(kind) / f"{prefix}{digest.hexdigest()[:16]}"
    for name, content in files.items():
        write_atomic(folder / name, content)
    return folder
