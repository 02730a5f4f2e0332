"""What is in a file, remembered: its sha256 and, for JSON lines, where threads may cut it.

The answer is kept in the workspace under (path, size, modification time), so a corpus of many
gigabytes is hashed once; hashing and counting lines share one pass.
"""

from __future__ import annotations

import functools
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.workspace.files import write_atomic

SEGMENT = 8 * 2**20  # hashed on its own, and of JSON lines what lies between two cuts, about
PIECE = 2**20
THREADS = 4  # more would wait for the disk


class FileScan(msgspec.Struct, frozen=True):
    """sha256 (hex) of the sha256 of all segments; cuts: (offset, number of the line that starts
    there), the end last."""

    sha256: str
    cuts: tuple[tuple[int, int], ...] = ()


def scan(path: Path, *, lines: bool = False) -> FileScan:
    """The scan of a file, from memory when the file has not changed since."""
    stat = path.stat()
    identity = [str(path.resolve()), stat.st_size, stat.st_mtime_ns, lines, SEGMENT]
    name = hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:32]
    memo = workspace.folder("fingerprints") / f"{name}.json"
    try:
        return msgspec.json.decode(memo.read_bytes(), type=FileScan)
    except (OSError, msgspec.DecodeError):
        pass
    found = _read(path, lines)
    write_atomic(memo, msgspec.json.encode(found))
    return found


def _read(path: Path, lines: bool) -> FileScan:
    size = path.stat().st_size
    starts = range(0, size, SEGMENT)
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        segments = list(pool.map(functools.partial(_segment, path, lines), starts))
    whole = hashlib.sha256(b"".join(digest for digest, _, _ in segments)).hexdigest()
    if not lines:
        return FileScan(whole)
    cuts = [(0, 1)]
    for start, (_, ended, end) in zip(starts, segments, strict=True):
        if ended:
            cuts.append((start + end, cuts[-1][1] + ended))
    if cuts[-1][0] != size:
        cuts.append((size, cuts[-1][1] + 1))
    return FileScan(whole, tuple(cuts))


def _segment(path: Path, lines: bool, start: int) -> tuple[bytes, int, int]:
    """(sha256, lines that end in it, where the last of them ends) of a segment."""
    digest, at, ended, end = hashlib.sha256(), 0, 0, 0
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while piece := file.read(min(PIECE, SEGMENT - at)):
            digest.update(piece)  # without the interpreter's lock
            if lines and b"\n" in piece:
                ended += piece.count(b"\n")
                end = at + piece.rindex(b"\n") + 1
            at += len(piece)
    return digest.digest(), ended, end
