"""EAGLE's own EAGLE-3 trainer: cache.pt in the directory where training starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import load_pair, save_pair
from vocabtrim_core.vocabulary import DraftVocabulary


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: cache.pt, the pair of d2t and t2d."""
    return [save_pair(folder / "cache.pt", vocabulary)]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the target ids of the pair."""
    return load_pair(folder / "cache.pt")


EXPORTER = Exporter(
    name="eagle",
    title="EAGLE",
    consumer="SafeAILab EAGLE, traineagle3",
    stage="train",
    semantics="offset",
    order="ascending",
    files=("cache.pt",),
    how="Copy the file into the directory where traineagle3/main.py is started, and set the size "
    "in traineagle3/config.json.",
    example='cp eagle/cache.pt WORKING_DIRECTORY  # config.json: "draft_vocab_size": <N>',
    limits="The trainer reuses whatever cache.pt it finds, for any dataset and size: remove an old "
    "one first, and keep draft_vocab_size equal to <N>.",
    proof="documented",
    checked="Written to the documented format, the one traineagle3/cnets.py saves and loads; not "
    "loaded with EAGLE's code, whose trainer is not an installable package.",
    full="eagle: all V tokens are kept, so the mapping is the identity; the trainer always reads "
    "one.",
    write=write,
    read=read,
)
