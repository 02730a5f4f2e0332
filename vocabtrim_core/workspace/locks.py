"""Locks by name, for processes that share a workspace."""

from __future__ import annotations

import filelock

from vocabtrim_core import workspace


def named_lock(name: str, *, blocking: bool = True) -> filelock.FileLock:
    """The lock of this name, not taken yet.

    It belongs to the operating system, so it ends with the process that holds it, however that
    ends. blocking: whether `acquire` waits; else it raises filelock.Timeout where another holds it.
    """
    return filelock.FileLock(workspace.folder("locks") / f"{name}.lock", blocking=blocking)
