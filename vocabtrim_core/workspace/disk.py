"""Free disk space, and the message where there is too little."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import format_bytes

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # no space, over quota, over the file size limit


def free_bytes(path: str | Path) -> int:
    """Free bytes for this user on the disk that holds `path`.

    Args:
        path: A file or folder, which need not exist yet.

    Returns:
        The number of bytes.
    """
    path = Path(path).absolute()
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def require_space(path: str | Path, needed: int) -> None:
    """Check that a disk has enough free space.

    Args:
        path: A file or folder on the disk, which need not exist yet.
        needed: Bytes that must be free.

    Raises:
        InputError: Fewer are free.
    """
    if free_bytes(path) < needed:
        raise InputError(full_disk(path, needed))


def full_disk(path: str | Path, needed: int | None = None) -> str:
    """The sentence for a disk that ran full.

    Args:
        path: The folder that was written to.
        needed: Bytes that the write needs, where known.

    Returns:
        The sentence, with the bytes that are free now.
    """
    need = f"{format_bytes(needed)} are needed and " if needed else ""
    return (
        f"The disk that holds {path} is full: {need}{format_bytes(free_bytes(path))} are left; "
        "free some space, or choose a folder on another disk."
    )
