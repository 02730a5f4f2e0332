"""Selections of the workspace by the hash of their choice.json, which short links name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from vocabtrim_core.errors import InputError
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.workspace import folder
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.records import DamagedError


def keep(spec: SelectionSpec) -> Path:
    """Store the choice.json of a selection, once.

    Args:
        spec: The selection.

    Returns:
        The path; its stem is the hash, 16 hexadecimal digits.
    """
    text = spec.dumps().encode()
    path = folder("choices") / f"{hashlib.sha256(text).hexdigest()[:16]}.json"
    return path if path.is_file() else write_atomic(path, text)


def find(digest: str) -> SelectionSpec:
    """Find a stored selection.

    Args:
        digest: The hash, 16 hexadecimal digits.

    Returns:
        The selection.

    Raises:
        InputError: The workspace does not have it, or the file was changed.
    """
    path = folder("choices") / f"{digest}.json"
    if not re.fullmatch(r"[0-9a-f]{16}", digest) or not path.is_file():
        raise InputError(
            f"The link is about the choice {digest[:20]}, which is not in this workspace; open the "
            "long form of the link, or its choice.json."
        )
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DamagedError(path, error.strerror or type(error).__name__) from error
    if hashlib.sha256(text).hexdigest()[:16] != digest:
        raise DamagedError(path, "it was changed since it was kept")
    return SelectionSpec.loads(text.decode(errors="replace"), str(path))
