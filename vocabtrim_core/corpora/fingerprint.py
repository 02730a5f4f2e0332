"""What is in a file, remembered: its sha256 and, for JSON lines, where threads may cut it.

The answer is kept in the workspace under (path, size, modification time), so a corpus of many
gigabytes is hashed once; hashing and counting lines share one pass.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from vocabtrim_core import workspace

BLOCK_BYTES = 8 * 2**20  # of JSON lines between two cuts, at least
PIECE = 2 * 2**20


class FileScan(msgspec.Struct, frozen=True):
    """sha256 (hex); cuts: (offset, number of the line that starts there), the end last."""

    sha256: str
    cuts: tuple[tuple[int, int], ...] = ()


def scan(path: Path, *, lines: bool = False) -> FileScan:
    """The scan of a file, from memory when the file has not changed since."""
    stat = path.stat()
    identity = [str(path.resolve()), stat.st_size, stat.st_mtime_ns, lines, BLOCK_BYTES]
    name = hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:32]
    memo = workspace.folder("fingerprints") / f"{name}.json"
    try:
        return msgspec.json.decode(memo.read_bytes(), type=FileScan)
    except (OSError, msgspec.DecodeError):
        pass
    found = _read(path, lines)
    workspace.write_atomic(memo, msgspec.json.encode(found))
    return found


def _read(path: Path, lines: bool) -> FileScan:
    digest = hashlib.sha256()
    cuts, offset, line, last = [(0, 1)], 0, 1, b"\n"
    hashed: Future[None] | None = None
    with path.open("rb") as file, ThreadPoolExecutor(1) as hasher:
        while piece := file.read(PIECE):
            if hashed:
                hashed.result()  # while the next piece was read
            hashed = hasher.submit(digest.update, piece)  # without the interpreter's lock
            if lines:
                line += piece.count(b"\n")
                end = piece.rfind(b"\n") + 1
                if end and offset + end - cuts[-1][0] >= BLOCK_BYTES:
                    cuts.append((offset + end, line))
            offset, last = offset + len(piece), piece[-1:]
    if lines and cuts[-1][0] != offset:
        cuts.append((offset, line + (last != b"\n")))
    return FileScan(digest.hexdigest(), tuple(cuts) if lines else ())
