"""NVIDIA Model-Optimizer: a bare tensor of offsets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import offsets_to_ids
from vocabtrim_core.reproducible_files import load_torch, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: d2t.pt, a bare int64[k]; its readers compare dtype and shape."""
    return [save_torch(folder / "d2t.pt", vocabulary.d2t)]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the target ids of the offsets."""
    return offsets_to_ids(load_torch(folder / "d2t.pt"), where=str(folder / "d2t.pt"))


EXPORTER = Exporter(
    name="modelopt",
    title="Model-Optimizer",
    consumer="NVIDIA Model-Optimizer 0.47.0, EAGLE-3 training",
    stage="train",
    semantics="offset",
    order="ascending",
    files=("d2t.pt",),
    how="Name the file and the size in the EAGLE-3 recipe.",
    example="data:\n"
    "  draft_vocab_cache: modelopt/d2t.pt\n"
    "eagle:\n"
    "  eagle_architecture_config:\n"
    "    draft_vocab_size: <N>",
    limits="The file is read only when draft_vocab_size is below the target's vocab_size, and must "
    "then hold exactly that many int64 offsets. It has no t2d.",
    proof="loaded",
    checked="Loaded with nvidia-modelopt 0.47.0's own load_draft_vocab_cache in tests, and its "
    "logit mapping picks our tokens. No training step is run there.",
    full="modelopt: all V tokens are kept, so d2t.pt is all zeros and is not read; leave "
    "draft_vocab_cache and draft_vocab_size out.",
    write=write,
    read=read,
)
