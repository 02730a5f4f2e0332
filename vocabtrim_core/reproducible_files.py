"""Files whose bytes depend on their content alone: no times, file names or pickled objects."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core import json_text, numpy_files
from vocabtrim_core.errors import InputError
from vocabtrim_core.torch_files import open_torch, torch_errors

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold


def save_torch(path: Path, value: Any) -> Path:
    """Write a .pt file with torch.save.

    Args:
        path: The file.
        value: Numbers, strings, lists, arrays, or dicts of them; arrays become tensors.

    Returns:
        `path`.
    """
    import torch

    def tensors(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            return torch.from_numpy(item.copy())
        return {k: tensors(v) for k, v in item.items()} if isinstance(item, dict) else item

    buffer = io.BytesIO()  # torch.save to a path would write the file's name into the bytes
    torch.save(tensors(value), buffer)
    path.write_bytes(buffer.getvalue())
    return path


def load_torch(path: Path) -> Any:
    """Read a .pt file, with weights_only=True.

    Args:
        path: The file.

    Returns:
        Its value, with tensors as arrays.

    Raises:
        InputError: It is no torch file, or holds other objects than `save_torch` writes.
    """
    import torch

    def arrays(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            return item.numpy()
        return {k: arrays(v) for k, v in item.items()} if isinstance(item, dict) else item

    value = open_torch(path)
    with torch_errors(path):
        return arrays(value)


def save_npy(path: Path, array: np.ndarray) -> Path:
    """Write one array as .npy, without pickle.

    Args:
        path: The file.
        array: The array.

    Returns:
        `path`.
    """
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return path


def save_npz(path: Path, **arrays: np.ndarray) -> Path:
    """Write arrays as one compressed .npz, without pickle.

    Args:
        path: The file.
        **arrays: The arrays by name.

    Returns:
        `path`.
    """
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return path


def load_arrays(path: Path) -> Any:
    """Read an .npy or .npz file, without pickle.

    Args:
        path: The file.

    Returns:
        The array of an .npy; a dict of the arrays of an .npz.

    Raises:
        InputError: It is neither.
    """
    try:
        if numpy_files.is_npz(path):
            return numpy_files.load_npz(path)
        return numpy_files.load_npy(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a numpy file of plain arrays ({error}).") from error


def save_json(path: Path, value: Any, *, indent: int | None = 2) -> Path:
    """Write UTF-8 JSON with a final newline; keys stay in order.

    Args:
        path: The file.
        value: A value that `json.dumps` takes.
        indent: Spaces per level, None for one line.

    Returns:
        `path`.
    """
    return save_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def load_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: The file.

    Returns:
        The object.

    Raises:
        InputError: It cannot be read, or holds anything else.
    """
    try:
        value = json_text.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON ({error}).") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold one JSON object, not a {type(value).__name__}.")
    return value


def save_text(path: Path, text: str) -> Path:
    """Write UTF-8 text with "\\n" as newline on every system.

    Args:
        path: The file.
        text: The text.

    Returns:
        `path`.
    """
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
    """Pack a folder as a zip in memory.

    Entries are sorted, and have no times or permissions of this machine: equal folders give equal
    bytes.

    Args:
        folder: The folder.
        root: Name of the folder inside the zip, the folder's own name by default.

    Returns:
        The bytes of the zip.
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
