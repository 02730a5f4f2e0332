"""Counts kept in the workspace, under their content address."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import records


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """Counts kept in the workspace under their content address.

    Attributes:
        key: `TokenCounts.key`.
        path: Their file.
        saved: Time of the file, seconds since the epoch.
        counts: The counts.
    """

    key: str
    path: Path
    saved: float
    counts: TokenCounts


def save_counts(counts: TokenCounts) -> Path:
    """Keep counts in the workspace; the same counts are kept once.

    Args:
        counts: The counts.

    Returns:
        Their file.

    Raises:
        InputError: It cannot be written.
    """
    path = workspace.folder("counts") / f"{counts.key}.npz"
    return path if path.exists() else counts.save(path)


def list_counts() -> list[StoredCounts]:
    """List all counts of the workspace that can be read, newest first."""
    stored_counts = records.readable(workspace.folder("counts").glob("*.npz"), stored_counts_of)
    return sorted(stored_counts, key=lambda stored: (-stored.saved, stored.key))


def stored_counts_of(path: Path) -> StoredCounts:
    """Read counts of the workspace.

    Args:
        path: Their file.

    Returns:
        The counts.

    Raises:
        InputError: The file holds something else.
        OSError: It cannot be read.
    """
    stat = path.stat()
    counts = _load(path, stat.st_mtime_ns, stat.st_size)
    return StoredCounts(path.stem, path, stat.st_mtime, counts)


@functools.lru_cache(maxsize=64)
def _load(path: Path, mtime_ns: int, length: int) -> TokenCounts:
    """Load counts once for each state of their file; they are immutable."""
    return TokenCounts.load(path)


def find_counts(spec: str | Path) -> TokenCounts:
    """Load counts from a file or from the workspace.

    Args:
        spec: Path of a file, or the key of counts in the workspace, or its first 4 digits or more.

    Returns:
        The counts.

    Raises:
        InputError: There are none, the key is ambiguous, or the file holds something else.
    """
    path = Path(spec)
    if not path.is_file() and re.fullmatch(r"[0-9a-f]{4,16}", str(spec)):
        matches = sorted(workspace.folder("counts").glob(f"{spec}*.npz"))
        if len(matches) > 1:
            raise InputError(f"The key {spec} fits {len(matches)} counts; give more digits of it.")
        path = matches[0] if matches else path
    if not path.is_file():
        raise InputError(
            f"There are no counts at {spec}: give the file that `count --out` wrote, "
            "or the key of counts in the workspace."
        )
    stat = path.stat()
    return _load(path.absolute(), stat.st_mtime_ns, stat.st_size)


def remove_counts(key: str) -> None:
    """Delete counts from the workspace, with their pieces and responses.

    Args:
        key: `TokenCounts.key`.

    Raises:
        InputError: It is not a key.
    """
    for kind in ("counts", "shards", "responses"):
        (workspace.folder(kind) / f"{workspace.checked_key(key)}.npz").unlink(missing_ok=True)
