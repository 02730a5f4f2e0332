"""Reading .npy and .npz files of others: sizes are checked before memory is taken."""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

LARGEST_UNPACKED = 256 * 2**20  # bytes of all compressed arrays of a file, when unpacked


def load_npz(path: str | Path) -> Mapping[str, np.ndarray]:
    """Read the arrays of an .npz file.

    Args:
        path: The file.

    Returns:
        The arrays by name.

    Raises:
        ValueError: It is no .npz of plain arrays, an array is not as long as its header says, or
            compressed arrays would take more than LARGEST_UNPACKED.
        OSError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_sizes(entries, Path(path).stat().st_size)
            arrays = {}
            for entry in entries:
                with archive.open(entry) as member:
                    arrays[entry.filename.removesuffix(".npy")] = _array(member, entry.file_size)
            return arrays
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError) as error:
        raise ValueError(str(error) or "cut off") from error
    except (NotImplementedError, RuntimeError) as error:  # unknown compression, or encrypted
        raise ValueError(f"a kind of zip that numpy does not write: {error}") from error


def load_npy(path: str | Path) -> np.ndarray:
    """Read an .npy file.

    Args:
        path: The file.

    Returns:
        The array.

    Raises:
        ValueError: It is no .npy of plain numbers or texts, or not as long as its header says.
        OSError: It cannot be read.
    """
    with Path(path).open("rb") as file:
        return _array(file, os.fstat(file.fileno()).st_size)


def is_npz(path: str | Path) -> bool:
    """Whether a file is a zip, as an .npz is."""
    return zipfile.is_zipfile(path)


def _check_sizes(entries: list[zipfile.ZipInfo], size: int) -> None:
    """ValueError where the entries are longer than the file, or too long when unpacked."""
    stored = sum(e.file_size for e in entries if e.compress_type == zipfile.ZIP_STORED)
    unpacked = sum(e.file_size for e in entries if e.compress_type != zipfile.ZIP_STORED)
    if stored > size:
        raise ValueError(f"it claims {stored:,} bytes of arrays, but has {size:,}")
    if unpacked > LARGEST_UNPACKED:
        raise ValueError(
            f"its arrays would take {unpacked:,} bytes, more than {LARGEST_UNPACKED:,}"
        )


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """Read the array of a stream of `size` bytes in all."""
    try:
        version = npy.read_magic(file)
        readers: dict[tuple[int, int], Any] = {
            (1, 0): npy.read_array_header_1_0,
            (2, 0): npy.read_array_header_2_0,
        }
        if version not in readers:
            raise ValueError(f"version {version} of the format is not known")
        shape, fortran, dtype = readers[version](file)
    except Exception as error:  # its header is parsed as Python, whose parser raises many kinds
        raise ValueError(f"no header of an array ({str(error).partition(chr(10))[0]})") from error
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are not opened")
    if any(length < 0 for length in shape):
        raise ValueError(f"its shape is {shape}")
    needed, rest = math.prod(shape) * dtype.itemsize, size - file.tell()
    if needed > rest:
        raise ValueError(f"its shape {shape} takes {needed:,} bytes, but {rest:,} follow")
    content = file.read(needed)
    if len(content) < needed:
        raise ValueError("it is cut off")
    array = np.frombuffer(bytearray(content), dtype, math.prod(shape))
    return array.reshape(shape, order="F" if fortran else "C")
