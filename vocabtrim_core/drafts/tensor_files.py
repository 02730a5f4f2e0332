"""Tensors where they lie: read by memory map, written one after the other.

The safetensors library checks files and reads slices, but writes only what is in memory as a
whole. A draft's head alone can be a gigabyte, so the bytes are streamed here; they equal what the
library would write.
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError

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
    """A tensor in a file. dtype: safetensors' code.  data: uint8[bytes], mapped, not read."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """uint8[shape[0], bytes of a row], mapped."""
        return self.data.reshape(self.shape[0], -1)

    def integers(self) -> np.ndarray:
        """int64 values of a small integer tensor; InputError for another dtype."""
        if self.dtype not in _INTEGERS:
            raise InputError(f"{self.name} must hold whole numbers (I64), but it is {self.dtype}.")
        return np.frombuffer(self.data.tobytes(), _INTEGERS[self.dtype]).astype(np.int64)

    def mask(self) -> np.ndarray:
        """bool values; InputError for another dtype."""
        if self.dtype not in ("BOOL", "U8"):
            raise InputError(f"{self.name} must hold true and false (BOOL), not {self.dtype}.")
        return self.data.astype(bool)


def read_tensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of one weight file, in file order; InputError when it is damaged.

    .safetensors, or a .bin that torch reads without unpickling anything but tensors.
    """
    return _read_torch(path) if path.suffix == ".bin" else _read_safetensors(path)


def _read_safetensors(path: Path) -> dict[str, StoredTensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as opened:  # checks the header against the file's size
            names = list(opened.offset_keys())
        with path.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(start - 8))
        whole = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{path} is not an intact safetensors file ({error}).") from error
    tensors = {}
    for name in names:
        entry = header[name]
        begin, end = (start + offset for offset in entry["data_offsets"])
        shape = tuple(entry["shape"])
        tensors[name] = StoredTensor(name, entry["dtype"], shape, whole[begin:end])
    return tensors


def _read_torch(path: Path) -> dict[str, StoredTensor]:
    import torch

    try:
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        if not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
            raise TypeError("not a dict of tensors")
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is not a torch file of plain tensors ({first}).") from error
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
class Outgoing:
    """A tensor to write: pieces() yields its bytes in order."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int  # bytes
    pieces: Callable[[], Iterator[np.ndarray]]


def stored(tensor: StoredTensor) -> Outgoing:
    """The tensor as it is."""

    def pieces() -> Iterator[np.ndarray]:
        for start in range(0, len(tensor.data), BLOCK):
            yield tensor.data[start : start + BLOCK]

    return Outgoing(tensor.name, tensor.dtype, tensor.shape, len(tensor.data), pieces)


def chosen_rows(tensor: StoredTensor, name: str, rows: np.ndarray) -> Outgoing:
    """Some rows of the tensor, in the order of rows (int64[k])."""
    width = tensor.rows.shape[1]
    step = max(1, BLOCK // max(width, 1))

    def pieces() -> Iterator[np.ndarray]:
        for start in range(0, len(rows), step):
            yield tensor.rows[rows[start : start + step]]

    shape = (len(rows), *tensor.shape[1:])
    return Outgoing(name, tensor.dtype, shape, len(rows) * width, pieces)


def small(name: str, array: np.ndarray) -> Outgoing:
    """An int64 or bool array in memory."""
    dtype = {"int64": "I64", "bool": "BOOL"}[array.dtype.name]
    data = np.ascontiguousarray(array).view(np.uint8)
    return Outgoing(name, dtype, array.shape, data.nbytes, lambda: iter([data]))


def write_safetensors(
    path: Path, tensors: Iterable[Outgoing], wrote: Callable[[int, str], object]
) -> str:
    """Write a .safetensors; returns its sha256. wrote(bytes, name) hears every piece."""
    # The library's order: wide elements first, so that all stay aligned, then by name.
    ordered = sorted(tensors, key=lambda t: (-t.size // max(math.prod(t.shape), 1), t.name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for tensor in ordered:
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.size],
        }
        at += tensor.size
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
                wrote(block.nbytes, tensor.name)
    return digest.hexdigest()


def copy_file(source: Path, path: Path, wrote: Callable[[int, str], object]) -> str:
    """Copy the content of a file; returns its sha256."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, path.open("wb") as writer:
        while block := reader.read(BLOCK):
            writer.write(block)
            digest.update(block)
            wrote(len(block), source.name)
    return digest.hexdigest()
