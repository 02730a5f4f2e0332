"""Opening .pt files of others: plain tensors only, none larger than what the file stores."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    import torch


def open_torch(path: Path) -> Any:
    """Open a .pt file with weights_only=True.

    Args:
        path: The file.

    Returns:
        Its value, whose tensors are mapped from the file where its layout allows.

    Raises:
        InputError: It is no torch file, holds objects that could run code, or tensors that claim
            more elements than the file stores.
    """
    import torch

    with torch_errors(path):
        packed = zipfile.is_zipfile(path)
        if packed:
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise ValueError("it is compressed, which torch does not write")
        value = torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
        for tensor in _tensors(value):
            stored = tensor.untyped_storage().nbytes()
            if tensor.numel() * tensor.element_size() > stored:
                raise ValueError(
                    f"a tensor claims {tensor.numel():,} elements, but {stored:,} bytes are stored"
                )
        return value


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
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds pickled objects other than plain tensors and numbers, or is damaged; "
            "it is not a torch file of plain tensors, and is not opened, because that could run "
            "code."
        ) from error
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        AssertionError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is not a torch file of plain tensors ({first}).") from error


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in nested dicts, lists and tuples."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
