"""Atomic writes of files and folders.

A hidden scratch file or folder in the same folder is filled, then renamed (`os.replace`). A reader
sees the old file, the new one, or none.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import disk


@contextmanager
def atomic(path: str | Path, needed: int | None = None) -> Generator[Path]:
    """Write a file atomically, through a scratch path beside it.

    Args:
        path: The file to write. Missing folders above it are created.
        needed: Bytes that will be written, for the message about a full disk; None where unknown.

    Yields:
        The scratch path. It is renamed to `path` when the block ends without an error, else
        deleted.

    Raises:
        InputError: The file cannot be written, or the disk is full.
        OSError: The block failed on a file other than these.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        scratch.replace(path)
    except OSError as error:
        if error.errno not in disk.FULL:
            if error.filename not in (None, str(scratch), str(path.parent)):
                raise  # about another file that the block touched
            raise InputError(f"Cannot write {path}: {error.strerror or error}.") from error
        written = scratch.stat().st_size if scratch.exists() else 0
        scratch.unlink(missing_ok=True)  # before the free space is measured for the sentence
        raise InputError(disk.full_disk(path.parent, needed or written or None)) from error
    finally:
        with suppress(OSError):  # the failed write is reported above
            scratch.unlink(missing_ok=True)


def write_atomic(path: str | Path, content: bytes | Callable[[BinaryIO], object]) -> Path:
    """Write a file atomically.

    Args:
        path: The file to write. Missing folders above it are created.
        content: The bytes, or a function that writes them to the open binary file it is given.

    Returns:
        `path`.

    Raises:
        InputError: The file cannot be written, or the disk is full.
    """
    needed = len(content) if isinstance(content, bytes) else None
    with atomic(path, needed) as scratch, scratch.open("wb") as file:
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
        InputError: `out` is a file or not empty, it cannot be written, or the disk is full.
    """
    out = Path(out).resolve()
    scratch = out.parent / f".{out.name}.{secrets.token_hex(4)}.tmp"
    try:
        _check_free(out)
        disk.require_space(out.parent, needed)
        scratch.mkdir(parents=True)
        yield scratch
        if out.exists():
            out.rmdir()
        scratch.replace(out)
    except OSError as error:
        if error.errno in disk.FULL:
            shutil.rmtree(scratch, ignore_errors=True)  # before the free space is measured
            raise InputError(disk.full_disk(out.parent, needed or None)) from error
        raise InputError(f"Cannot write {out}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_free(out: Path) -> None:
    if out.is_dir():
        if any(out.iterdir()):
            raise InputError(f"{out} is not empty and nothing is overwritten; name a new folder.")
    elif out.exists():
        raise InputError(f"{out} is a file; name a new folder.")


def remove_scratch(folder: Path, name: str = "*", *, below: bool = True) -> None:
    """Remove scratch files and folders that a killed process left behind.

    Call it only where no other process can be writing: under the lock of what is written.

    Args:
        folder: A folder, which may not exist.
        name: Pattern of the names that were being written, such as "state.json.*".
        below: Search all folders below it too.
    """
    for path in list((folder.rglob if below else folder.glob)(f".{name}.tmp")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
