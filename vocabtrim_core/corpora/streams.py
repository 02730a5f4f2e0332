"""Bytes of a file, plain or compressed, in pieces."""

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

    def __init__(self, name: str, file: Any, source: Any, stop: int = 0) -> None:
        self.source = source
        self._name, self._file, self._stop = name, file, stop

    @property
    def position(self) -> int:
        """Bytes of the file consumed, from its beginning."""
        return self._file.tell()

    def read(self, count: int) -> bytes:
        """`count` bytes, fewer only at the end. InputError when the file is damaged."""
        if self._stop:
            count = min(count, self._stop - self._file.tell())
        pieces, have = [], 0
        while have < count:
            try:
                piece = self.source.read(count - have)
            except OSError as error:
                if self.source is self._file:
                    raise
                raise InputError(damage(self._name, error)) from None
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
            yield Stream(path.name, file, file, stop)
        else:
            with pa.CompressedInputStream(file, codec) as source:
                yield Stream(path.name, file, source)


def damage(name: str, error: OSError) -> str:
    """A sentence, open for more, about a file that cannot be decompressed."""
    if "truncated" in str(error).lower():
        return f"{name} is cut off: its compressed data ends too early"
    return f"{name} is damaged: its compressed data cannot be read"


def not_utf8(where: str, seen: str = "") -> InputError:
    """The sentence for text in another encoding."""
    return InputError(
        f"{where}: not UTF-8{f' but {seen}' if seen else ''}; convert the file, for example with "
        "`iconv -f LATIN1 -t UTF-8`."
    )
