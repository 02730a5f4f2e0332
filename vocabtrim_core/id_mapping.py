"""The mapping from draft ids to target ids (d2t, t2d): its checks and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.reproducible_files import load_torch, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary


def offsets_to_ids(d2t: Any, t2d: Any = None, *, where: str = "The mapping") -> np.ndarray:
    """Check an offset mapping, and return its target ids.

    Trainers slice the target's logits by t2d and index the result by draft id. So where t2d is
    given, the ids must ascend and be exactly its True entries. Absolute ids in place of offsets,
    which trainers accept without an error, are refused.

    Args:
        d2t: int64[k], target id minus draft id.
        t2d: bool[V], True at the draft's tokens; None for consumers that do not read it.
        where: Name of the mapping in messages.

    Returns:
        int64[k] target ids.

    Raises:
        InputError: The arrays have another shape or dtype, or do not fit together.
    """
    if not isinstance(d2t, np.ndarray) or d2t.dtype != np.int64 or d2t.ndim != 1 or not len(d2t):
        raise InputError(f"{where}: d2t must be a flat int64 array, not {_kind(d2t)}.")
    ids = d2t + np.arange(len(d2t))
    if t2d is None:
        return check_ids(ids, where=where)
    if not isinstance(t2d, np.ndarray) or t2d.dtype != bool or t2d.ndim != 1:
        raise InputError(f"{where}: t2d must be a flat bool array, not {_kind(t2d)}.")
    marked = np.flatnonzero(t2d)
    if np.array_equal(marked, d2t) and not np.array_equal(marked, ids):
        raise InputError(
            f"{where}: d2t holds absolute token ids, but offsets (id minus position) are expected; "
            "subtract 0, 1, 2, ... from it."
        )
    if not np.array_equal(marked, ids):
        raise InputError(
            f"{where}: t2d marks {len(marked):,} tokens that are not the {len(ids):,} tokens of "
            "d2t in ascending order; export both again from one vocabulary."
        )
    return ids


def check_ids(ids: Any, vocab_size: int | None = None, *, where: str = "The list") -> np.ndarray:
    """Check a list of absolute target ids.

    Args:
        ids: k integers in any order: a list or an array.
        vocab_size: V; None where it is unknown.
        where: Name of the list in messages.

    Returns:
        int64[k], in the order given.

    Raises:
        InputError: It is not a flat list of integers, or ids repeat or lie outside 0..V-1.
    """
    try:
        ids = np.asarray(ids)
    except ValueError as error:  # lists of unequal length
        raise InputError(f"{where}: token ids must be a flat list ({error}).") from error
    if ids.ndim != 1 or not len(ids) or not np.issubdtype(ids.dtype, np.integer):
        raise InputError(f"{where}: token ids must be a flat list of whole numbers.")
    if ids.min() < 0 or (vocab_size is not None and ids.max() >= vocab_size):
        raise InputError(
            f"{where}: token ids run from {ids.min():,} to {ids.max():,}, outside "
            f"0..{'V' if vocab_size is None else f'{vocab_size - 1:,}'}."
        )
    values, times = np.unique(ids, return_counts=True)
    if len(values) < len(ids):
        raise InputError(f"{where}: token id {values[times > 1][0]} occurs more than once.")
    return ids.astype(np.int64)


def save_pair(path: Path, vocabulary: DraftVocabulary) -> Path:
    """Write the mapping file of SpecForge and EAGLE: {"d2t": int64[k] offsets, "t2d": bool[V]}.

    Args:
        path: The .pt file.
        vocabulary: The draft vocabulary.

    Returns:
        `path`.
    """
    return save_torch(path, {"d2t": vocabulary.d2t, "t2d": vocabulary.t2d})


def load_pair(path: Path) -> np.ndarray:
    """Read and check a mapping file of SpecForge or EAGLE.

    Args:
        path: The .pt file.

    Returns:
        int64[k] target ids.

    Raises:
        InputError: It is no such file, or d2t and t2d do not fit together.
    """
    pair = load_torch(path)
    if not isinstance(pair, dict) or not {"d2t", "t2d"} <= pair.keys():
        raise InputError(f'{path} must hold a dict with "d2t" and "t2d".')
    return offsets_to_ids(pair["d2t"], pair["t2d"], where=str(path))


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__
