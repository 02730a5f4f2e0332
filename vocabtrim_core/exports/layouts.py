"""File layouts that more than one consumer reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.checks import check_ids, offsets_to_ids
from vocabtrim_core.exports.exporter import SIZE, ExportContext
from vocabtrim_core.exports.files import load_torch, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary


def save_pair(path: Path, vocabulary: DraftVocabulary) -> Path:
    """The .pt of SpecForge and EAGLE: {"d2t": int64[k] offsets, "t2d": bool[V]}."""
    return save_torch(path, {"d2t": vocabulary.d2t, "t2d": vocabulary.t2d})


def load_pair(path: Path) -> np.ndarray:
    """int64[k] target ids of such a .pt; InputError unless both halves agree."""
    pair = load_torch(path)
    if not isinstance(pair, dict) or not {"d2t", "t2d"} <= pair.keys():
        raise InputError(f'{path} must hold a dict with "d2t" and "t2d".')
    return offsets_to_ids(pair["d2t"], pair["t2d"], where=str(path))


def token_list(
    name: str,
) -> tuple[
    Callable[[DraftVocabulary, ExportContext, Path], list[Path]],
    Callable[[Path, int], np.ndarray],
]:
    """write and read of FR-Spec's token map: a list of absolute ids, most frequent first.

    The head's rows are cut from the target's at run time, so any order works; by frequency, the
    first n entries are also the best map of size n.
    """

    def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
        path = folder / name.replace(SIZE, str(len(vocabulary)))
        return [save_torch(path, context.by_frequency(vocabulary.ids).tolist())]

    def read(folder: Path, k: int) -> np.ndarray:
        path = folder / name.replace(SIZE, str(k))
        return check_ids(load_torch(path), where=str(path))

    return write, read
