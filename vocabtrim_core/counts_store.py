"""Counts kept in the workspace under their content address, and those that are shipped."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.shipped.sets import FOLDER, shipped_sets
from vocabtrim_core.workspace import records


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """Counts kept under their content address.

    Attributes:
        key: `TokenCounts.key`.
        path: Their file.
        saved: Time of the file, seconds since the epoch; 0 for shipped counts.
        counts: The counts.
        shipped: Whether they come with the program, and so cannot be removed.
    """

    key: str
    path: Path
    saved: float
    counts: TokenCounts
    shipped: bool = False


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
    """List all counts: the workspace's, newest first, then the shipped ones.

    Shipped counts that were also made here are the workspace's.
    """
    stored_counts = own_counts()
    own = {stored.key for stored in stored_counts}
    return stored_counts + [stored for stored in shipped_counts() if stored.key not in own]


def own_counts() -> list[StoredCounts]:
    """List the counts of the workspace that can be read, newest first."""
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


def shipped_counts() -> list[StoredCounts]:
    """List the counts that come with the program, in the order of their manifest."""
    return [
        StoredCounts(key, FOLDER / f"{row.file}.counts", 0.0, row.counts(), shipped=True)
        for key, row in shipped_sets().items()
    ]


@functools.lru_cache(maxsize=64)
def _load(path: Path, mtime_ns: int, length: int) -> TokenCounts:
    """Load counts once for each state of their file; they are immutable."""
    return TokenCounts.load(path)


def find_counts(spec: str | Path) -> TokenCounts:
    """Load counts from a file, from the workspace, or shipped ones.

    Args:
        spec: Path of a file, or the key of stored counts, or its first 4 digits or more.

    Returns:
        The counts.

    Raises:
        InputError: There are none, the key is ambiguous, or the file holds something else.
    """
    path = Path(spec)
    if not path.is_file() and re.fullmatch(r"[0-9a-f]{4,16}", str(spec)):
        matches = {match.stem: match for match in workspace.folder("counts").glob(f"{spec}*.npz")}
        keys = matches.keys() | {key for key in shipped_sets() if key.startswith(str(spec))}
        if len(keys) > 1:
            raise InputError(f"The key {spec} fits {len(keys)} counts; give more digits of it.")
        if keys and not matches:
            return shipped_sets()[keys.pop()].counts()
        path = next(iter(matches.values()), path)
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
        InputError: It is not a key, or that of shipped counts.
    """
    workspace.checked_key(key)
    if key in shipped_sets() and not (workspace.folder("counts") / f"{key}.npz").exists():
        raise InputError(
            f"{shipped_sets()[key].title} comes with the program and cannot be removed; it is "
            "listed behind the counts of your own."
        )
    for kind in ("counts", "shards", "responses"):
        (workspace.folder(kind) / f"{key}.npz").unlink(missing_ok=True)
