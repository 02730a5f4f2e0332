"""Space on the disk: how much is left, and what is said where it does not do."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import format_bytes

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # no space, over quota, over the file size limit


def free_bytes(path: str | Path) -> int:
    """Bytes left for us on the disk that holds `path`, which need not exist yet."""
    path = Path(path).absolute()
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def require_space(path: str | Path, needed: int) -> None:
    """InputError unless the disk that holds `path` has `needed` bytes left."""
    if free_bytes(path) < needed:
        raise InputError(full_disk(path, needed))


def full_disk(path: str | Path, needed: int | None = None) -> str:
    """The sentence for a disk that ran full while writing in the folder `path`."""
    need = f"{format_bytes(needed)} are needed and " if needed else ""
    return (
        f"The disk that holds {path} is full: {need}{format_bytes(free_bytes(path))} are left; "
        "free some space, or choose a folder on another disk."
    )
