"""vLLM's speculators: d2t and t2d as .npy under the old and the new names, and the counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import offsets_to_ids
from vocabtrim_core.reproducible_files import load_arrays, save_npy, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: both arrays, each twice; token_freq.pt with counts."""
    k = len(vocabulary)
    files = []
    for suffix in ("", f"-{k}"):
        files.append(save_npy(folder / f"d2t{suffix}.npy", vocabulary.d2t))
        files.append(save_npy(folder / f"t2d{suffix}.npy", vocabulary.t2d))
    if context.counts is not None:
        seen_ids = np.flatnonzero(context.counts.counts)
        frequencies = dict(
            zip(seen_ids.tolist(), context.counts.counts[seen_ids].tolist(), strict=True)
        )
        files.append(save_torch(folder / "token_freq.pt", frequencies))
    return files


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the target ids, once the files of both names agree."""
    new, old = (
        offsets_to_ids(
            load_arrays(folder / f"d2t{suffix}.npy"),
            load_arrays(folder / f"t2d{suffix}.npy"),
            where=f"{folder}/d2t{suffix}.npy",
        )
        for suffix in (f"-{k}", "")
    )
    if not np.array_equal(new, old):
        raise InputError(f"{folder}: d2t.npy and d2t-{k}.npy hold different tokens.")
    return new


EXPORTER = Exporter(
    name="speculators",
    title="speculators",
    consumer="speculators 0.9.0, training for vLLM",
    stage="train",
    semantics="offset",
    order="ascending",
    files=("d2t.npy", "t2d.npy", "d2t-<N>.npy", "t2d-<N>.npy", "token_freq.pt"),
    how="Pass both paths. Or copy the files into your --data-path and pass the size alone; "
    "releases up to August 2026 look there for d2t.npy and t2d.npy, later ones for the names with "
    "the size.",
    example="speculators train --draft-vocab-size <N> \\\n"
    "  --d2t-path speculators/d2t-<N>.npy --t2d-path speculators/t2d-<N>.npy",
    limits="Give both paths or neither. token_freq.pt serves other sizes: with --draft-vocab-size "
    "and no mapping of that size, speculators keeps the most frequent tokens of it, without any "
    "token that was protected by hand here.",
    proof="loaded",
    checked="Loaded with speculators 0.9.0's own code in tests: its train command's "
    "parse_vocab_mappings and the EAGLE-3 draft's load_vocab_mappings; its own selection from "
    "token_freq.pt gives the same arrays. No training step is run there.",
    full="speculators: all V tokens are kept, so the mapping is the identity; speculators passes "
    "over it and writes a draft without one.",
    write=write,
    read=read,
    wants={"counts": "speculators: token_freq.pt is left out, because no counts were given."},
)
