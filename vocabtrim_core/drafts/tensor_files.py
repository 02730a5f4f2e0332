"""Tensors in files: read by memory map, written in blocks.

The safetensors library checks files and reads slices, but writes only what is in memory as a whole.
A draft's head alone can be a gigabyte, so the bytes are streamed here; they equal what the library
would write.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vocabtrim_core import json_text
from vocabtrim_core.errors import InputError
from vocabtrim_core.torch_files import open_torch, torch_errors

BLOCK = 2**24  # bytes moved at a time
FLOATS = ("F64", "F32", "F16", "BF16")  # a head of these is not quantised
_INTEGERS = {"I64": "<i8", "I32": "<i4"}
_TORCH = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


@dataclass(frozen=True, slots=True, eq=False)
class StoredTensor:
    """A tensor in a file, mapped into memory.

    Attributes:
        name: Its name in the file.
        dtype: The code that safetensors has for its type, such as "BF16".
        shape: Its shape.
        data: uint8[bytes], mapped, not read.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: np.ndarray

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.data)

    @property
    def rows(self) -> np.ndarray:
        """The rows as bytes: uint8[shape[0], bytes of a row], mapped; InputError for a scalar."""
        if not self.shape:
            raise InputError(f"{self.name} is a single number, not rows; the file is damaged.")
        return self.data.reshape(self.shape[0], -1)

    def integers(self) -> np.ndarray:
        """Read the values of a small integer tensor.

        Returns:
            int64, flat.

        Raises:
            InputError: The tensor is neither I64 nor I32.
        """
        if self.dtype not in _INTEGERS:
            raise InputError(f"{self.name} must hold whole numbers (I64), but it is {self.dtype}.")
        return np.frombuffer(self.data.tobytes(), _INTEGERS[self.dtype]).astype(np.int64)

    def mask(self) -> np.ndarray:
        """Read the values of a mask.

        Returns:
            bool, flat.

        Raises:
            InputError: The tensor is neither BOOL nor U8.
        """
        if self.dtype not in ("BOOL", "U8"):
            raise InputError(f"{self.name} must hold true and false (BOOL), not {self.dtype}.")
        return self.data.astype(bool)


@dataclass(frozen=True, slots=True, eq=False)
class HeaderTensor(StoredTensor):
    """A tensor of which only the header is here, as of a model on the hub; `data` is empty.

    Attributes:
        length: Its length in bytes.
    """

    length: int

    @property
    def size(self) -> int:
        """See `StoredTensor.size`."""
        return self.length


def read_tensors(path: Path) -> dict[str, StoredTensor]:
    """Open the tensors of one weight file.

    Args:
        path: A .safetensors, or a .bin that torch reads with weights_only.

    Returns:
        The tensors by name, in file order.

    Raises:
        InputError: The file is missing, damaged, or holds something other than tensors.
    """
    return _read_torch(path) if path.suffix == ".bin" else _read_safetensors(path)


def _read_safetensors(path: Path) -> dict[str, StoredTensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as opened:  # checks the header against the file's size
            names = list(opened.offset_keys())
        with path.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            header = json_text.loads(file.read(start - 8))
        mapped = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{path} is not an intact safetensors file ({error}).") from error
    tensors = {}
    for name in names:
        entry = header[name]
        begin, end = (start + offset for offset in entry["data_offsets"])
        shape = tuple(entry["shape"])
        tensors[name] = StoredTensor(name, entry["dtype"], shape, mapped[begin:end])
    return tensors


def _read_torch(path: Path) -> dict[str, StoredTensor]:
    import torch

    state = open_torch(path)
    with torch_errors(path):
        if not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
            raise TypeError("not a dict of tensors")
    tensors = {}
    for name, tensor in state.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        if kind not in _TORCH:
            raise InputError(f"{path}: {name} is {kind}, which cannot be rewritten.")
        flat = tensor.contiguous().reshape(-1).view(torch.uint8)
        tensors[name] = StoredTensor(name, _TORCH[kind], tuple(tensor.shape), flat.numpy())
    return tensors


# --- writing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class TensorToWrite:
    """A tensor to write.

    Attributes:
        name: Its name in the file.
        dtype: The code that safetensors has for its type.
        shape: Its shape.
        size: Its length in bytes.
        pieces: pieces() yields its bytes in order, as arrays.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    pieces: Callable[[], Iterator[np.ndarray]]


def from_file(tensor: StoredTensor) -> TensorToWrite:
    """Prepare to write a tensor as it is in its file.

    Args:
        tensor: The tensor.

    Returns:
        The tensor to write, in blocks of BLOCK bytes.
    """

    def pieces() -> Iterator[np.ndarray]:
        for start in range(0, len(tensor.data), BLOCK):
            yield tensor.data[start : start + BLOCK]

    return TensorToWrite(tensor.name, tensor.dtype, tensor.shape, len(tensor.data), pieces)


def from_rows(tensor: StoredTensor, name: str, rows: np.ndarray) -> TensorToWrite:
    """Prepare to write some rows of a tensor.

    Args:
        tensor: A tensor of two dimensions.
        name: The name to write it under.
        rows: int64[k], the rows in the order to write them.

    Returns:
        The tensor to write, of k rows.
    """
    width = tensor.rows.shape[1]
    step = max(1, BLOCK // max(width, 1))

    def pieces() -> Iterator[np.ndarray]:
        for start in range(0, len(rows), step):
            yield tensor.rows[rows[start : start + step]]

    shape = (len(rows), *tensor.shape[1:])
    return TensorToWrite(name, tensor.dtype, shape, len(rows) * width, pieces)


def from_array(name: str, array: np.ndarray) -> TensorToWrite:
    """Prepare to write an array in memory.

    Args:
        name: The name to write it under.
        array: int64 or bool.

    Returns:
        The tensor to write.
    """
    dtype = {"int64": "I64", "bool": "BOOL"}[array.dtype.name]
    data = np.ascontiguousarray(array).view(np.uint8)
    return TensorToWrite(name, dtype, array.shape, data.nbytes, lambda: iter([data]))


def write_safetensors(
    path: Path, tensors: Iterable[TensorToWrite], on_written: Callable[[int, str], object]
) -> str:
    """Write a .safetensors file, block by block.

    Args:
        path: The file, which is overwritten.
        tensors: The tensors, in any order.
        on_written: Called as on_written(bytes, tensor name) after every block.

    Returns:
        The file's hex sha256.
    """
    # The library's order: wide elements first, so that all stay aligned, then by name.
    ordered = sorted(tensors, key=lambda t: (-t.size // max(math.prod(t.shape), 1), t.name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in ordered:
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.size],
        }
        offset += tensor.size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in (len(text).to_bytes(8, "little"), text):
            file.write(piece)
            digest.update(piece)
        for tensor in ordered:
            for block in tensor.pieces():
                file.write(block.data)
                digest.update(block.data)
                on_written(block.nbytes, tensor.name)
    return digest.hexdigest()


def copy_file(source: Path, path: Path, on_written: Callable[[int, str], object]) -> str:
    """Copy the content of a file, block by block.

    Args:
        source: The file to copy.
        path: The new file, which is overwritten.
        on_written: Called as on_written(bytes, source's name) after every block.

    Returns:
        Its hex sha256.
    """
    digest = hashlib.sha256()
    with source.open("rb") as reader, path.open("wb") as writer:
        while block := reader.read(BLOCK):
            writer.write(block)
            digest.update(block)
            on_written(len(block), source.name)
    return digest.hexdigest()
