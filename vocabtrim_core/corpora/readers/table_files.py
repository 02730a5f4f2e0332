"""What the readers of Parquet and of Arrow's own files share: unpacking, errors and sizes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from vocabtrim_core import workspace
from vocabtrim_core.corpora.compression import CHUNK, CODECS, is_compressed, open_stream
from vocabtrim_core.corpora.file_names import label_of
from vocabtrim_core.corpora.fingerprint import scan
from vocabtrim_core.corpora.readers.json_rows import PART_BLOCKS
from vocabtrim_core.corpora.schema import ColumnMapping
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

BATCH_BYTES = 5 * 2**20  # text per batch, about; counting a batch takes ten times its memory
PART_BATCHES = PART_BLOCKS * CHUNK // BATCH_BYTES  # where a row group is more than one part
MOST_ROWS = 8192  # conversations per batch


@contextmanager
def readable_as(kind: str, path: Path) -> Generator[None]:
    """Turn Arrow's errors within the block into a sentence about the file.

    Args:
        kind: The format, as people write it.
        path: The file.

    Raises:
        InputError: The file is damaged, or is none of the format.
    """
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, ValueError, OverflowError, SystemError, OSError) as error:
        is_text = isinstance(error, UnicodeDecodeError)
        reason = "text that is not UTF-8" if is_text else str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f"{label_of(path)} cannot be read as {kind} ({reason}); write it again."
        ) from None


def columns_to_read(mapping: ColumnMapping, names: Sequence[str], path: Path) -> list[str]:
    """The columns of a table that a mapping reads.

    Args:
        mapping: Columns to read.
        names: The columns of the table.
        path: Its file.

    Returns:
        The columns, without repeats.

    Raises:
        InputError: The table has several columns of such a name.
    """
    columns = list(mapping.columns_of(names))
    if twins := [name for name in columns if names.count(name) > 1]:
        raise InputError(
            f"{label_of(path)} has {names.count(twins[0])} columns called {twins[0]}; give each a "
            "name of its own."
        )
    return columns


def rows_in_batch(rows: int, size: int) -> int:
    """How many rows make a batch.

    Args:
        rows: Rows of a piece of a file.
        size: Bytes of text in it, about.

    Returns:
        Rows with about `BATCH_BYTES` of text, at least 1.
    """
    return max(1, min(MOST_ROWS, BATCH_BYTES * rows // max(size, 1)))


def unpacked(path: Path) -> Path:
    """The file, unpacked once into the workspace where it is compressed.

    Args:
        path: The file.

    Returns:
        A file that is not compressed.
    """
    if not is_compressed(path):
        return path
    named = path.with_suffix("") if path.suffix.lower() in CODECS else path
    target = workspace.folder("unpacked") / f"{scan(path).sha256[:32]}{named.suffix}"
    if not target.exists():

        def unpack(file: Any) -> None:
            with open_stream(path) as stream:
                while piece := stream.read(CHUNK):
                    file.write(piece)

        write_atomic(target, unpack)
    return target
