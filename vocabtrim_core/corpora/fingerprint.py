"""The sha256 of a file and, for JSON lines, the offsets where threads may cut it.

The result is stored in the workspace under (path, size, modification time), so a corpus of many
gigabytes is hashed once. Hashing and counting lines share one pass.
"""

from __future__ import annotations

import functools
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

SEGMENT = 8 * 2**20  # bytes hashed on their own; cuts of JSON lines are about as far apart
PIECE = 2**20
THREADS = 4  # more would wait for the disk


class FileScan(msgspec.Struct, frozen=True):
    """Hash and cuts of a file.

    Attributes:
        sha256: Hex sha256 of the concatenated sha256 digests of all segments.
        cuts: (byte offset, number of the line that starts there), the end of the file last; empty
            where lines were not asked for.
    """

    sha256: str
    cuts: tuple[tuple[int, int], ...] = ()


def scan(path: Path, *, lines: bool = False) -> FileScan:
    """The hash of a file, from the workspace where the file has not changed since.

    Args:
        path: The file.
        lines: Whether to find the offsets of lines too.

    Returns:
        The scan.
    """
    stat = path.stat()
    identity = [str(path.resolve()), stat.st_size, stat.st_mtime_ns, lines, SEGMENT]
    name = hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:32]
    stored = workspace.folder("fingerprints") / f"{name}.json"
    try:
        return msgspec.json.decode(stored.read_bytes(), type=FileScan)
    except (OSError, msgspec.DecodeError, RecursionError):
        pass
    result = _read(path, lines)
    with suppress(InputError):  # a result that cannot be kept is only made again
        write_atomic(stored, msgspec.json.encode(result), durable=False)
    return result


def _read(path: Path, lines: bool) -> FileScan:
    size = path.stat().st_size
    starts = range(0, size, SEGMENT)
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        segments = list(pool.map(functools.partial(_segment, path, lines), starts))
    digest = hashlib.sha256(b"".join(part for part, _, _ in segments)).hexdigest()
    if not lines:
        return FileScan(digest)
    cuts = [(0, 1)]
    for start, (_, ended, end) in zip(starts, segments, strict=True):
        if ended:
            cuts.append((start + end, cuts[-1][1] + ended))
    if cuts[-1][0] != size:
        cuts.append((size, cuts[-1][1] + 1))
    return FileScan(digest, tuple(cuts))


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
