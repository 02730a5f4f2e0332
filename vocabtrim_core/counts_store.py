"""Counts kept in the workspace, under their content address."""

from __future__ import annotations

import functools
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """Counts kept in the workspace under their content address."""

    key: str
    path: Path
    saved: float  # seconds since the epoch
    counts: TokenCounts


def save_counts(counts: TokenCounts) -> Path:
    """Keep counts in the workspace; the same counts are kept once."""
    path = workspace.folder("counts") / f"{counts.key}.npz"
    return path if path.exists() else counts.save(path)


def list_counts() -> list[StoredCounts]:
    """All counts of the workspace, newest first; an unreadable file is named in the log."""
    found = []
    for path in workspace.folder("counts").glob("*.npz"):
        try:
            stat = path.stat()
            counts = _load(path, stat.st_mtime_ns, stat.st_size)
            found.append(StoredCounts(path.stem, path, stat.st_mtime, counts))
        except (InputError, OSError) as error:
            logging.getLogger(__name__).warning("Left out: %s", error)
    return sorted(found, key=lambda stored: (-stored.saved, stored.key))


@functools.lru_cache(maxsize=64)
def _load(path: Path, mtime_ns: int, length: int) -> TokenCounts:
    """Counts are immutable, so one loaded copy per state of the file serves everybody."""
    return TokenCounts.load(path)


def find_counts(spec: str | Path) -> TokenCounts:
    """Counts by path, or by the key (or its first digits) under which the workspace keeps them."""
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
    """Forget counts of the workspace, with their pieces and responses."""
    for kept in ("counts", "shards", "responses"):
        (workspace.folder(kept) / f"{workspace.checked_key(key)}.npz").unlink(missing_ok=True)
