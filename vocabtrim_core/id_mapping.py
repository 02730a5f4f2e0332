"""The mapping from draft ids to target ids (d2t, t2d): what makes one, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.reproducible_files import load_torch, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary


def offsets_to_ids(d2t: Any, t2d: Any = None, *, where: str = "The mapping") -> np.ndarray:
    """int64[k] target ids of an offset mapping, once it is shown to be one.

    d2t: int64[k].  t2d: bool[V] when the consumer reads it; then ids must ascend and be exactly
    the True entries, since trainers slice the target's logits by t2d and index them by draft id.
    InputError says what is wrong, in particular absolute ids where offsets belong, which trainers
    accept silently.
    """
    if not isinstance(d2t, np.ndarray) or d2t.dtype != np.int64 or d2t.ndim != 1 or not len(d2t):
        raise InputError(f"{where}: d2t must be a flat int64 array, not {_kind(d2t)}.")
    ids = d2t + np.arange(len(d2t))
    if t2d is None:
        return check_ids(ids, where=where)
    if not isinstance(t2d, np.ndarray) or t2d.dtype != bool or t2d.ndim != 1:
        raise InputError(f"{where}: t2d must be a flat bool array, not {_kind(t2d)}.")
    kept = np.flatnonzero(t2d)
    if np.array_equal(kept, d2t) and not np.array_equal(kept, ids):
        raise InputError(
            f"{where}: d2t holds absolute token ids, but offsets (id minus position) are expected; "
            "subtract 0, 1, 2, ... from it."
        )
    if not np.array_equal(kept, ids):
        raise InputError(
            f"{where}: t2d marks {len(kept):,} tokens that are not the {len(ids):,} tokens of d2t "
            "in ascending order; export both again from one vocabulary."
        )
    return ids


def check_ids(ids: Any, vocab_size: int | None = None, *, where: str = "The list") -> np.ndarray:
    """int64[k] absolute ids as given, once they are unique and within 0..V-1 (any order)."""
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
    """The .pt of SpecForge and EAGLE: {"d2t": int64[k] offsets, "t2d": bool[V]}."""
    return save_torch(path, {"d2t": vocabulary.d2t, "t2d": vocabulary.t2d})


def load_pair(path: Path) -> np.ndarray:
    """int64[k] target ids of such a .pt; InputError unless both halves agree."""
    pair = load_torch(path)
    if not isinstance(pair, dict) or not {"d2t", "t2d"} <= pair.keys():
        raise InputError(f'{path} must hold a dict with "d2t" and "t2d".')
    return offsets_to_ids(pair["d2t"], pair["t2d"], where=str(path))


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__
