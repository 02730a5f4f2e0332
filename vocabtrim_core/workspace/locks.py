"""Named locks between processes that share a workspace."""

from __future__ import annotations

import filelock

from vocabtrim_core import workspace


def named_lock(name: str, *, blocking: bool = True) -> filelock.FileLock:
    """The lock of a name, not acquired yet.

    The operating system releases it when the process that holds it ends, for whatever reason.

    Args:
        name: Name of the lock, a valid file name.
        blocking: Whether `acquire` waits; otherwise it raises filelock.Timeout where another
            process holds the lock.

    Returns:
        The lock, a context manager.
    """
    return filelock.FileLock(workspace.folder("locks") / f"{name}.lock", blocking=blocking)
