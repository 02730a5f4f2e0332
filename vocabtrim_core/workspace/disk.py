"""Free disk space, and the sentence for a write that the system refused: each limit by its name."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import format_bytes

MUCH = 10**10  # bytes; with more free, what is full is hardly the disk
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # no space, over quota, over the file size limit


def free_bytes(path: str | Path) -> int:
    """Free bytes for this user on the disk that holds `path`.

    Args:
        path: A file or folder, which need not exist yet.

    Returns:
        The number of bytes.
    """
    return shutil.disk_usage(_existing(path)).free


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


def refusal(error: OSError, path: str | Path, needed: int | None = None) -> str:
    """The sentence for a write that the system refused.

    Args:
        error: What the system raised.
        path: The file or folder that was written.
        needed: Bytes that the write needs, where known.

    Returns:
        The sentence: a full disk, a quota, a limit on the size of files, a disk that can only be
        read, a missing right, or the system's own words.
    """
    folder = Path(path).parent
    if error.errno == errno.ENOSPC:
        if _free_inodes(folder) == 0:
            return (
                f"The disk that holds {folder} can hold no more files, however small; delete some, "
                "or choose a folder on another disk."
            )
        if (free := free_bytes(folder)) > max(10 * (needed or 0), MUCH):
            return (
                f"The disk that holds {folder} is full, or a limit of this container is reached "
                f"({format_bytes(free)} look free); free some space, or choose a folder on another "
                "disk."
            )
        return full_disk(folder, needed)
    need = f", and {format_bytes(needed)} are needed" if needed else ""
    if error.errno == errno.EDQUOT:
        return (
            f"Your quota on the disk that holds {folder} is used up{need}; delete some of your "
            "files there, or choose a folder on another disk."
        )
    if error.errno == errno.EFBIG:
        limit = _file_size_limit()
        most = f"at most {format_bytes(limit)} for a file" if limit else "the size of a file"
        return (
            f"{path} is too large: this process may write {most}{need}; raise the limit "
            "(`ulimit -f`), or choose another disk."
        )
    if error.errno == errno.EROFS:
        return (
            f"Cannot write {path}: the disk is read-only ({error.strerror}); choose a folder that "
            "can be written, for the workspace with VOCABTRIM_HOME."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"Cannot write {path}: you have no right to ({error.strerror}); change its rights, or "
            "choose another folder, for the workspace with VOCABTRIM_HOME."
        )
    if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST) and Path(path).is_dir():
        return f"Cannot write {path}: a folder has this name; move it aside."
    return f"Cannot write {path}: {error.strerror or error}."


def _existing(path: str | Path) -> Path:
    path = Path(path).absolute()
    return next(p for p in (path, *path.parents) if p.exists())


def _free_inodes(path: Path) -> int | None:
    """Files that the disk can still take; None where it has no such limit or does not say."""
    if not hasattr(os, "statvfs"):
        return None
    stat = os.statvfs(_existing(path))
    return stat.f_favail if stat.f_files else None


def _file_size_limit() -> int | None:
    """Bytes that this process may write to one file; None without such a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
