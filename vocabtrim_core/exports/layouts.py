"""File layouts that more than one consumer reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vocabtrim_core.exports.exporter import SIZE, ExportContext
from vocabtrim_core.id_mapping import check_ids
from vocabtrim_core.reproducible_files import load_torch, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary


def token_list(
    name: str,
) -> tuple[
    Callable[[DraftVocabulary, ExportContext, Path], list[Path]],
    Callable[[Path, int], np.ndarray],
]:
    """Make the writer and the reader of FR-Spec's token map.

    The file is a list of absolute ids, most frequent first. The head's rows are cut from the
    target's at run time, so any order works; by frequency, the first n entries are also the best
    map of size n.

    Args:
        name: The file's name; <N> in it stands for k.

    Returns:
        `Exporter.write` and `Exporter.read` of this file.
    """

    def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
        path = folder / name.replace(SIZE, str(len(vocabulary)))
        return [save_torch(path, context.by_frequency(vocabulary.ids).tolist())]

    def read(folder: Path, k: int) -> np.ndarray:
        path = folder / name.replace(SIZE, str(k))
        return check_ids(load_torch(path), where=str(path))

    return write, read
