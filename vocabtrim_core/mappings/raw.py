"""The numbers in a file of a mapping, before they are interpreted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity


@dataclass(frozen=True, slots=True, eq=False)
class RawMapping:
    """The content of a file, not yet interpreted. None and "" where the file does not say.

    Attributes:
        name: Name of the file or folder.
        kind: The kind of file, for people.
        numbers: int64[k], offsets or ids; None where the file has a mask alone.
        expected: What files of this kind should hold: "offset" or "absolute".
        label: What the file calls the numbers.
        t2d: bool[V], true for the tokens of the draft.
        any_order: Whether readers of this kind of file accept ids in any order.
        resolved: Whether the numbers are target ids already, as the format in `label` reads them.
        vocab_size: V.
        head_rows: Rows of the LM head in the same file.
        draft_vocab_size: k by the config.json beside it.
        origin: The tokenizer whose ids they are.
        about: How the ids were chosen.
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
    origin: TokenizerIdentity | None = None
    about: str = ""


def plain(path: Path, value: Any, kind: str) -> RawMapping:
    """Interpret a bare list: offsets in a file d2t… (Model-Optimizer), else ids in any order.

    Args:
        path: The file.
        value: Its content, an array or a list.
        kind: The kind of file, for people.

    Returns:
        The mapping's numbers.

    Raises:
        InputError: The content is no flat list of whole numbers.
    """
    numbers = integers(path, value)
    if path.name.startswith("d2t"):
        return RawMapping(path.name, "d2t alone", numbers, "offset", "d2t", any_order=True)
    return RawMapping(path.name, kind, numbers, any_order=True)


def integers(path: Path, value: Any) -> np.ndarray:
    """Convert the content of a file to whole numbers.

    Args:
        path: The file, for messages.
        value: An array, a tensor or a list.

    Returns:
        int64[k], k >= 1.

    Raises:
        InputError: It is empty, not flat, or holds something other than integers.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: token ids must be a flat list ({error}).") from error
    if array.ndim != 1 or not len(array) or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{path}: token ids must be a flat list of whole numbers.")
    return array.astype(np.int64)


MASKS = (np.bool_, np.uint8, np.int64)


def mask(path: Path, value: Any) -> np.ndarray:
    """Convert the content of a file to a mask.

    Args:
        path: The file, for messages.
        value: An array, a tensor or a list of bool, uint8 or int64.

    Returns:
        bool[V], V >= 1.

    Raises:
        InputError: It is empty, not flat, of another type, or int64 with numbers above 1.
    """
    array = np.asarray(value)
    if array.ndim != 1 or not len(array) or not any(array.dtype == kind for kind in MASKS):
        raise InputError(f"{path}: t2d must be a flat array of true and false.")
    if array.dtype == np.int64 and array.max() > 1:
        raise InputError(f"{path}: t2d holds numbers, not true and false.")
    return array.astype(bool)
