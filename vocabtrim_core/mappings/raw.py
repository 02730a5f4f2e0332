"""What a file of a mapping holds, as numbers, before it is understood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings.tokenizer_identity import Origin


@dataclass(frozen=True, slots=True, eq=False)
class RawMapping:
    """What a file holds, not yet understood.

    numbers: int64[k], offsets or ids as `expected` says that this kind of file should hold; label:
    what the file calls them.  t2d: bool[V].  any_order: readers of this kind need no order.
    resolved: the numbers are ids already, read by the format that `label` names.
    vocab_size, head_rows, draft_vocab_size, origin, about: as far as the file tells.
    """

    name: str
    kind: str
    numbers: np.ndarray | None
    expected: str = "absolute"
    label: str = "The list"
    t2d: np.ndarray | None = None
    any_order: bool = False
    resolved: bool = False
    vocab_size: int | None = None
    head_rows: int | None = None
    draft_vocab_size: int | None = None
    origin: Origin | None = None
    about: str = ""


def plain(path: Path, value: Any, kind: str) -> RawMapping:
    """A bare list: offsets where it is called d2t (Model-Optimizer), else ids in any order."""
    numbers = integers(path, value)
    if path.name.startswith("d2t"):
        return RawMapping(path.name, "d2t alone", numbers, "offset", "d2t", any_order=True)
    return RawMapping(path.name, kind, numbers, any_order=True)


def integers(path: Path, value: Any) -> np.ndarray:
    """int64[k]; InputError unless it is a flat list of whole numbers."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: token ids must be a flat list ({error}).") from error
    if array.ndim != 1 or not len(array) or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{path}: token ids must be a flat list of whole numbers.")
    return array.astype(np.int64)


MASKS = (np.bool_, np.uint8, np.int64)


def mask(path: Path, value: Any) -> np.ndarray:
    """bool[V]; InputError unless it is a flat mask."""
    array = np.asarray(value)
    if array.ndim != 1 or not len(array) or not any(array.dtype == kind for kind in MASKS):
        raise InputError(f"{path}: t2d must be a flat array of true and false.")
    if array.dtype == np.int64 and array.max() > 1:
        raise InputError(f"{path}: t2d holds numbers, not true and false.")
    return array.astype(bool)
