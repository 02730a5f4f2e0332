"""The workspace: one private folder that holds everything the program stores.

Registries are plain folders: what exists is what is on disk, and deleting a file deletes its entry.
Every subject has its own store: `counts_store`, `corpora.uploads`, `optuna_storage`, `drafts.runs`
and so on. `files` writes atomically, `disk` checks free space, `locks` holds locks between
processes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vocabtrim_core.errors import InputError


def home() -> Path:
    """The workspace: $VOCABTRIM_HOME, else ~/.vocabtrim, created with mode 0700 on first use.

    Returns:
        The absolute path of the folder.

    Raises:
        InputError: The folder cannot be created.
    """
    chosen = os.environ.get("VOCABTRIM_HOME") or "~/.vocabtrim"
    return _private(Path(chosen).expanduser().absolute())


def folder(name: str) -> Path:
    """A folder of the workspace, created with mode 0700 on first use.

    Args:
        name: Its name, such as "counts", "corpora" or "jobs"; may hold slashes.

    Returns:
        The absolute path of the folder.

    Raises:
        InputError: The folder cannot be created.
    """
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
    """The key itself, where it has the form of a stored value's key.

    Keys become file names and may come from the address of a page, so any other text is refused.

    Args:
        key: 16 hexadecimal digits in lower case.

    Returns:
        `key`, unchanged.

    Raises:
        InputError: It is anything else.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", key):
        raise InputError(f"{key!r} is not a key of this workspace (16 hexadecimal digits).")
    return key
