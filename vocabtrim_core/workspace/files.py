"""Atomic, durable writes of files and folders.

A hidden scratch file or folder in the same folder is filled, then renamed (`os.replace`). A reader
sees the old file, the new one, or none. The content is on disk before the rename, and the rename
before the call returns, so that a power cut leaves one or the other too.

Names of scratch tell their owner: what a process that is gone left behind is removed by the next
process that writes into the folder (`sweep`).
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vocabtrim_core.errors import InputError
from vocabtrim_core.process_identity import owner_is_gone, owner_mark
from vocabtrim_core.workspace import disk

CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}  # of some file systems, or for folders
_swept: set[tuple[int, Path]] = set()  # (this process, folder)


@contextmanager
def atomic(path: str | Path, needed: int | None = None, *, durable: bool = True) -> Generator[Path]:
    """Write a file atomically, through a scratch path beside it.

    Args:
        path: The file to write. Missing folders above it are created.
        needed: Bytes that will be written, for the message about a full disk; None where unknown.
        durable: Whether the file must survive a power cut; not for what is written several times
            a second or can be made again.

    Yields:
        The scratch path. It is renamed to `path` when the block ends without an error, else
        deleted.

    Raises:
        InputError: The file cannot be written; the message says which limit was reached.
        OSError: The block failed on a file other than these.
    """
    path = Path(path)
    scratch = scratch_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(path.parent)
        yield scratch
        if durable:
            _sync(scratch)
        scratch.replace(path)
        if durable:
            _sync(path.parent)
    except OSError as error:
        if error.errno not in disk.FULL:
            if error.filename not in (None, str(scratch), str(path.parent)):
                raise  # about another file that the block touched
            raise InputError(disk.refusal(error, path)) from error
        written = scratch.stat().st_size if scratch.exists() else 0
        scratch.unlink(missing_ok=True)  # before the free space is measured for the sentence
        raise InputError(disk.refusal(error, path, needed or written or None)) from error
    finally:
        with suppress(OSError):  # the failed write is reported above
            scratch.unlink(missing_ok=True)


def write_atomic(
    path: str | Path, content: bytes | Callable[[BinaryIO], object], *, durable: bool = True
) -> Path:
    """Write a file atomically.

    Args:
        path: The file to write. Missing folders above it are created.
        content: The bytes, or a function that writes them to the open binary file it is given.
        durable: See `atomic`.

    Returns:
        `path`.

    Raises:
        InputError: The file cannot be written; the message says which limit was reached.
    """
    needed = len(content) if isinstance(content, bytes) else None
    with atomic(path, needed, durable=durable) as scratch, scratch.open("wb") as file:
        file.write(content) if isinstance(content, bytes) else content(file)
    return Path(path)


@contextmanager
def new_folder(out: str | Path, *, needed: int = 0) -> Generator[Path]:
    """Write a folder atomically, through a scratch folder beside it. Nothing is overwritten.

    Args:
        out: The folder to write: it does not exist yet, or is empty.
        needed: Bytes that must be free on its disk.

    Yields:
        The scratch folder. It is renamed to `out` when the block ends without an error, else
        deleted.

    Raises:
        InputError: `out` is a file or not empty, or it cannot be written; the message says which
            limit was reached.
    """
    out = Path(out).resolve()
    scratch = scratch_beside(out)
    try:
        _check_free(out)
        disk.require_space(out.parent, needed)
        scratch.mkdir(parents=True)
        _sweep_once(out.parent)
        yield scratch
        for path in (*scratch.rglob("*"), scratch):
            if not path.is_symlink():
                _sync(path)
        if out.exists():
            out.rmdir()
        scratch.replace(out)
        _sync(out.parent)
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)  # before the free space is measured
        raise InputError(disk.refusal(error, out, needed or None)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def scratch_beside(path: Path) -> Path:
    """A path for scratch that becomes `path`: in the same folder, hidden, with its owner's mark.

    Args:
        path: The file or folder that is written.

    Returns:
        The path, which does not exist.
    """
    return path.with_name(f".{path.name}.{owner_mark()}.{secrets.token_hex(3)}.tmp")


def _sync(path: Path) -> None:
    """Wait until a file or folder is on disk, where the system can say so."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:  # else it is a write that failed
            raise
    finally:
        os.close(descriptor)


def _check_free(out: Path) -> None:
    if out.is_dir():
        if any(out.iterdir()):
            raise InputError(f"{out} is not empty and nothing is overwritten; name a new folder.")
    elif out.exists():
        raise InputError(f"{out} is a file; name a new folder.")


def _sweep_once(folder: Path) -> None:
    """Sweep a folder when this process first writes into it."""
    if (here := (os.getpid(), folder)) not in _swept:
        _swept.add(here)
        sweep(folder)


def sweep(folder: Path, *, below: bool = False) -> int:
    """Remove scratch of processes that are gone; that of others, here or on another host, stays.

    Args:
        folder: A folder, which may not exist.
        below: Sweep all folders below it too.

    Returns:
        How many files and folders were removed.
    """
    removed = 0
    for top, folders, names in os.walk(folder):
        for name in filter(_is_scratch, (*folders, *names)):
            path = Path(top, name)
            with suppress(OSError):
                if owner_is_gone(name, path.lstat().st_mtime):
                    _remove(path)
                    removed += 1
        folders[:] = [name for name in folders if below and not _is_scratch(name)]
    return removed


def _is_scratch(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_scratch(folder: Path, name: str = "*", *, below: bool = True) -> None:
    """Remove scratch files and folders that a killed process left behind.

    Call it only where no other process can be writing: under the lock of what is written.

    Args:
        folder: A folder, which may not exist.
        name: Pattern of the names that were being written, such as "state.json.*".
        below: Search all folders below it too.
    """
    for path in list((folder.rglob if below else folder.glob)(f".{name}.tmp")):
        _remove(path)
