"""Files whose bytes depend on their content alone: no times, no names, no pickled objects."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.errors import InputError

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold


def save_torch(path: Path, value: Any) -> Path:
    """torch.save of numbers, strings, lists, dicts and arrays (arrays become tensors).

    Saved through memory: saving to a path would put the file's name into the bytes.
    """
    import torch

    def tensors(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            return torch.from_numpy(item.copy())
        return {k: tensors(v) for k, v in item.items()} if isinstance(item, dict) else item

    buffer = io.BytesIO()
    torch.save(tensors(value), buffer)
    path.write_bytes(buffer.getvalue())
    return path


def load_torch(path: Path) -> Any:
    """What `save_torch` wrote, tensors as arrays; InputError for anything but plain tensors."""
    import torch

    def arrays(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            return item.numpy()
        return {k: arrays(v) for k, v in item.items()} if isinstance(item, dict) else item

    with torch_errors(path):
        return arrays(torch.load(path, map_location="cpu", weights_only=True))


@contextmanager
def torch_errors(path: Path) -> Generator[None]:
    """Turn what torch.load raises for an unusable file into an InputError.

    Args:
        path: The file, for the message.

    Yields:
        Nothing.

    Raises:
        InputError: The block raised an error of reading, unpickling or of the content's type.
    """
    try:
        yield
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is not a torch file of plain tensors ({first}).") from error


def save_npy(path: Path, array: np.ndarray) -> Path:
    """One array as .npy, without pickle."""
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return path


def save_npz(path: Path, **arrays: np.ndarray) -> Path:
    """Several arrays as one compressed .npz, without pickle."""
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return path


def load_arrays(path: Path) -> Any:
    """An .npy as its array, an .npz as a dict of arrays; InputError for anything else."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else {**loaded}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is not a numpy file of plain arrays ({error}).") from error


def save_json(path: Path, value: Any, *, indent: int | None = 2) -> Path:
    """UTF-8 JSON in the order given, with a final newline."""
    return save_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def load_json(path: Path) -> dict[str, Any]:
    """One JSON object; InputError names the file otherwise."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON ({error}).") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold one JSON object, not a {type(value).__name__}.")
    return value


def save_text(path: Path, text: str) -> Path:
    """UTF-8 with plain newlines on every system."""
    path.write_text(text, "utf-8", newline="\n")
    return path


def file_sha256(path: Path) -> str:
    """Compute the sha256 of a file's content.

    Args:
        path: The file, read in blocks.

    Returns:
        64 hex digits.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def zip_bytes(folder: Path, root: str | None = None) -> bytes:
    """`folder` as one zip in memory, everything under `root` (the folder's own name).

    Sorted, without times or permissions of this machine: equal folders give equal bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = f"{root or folder.name}/{path.relative_to(folder).as_posix()}"
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()
