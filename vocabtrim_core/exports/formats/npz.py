"""Numpy arrays in one file: the ids and both mappings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import check_ids, offsets_to_ids
from vocabtrim_core.reproducible_files import load_arrays, save_npz
from vocabtrim_core.vocabulary import DraftVocabulary

NAME = "draft_vocabulary.npz"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: ids int64[k], d2t int64[k] and t2d bool[V], without pickle."""
    arrays = {"ids": vocabulary.ids, "d2t": vocabulary.d2t, "t2d": vocabulary.t2d}
    return [save_npz(folder / NAME, **arrays)]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the ids, once the three arrays agree."""
    path = folder / NAME
    arrays = load_arrays(path)
    if not isinstance(arrays, dict) or not {"ids", "d2t", "t2d"} <= arrays.keys():
        raise InputError(f"{path} must hold the arrays ids, d2t and t2d.")
    ids = offsets_to_ids(arrays["d2t"], arrays["t2d"], where=str(path))
    if not np.array_equal(ids, check_ids(arrays["ids"], len(arrays["t2d"]), where=str(path))):
        raise InputError(f"{path}: ids and d2t hold different tokens.")
    return ids


EXPORTER = Exporter(
    name="npz",
    title="NumPy",
    consumer="your own scripts",
    stage="plain",
    semantics="offset",
    order="ascending",
    files=(NAME,),
    how="The file holds ids (int64, absolute), d2t (int64 offsets) and t2d (bool).",
    example='ids = numpy.load("npz/draft_vocabulary.npz")["ids"]; trimmed_head = head[ids]',
    limits="None.",
    proof="own",
    checked="Read back by our own reader in tests.",
    write=write,
    read=read,
)
