"""The workspace: one private folder with all that is kept, and the folders inside it.

Registries are plain folders: what is on disk is what exists, and deleting a file deletes what it
held. Every subject has its own store: `counts_store`, `corpora.uploads`, `studies`, `drafts.runs`
and so on. `files` writes in one step, `disk` asks for space, `locks` let processes wait
for each other.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vocabtrim_core.errors import InputError


def home() -> Path:
    """The workspace: $VOCABTRIM_HOME, else ~/.vocabtrim; created readable by its owner only."""
    chosen = os.environ.get("VOCABTRIM_HOME") or "~/.vocabtrim"
    return _private(Path(chosen).expanduser().absolute())


def folder(name: str) -> Path:
    """A folder of the workspace ("counts", "corpora", "jobs", …), created on first use."""
    return _private(home() / name)


def _private(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The workspace folder {path} cannot be used ({error.strerror}); "
            "set VOCABTRIM_HOME to a folder you can write to."
        ) from error
    return path


def checked_key(key: str) -> str:
    """A key is a file name of ours; anything else (it may come from a link) is refused."""
    if not re.fullmatch(r"[0-9a-f]{16}", key):
        raise InputError(f"{key!r} is not a key of this workspace (16 hexadecimal digits).")
    return key
