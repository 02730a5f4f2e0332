"""Bytes of a file, plain or compressed, in pieces; what is wrong with them in half a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from vocabtrim_core.errors import InputError

CHUNK = 8 * 2**20
CODECS = {".gz": "gzip", ".zst": "zstd"}


def is_compressed(path: Path) -> bool:
    """By its last suffix."""
    return path.suffix.lower() in CODECS


class Stream:
    """Reads full pieces; `source` is the Arrow stream behind it."""

    def __init__(self, file: Any, source: Any, codec: str | None, stop: int) -> None:
        self._file, self.source, self._codec, self._stop = file, source, codec, stop

    @property
    def position(self) -> int:
        """Bytes of the file consumed, from its beginning."""
        return self._file.tell()

    def read(self, count: int) -> bytes:
        """`count` bytes, fewer only at the end. InputError (half a sentence) if damaged."""
        if self._stop:
            count = min(count, self._stop - self._file.tell())
        pieces, have = [], 0
        while have < count:
            try:
                piece = self.source.read(count - have)
            except OSError as error:
                if self._codec is None:
                    raise
                raise InputError(damage(error)) from None
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@contextmanager
def open_stream(path: Path, start: int = 0, stop: int = 0) -> Iterator[Stream]:
    """The file from byte `start` to `stop` (0: to the end), decompressed by its suffix."""
    codec = CODECS.get(path.suffix.lower())
    with pa.OSFile(str(path)) as file:
        if codec is None:
            file.seek(start)
            yield Stream(file, file, None, stop)
        else:
            with pa.CompressedInputStream(file, codec) as source:
                yield Stream(file, source, codec, 0)


def damage(error: OSError) -> str:
    """Half a sentence about a compressed file that cannot be decompressed."""
    if "truncated" in str(error).lower():
        return "is cut off: its compressed data ends too early"
    return "is damaged: its compressed data cannot be read"


def not_utf8(where: str, seen: str = "") -> InputError:
    """The sentence for text in another encoding."""
    return InputError(
        f"{where}: not UTF-8{f' but {seen}' if seen else ''}; convert the file, for example with "
        "`iconv -f LATIN1 -t UTF-8`."
    )
