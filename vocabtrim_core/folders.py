"""A folder that appears complete or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import FULL, full_disk, require_space


@contextmanager
def new_folder(out: str | Path, *, needed: int = 0) -> Generator[Path]:
    """A scratch folder beside `out` that takes its name when the block ends well, else vanishes.

    out: a folder that does not exist, or an empty one; anything else is an InputError, because
    nothing is ever overwritten. needed: bytes the disk must have free.
    """
    out = Path(out).resolve()
    scratch = out.parent / f".{out.name}.{secrets.token_hex(4)}.tmp"
    try:
        _check_free(out)
        require_space(out.parent, needed)
        scratch.mkdir(parents=True)
        yield scratch
        if out.exists():
            out.rmdir()
        scratch.replace(out)
    except OSError as error:
        if error.errno in FULL:
            shutil.rmtree(scratch, ignore_errors=True)  # before the free space is measured
            raise InputError(full_disk(out.parent, needed or None)) from error
        raise InputError(f"Cannot write {out}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_free(out: Path) -> None:
    if out.is_dir():
        if any(out.iterdir()):
            raise InputError(f"{out} is not empty and nothing is overwritten; name a new folder.")
    elif out.exists():
        raise InputError(f"{out} is a file; name a new folder.")
