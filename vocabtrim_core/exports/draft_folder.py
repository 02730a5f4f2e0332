"""The trimmed EAGLE-3 draft folder that engines serve; one copy serves all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.vocabulary import DraftVocabulary

HOME = "draft"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """config.json, weights with d2t and t2d, and whatever else the draft's folder holds."""
    from vocabtrim_core.drafts.slicing import slice_draft

    if context.draft is None:
        raise InputError("A draft folder is cut from a draft checkpoint; name its folder.")
    slice_draft(
        context.draft,
        vocabulary,
        folder,
        target=context.target,
        progress=context.progress,
        command=context.command,
    )
    return sorted(path for path in folder.iterdir() if path.is_file())


def read(folder: Path, k: int) -> np.ndarray:
    """The token of each head row, once config, head, d2t and t2d agree."""
    from vocabtrim_core.drafts.slicing import read_sliced

    return read_sliced(folder).ids


def exporter(name: str, **texts: str) -> Exporter:
    """A consumer of this folder."""
    return Exporter(
        name=name,
        stage="serve",
        semantics="offset",
        order="ascending",
        files=("config.json", "model.safetensors"),
        write=write,
        read=read,
        needs_draft=True,
        shared_home=HOME,
        **texts,  # type: ignore[arg-type]
    )
