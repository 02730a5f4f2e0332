"""The files of shipped counts: a few arrays of whole numbers, compressed with zstd.

X.counts      ids and counts of the tokens seen, by falling count
X.pieces      the same counts by random group of conversations, and by domain within it
ceilings      acceptance-length ceilings of fixed orders, at some sizes
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import zstandard

from vocabtrim_core.errors import InputError

LEVEL = 22  # the strongest
POINTS = 800  # sizes of a ceiling, at the most
STEPS = 65_535  # parts into which the acceptance lengths 1..K + 1 are divided


def pack(**arrays: np.ndarray) -> bytes:
    """Compress arrays; the same values and library give the same bytes.

    Args:
        **arrays: The arrays by name.

    Returns:
        The content of a file.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return zstandard.ZstdCompressor(level=LEVEL).compress(buffer.getvalue())


def unpack(path: Path) -> dict[str, np.ndarray]:
    """Read a file of `pack`.

    Args:
        path: The file.

    Returns:
        The arrays by name.

    Raises:
        InputError: The file is missing or damaged; the message names it.
    """
    try:
        content = zstandard.ZstdDecompressor().decompress(path.read_bytes())
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, zstandard.ZstdError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} does not hold shipped counts ({error}); reinstall.") from error


def pack_matrix(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Split counts of which most are small into arrays that compress well.

    Args:
        counts: Whole numbers of 0 or more, any shape.

    Returns:
        `low`, the last eight bits of each, and `high` with `at`, the rest where it is not 0.
    """
    flat = counts.reshape(-1)
    at = np.flatnonzero(flat >> 8)
    return {
        "low": (counts & 255).astype(np.uint8),
        "at": at.astype(np.uint32),
        "high": (flat[at] >> 8).astype(np.uint32),
    }


def unpack_entries(
    arrays: dict[str, np.ndarray], order: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put the arrays of `pack_matrix` together, column by column and without the zeros.

    Args:
        arrays: `low`, `at` and `high` of a matrix; its first axis are the rows, all others columns.
        order: int64[rows], the order in which rows are read.

    Returns:
        Of each count that is not 0: its column, its place in `order`, and itself, int64[n] each.
    """
    rows = len(order)
    low = arrays["low"].reshape(rows, -1)
    columns = low.shape[1]
    place = np.empty(rows, np.int64)
    place[order] = np.arange(rows)
    row, column = np.divmod(arrays["at"].astype(np.int64), columns)
    large = column * rows + place[row]
    small = np.ascontiguousarray(low[order].T).reshape(-1)
    occurs = small != 0
    occurs[large] = True
    flat = np.flatnonzero(occurs)
    counts = small[flat].astype(np.int64)
    counts[np.searchsorted(flat, large)] |= arrays["high"].astype(np.int64) << 8
    column, row = np.divmod(flat, rows)
    return column, row, counts


def sizes_of(lengths: np.ndarray) -> np.ndarray:
    """Choose the sizes at which a ceiling is stored: dense where it is steep, or k is small.

    Args:
        lengths: float64[depths, V], acceptance length at every size.

    Returns:
        int64[points], POINTS or fewer, from 1 to V.
    """
    last = lengths.shape[1]
    every = np.log(np.arange(1, last + 1))
    rise = np.diff(lengths[-1], prepend=lengths[-1, 0])
    way = every / every[-1] + np.cumsum(rise) / rise.sum()
    places = np.searchsorted(way, np.linspace(way[0], way[-1], POINTS // 2)) + 1
    jumps = np.argsort(-rise, kind="stable")[: POINTS // 4]  # both sides of each
    return np.unique(np.clip([*places, *jumps, *(jumps + 1), 1, last], 1, last))


def pack_lengths(lengths: np.ndarray) -> np.ndarray:
    """Round acceptance lengths, and store how each differs from that of the size before.

    Args:
        lengths: float64[depths, points], row K - 1 within 1..K + 1, not falling.

    Returns:
        uint16, in the same shape.
    """
    depth = np.arange(1, len(lengths) + 1)[:, None]
    steps = np.rint((lengths - 1) / depth * STEPS).astype(np.int64)
    return np.diff(steps, axis=1, prepend=0).astype(np.uint16)


def unpack_lengths(packed: np.ndarray) -> np.ndarray:
    """Restore acceptance lengths, each within K / 131,070 of what was stored.

    Args:
        packed: uint16[depths, points] of `pack_lengths`.

    Returns:
        float64, in the same shape.
    """
    depth = np.arange(1, len(packed) + 1)[:, None]
    return 1 + np.cumsum(packed, axis=1, dtype=np.int64) / STEPS * depth
