"""Reading a file in pieces of bytes, plain or compressed."""

from __future__ import annotations

import codecs
import functools
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from vocabtrim_core.corpora.file_names import label_of
from vocabtrim_core.errors import InputError

CHUNK = 8 * 2**20
PIECE = 2**14  # decompressed at once to find where a file is damaged
CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
PLAIN = (codecs.BOM_UTF8, b"PAR1", b"ARROW1")  # beginnings of files that are read as they are
UNREAD = {
    b"\xfd7zXZ\0": ("xz", "xz -d"),
    b"\x04\x22\x4d\x18": ("LZ4", "lz4 -d"),
    b"PK\x03\x04": ("a ZIP archive", "unzip"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "7z x"),
}


def codec_of(path: Path) -> str | None:
    """How a file is compressed: by its first bytes, whatever its name, else by its last suffix.

    The suffix decides only for a file that does not begin as one that can be read as it is: a
    download may be unpacked and keep its name.

    Args:
        path: The file.

    Returns:
        "gzip", "zstd" or "bz2", as `pyarrow.CompressedInputStream` takes them; None for a plain
        file.

    Raises:
        InputError: The file is compressed in a way that is not supported.
    """
    stat = path.stat()
    return _codec(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _codec(path: Path, size: int, mtime_ns: int) -> str | None:
    with path.open("rb") as file:
        head = file.read(8)
    for magic, (kind, command) in UNREAD.items():
        if head.startswith(magic) and path.suffix.lower() != ".arrow":
            raise InputError(
                f"{label_of(path)} is compressed ({kind}), which is not read; unpack it "
                f"(`{command}`), or compress it with gzip or zstd."
            )
    codec = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
    return codec or (None if _is_plain(head) else CODECS.get(path.suffix.lower()))


def _is_plain(head: bytes) -> bool:
    """Whether a file begins as text or as a table, so that it is not compressed."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = ""
    is_text = bool(text.strip()) and all(c.isprintable() or c.isspace() for c in text)
    return is_text or head.startswith(PLAIN)


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, by its first bytes or its last suffix.

    Args:
        path: The file.

    Returns:
        True where `codec_of` names a codec.
    """
    return codec_of(path) is not None


class Stream:
    """A file opened for reading in pieces of a given size.

    Attributes:
        source: The Arrow stream behind it, decompressing where needed.
        path: The file.
    """

    def __init__(self, path: Path, file: Any, source: Any, stop: int = 0) -> None:
        self.source = source
        self.path, self._file, self._stop = path, file, stop

    @property
    def position(self) -> int:
        """Bytes of the file consumed, from its beginning."""
        return self._file.tell()

    def read(self, count: int) -> bytes:
        """Read bytes, decompressed where the file is compressed.

        Args:
            count: Number of bytes to read.

        Returns:
            `count` bytes, fewer only at the end of the file or range.

        Raises:
            InputError: The compressed data is damaged or cut off.
            OSError: A plain file cannot be read.
        """
        if self._stop:
            count = min(count, self._stop - self._file.tell())
        pieces, received = [], 0
        while received < count:
            try:
                piece = self.source.read(count - received)
            except OSError as error:
                if self.source is self._file:
                    raise
                raise InputError(damage(self.path, error)) from None
            if not piece:
                break
            pieces.append(piece)
            received += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@contextmanager
def open_stream(path: Path, start: int = 0, stop: int = 0) -> Generator[Stream]:
    """Open a file, decompressed where it is compressed.

    Args:
        path: The file.
        start: First byte to read of a plain file; ignored for a compressed one.
        stop: Byte to stop before in a plain file; 0 means the end.

    Yields:
        The open stream.
    """
    codec = codec_of(path)
    with pa.OSFile(str(path)) as file:
        if codec is None:
            file.seek(start)
            yield Stream(path, file, file, stop)
        else:
            with pa.CompressedInputStream(file, codec) as source:
                yield Stream(path, file, source)


def peek(path: Path, count: int) -> bytes:
    """The first bytes of a file, decompressed.

    Args:
        path: The file.
        count: Number of bytes.

    Returns:
        At most `count` bytes; none where the file is damaged, which its reader reports later.
    """
    try:
        with open_stream(path) as stream:
            return stream.read(count)
    except InputError:
        return b""


def damage(path: Path, error: OSError) -> str:
    """The beginning of a sentence about a file that cannot be decompressed.

    Args:
        path: The file.
        error: What Arrow raised.

    Returns:
        A sentence without a full stop, to which the caller adds the place.
    """
    name = label_of(path)
    if "truncated" in str(error).lower():
        return f"{name} is cut off: its compressed data ends too early"
    return f"{name} is damaged: its compressed data cannot be read"


def whole_lines(path: Path) -> int:
    """Count the complete lines of a compressed file before its damage.

    The file is read again, only for the error message.

    Args:
        path: The file.

    Returns:
        Number of line ends that can be decompressed.
    """
    lines = 0
    with open_stream(path) as stream, suppress(InputError):
        while piece := stream.read(PIECE):
            lines += piece.count(b"\n")
    return lines


MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def require_utf8(path: Path) -> None:
    """Refuse a text file in UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        path: The file; its first 1,024 bytes are read.

    Raises:
        InputError: The file begins in such an encoding.
    """
    head = peek(path, 1024)
    encoding = next((name for mark, name in MARKS.items() if head.startswith(mark)), "")
    even, odd = head[::2].count(0), head[1::2].count(0)
    if not encoding and len(head) > 3 and max(even, odd) > len(head) // 4 and min(even, odd) < 4:
        encoding = "UTF-16LE" if odd > even else "UTF-16BE"
    if encoding:
        raise InputError(not_utf8(f"{label_of(path)}, line 1", encoding))


def not_utf8(where: str, encoding: str = "") -> str:
    """The message for text that is not UTF-8.

    Args:
        where: The place, with which the sentence begins.
        encoding: Name of the actual encoding where it is certain, else "".

    Returns:
        The message, a sentence.
    """
    actual = f" but {encoding}" if encoding else ""
    return (
        f"{where}: not UTF-8{actual}; convert the file, for example with "
        f"`iconv -f {encoding or 'LATIN1'} -t UTF-8`."
    )
