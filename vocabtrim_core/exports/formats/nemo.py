"""NVIDIA NeMo Automodel: absolute ids with the target's vocabulary size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import check_ids
from vocabtrim_core.reproducible_files import load_torch, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary

NAME = "draft_token_map.pt"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: {"selected_token_ids": int64[k], "target_vocab_size": V}."""
    value = {
        "selected_token_ids": vocabulary.ids,
        "target_vocab_size": vocabulary.vocab_size,
    }
    return [save_torch(folder / NAME, value)]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the selected ids, checked against the stated vocabulary size."""
    path = folder / NAME
    value = load_torch(path)
    if not isinstance(value, dict) or not isinstance(value.get("target_vocab_size"), int):
        raise InputError(f'{path} must hold "selected_token_ids" and a whole "target_vocab_size".')
    return check_ids(value.get("selected_token_ids"), value["target_vocab_size"], where=str(path))


EXPORTER = Exporter(
    name="nemo",
    title="NeMo Automodel",
    consumer="NVIDIA NeMo Automodel 0.7.0, EAGLE-3 training",
    stage="train",
    semantics="absolute",
    order="ascending",
    files=(NAME,),
    how="Name the file and the size in the EAGLE-3 recipe.",
    example="recipe_args:\n"
    "  selected_token_ids_path: nemo/draft_token_map.pt\n"
    "  draft_vocab_size: <N>",
    limits="With another draft_vocab_size, or another vocab_size in the target's config, NeMo logs "
    "a warning, ignores the file and counts the training data itself. Give the training a copy: "
    "NeMo then writes its own map to this path.",
    proof="loaded",
    checked="Loaded with nemo-automodel 0.7.0's own load_eagle3_token_mapping in tests. No "
    "training step is run there.",
    full="nemo: all V tokens are kept, so the map is the identity, which NeMo loads.",
    write=write,
    read=read,
)
