"""The trimmed EAGLE-3 draft folder that engines serve; one copy is for all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.draft_kinds.aux_layers import NESTED, read_layers
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.vocabulary import DraftVocabulary

HOME = "draft"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: config.json, weights with the mapping, other files."""
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
    """Implements `Exporter.read`: the token of each head row, if config, head and mapping fit."""
    from vocabtrim_core.drafts.slicing import read_sliced

    return read_sliced(folder).ids


def notes(context: ExportContext) -> list[str]:
    """Implements `Exporter.notes`: the draft's source, and the layers that it reads."""
    from vocabtrim_core.drafts.checkpoint import open_checkpoint
    from vocabtrim_core.model_config import CONFIG

    if context.draft is None:
        return []
    draft = open_checkpoint(context.draft)
    layers = read_layers(draft.config, str(draft.folder / CONFIG))
    reads = (
        f"The draft reads the outputs of the target's decoder layers {list(layers)}, counted from "
        f"0. config.json names them twice: under {NESTED} for SGLang, which counts so, and at the "
        f"top level, one higher, for vLLM and llama.cpp, which count the embedding first. "
        "TensorRT-LLM reads neither: give eagle3_layers_to_capture these layers."
        if layers
        else "The draft's config.json names no layers of the target: engines take layers 1, "
        "n // 2 - 1 and n - 4 of n, counted from 0, which is right for drafts trained on those."
    )
    return [
        f"The draft is {draft.name} with the head rows of these tokens, not trained again: the "
        "logits of kept tokens are unchanged, and the other tokens cannot be drafted.",
        reads,
    ]


def exporter(name: str, **texts: str) -> Exporter:
    """Build the format of an engine that loads this folder.

    Args:
        name: The format's name.
        **texts: The fields of `Exporter` that differ: title, consumer, how, example, limits, proof
            checked, and served where an engine did.

    Returns:
        The format; it shares the folder HOME with the others.
    """
    return Exporter(
        name=name,
        stage="serve",
        semantics="offset",
        order="ascending",
        files=("config.json", "model.safetensors"),
        write=write,
        read=read,
        notes=notes,
        full="The draft keeps all V tokens, so it has no d2t and t2d: vLLM refuses them there, and "
        "SGLang, llama.cpp and TensorRT-LLM take draft ids for target ids without them.",
        needs_draft=True,
        shared_home=HOME,
        **texts,  # type: ignore[arg-type]
    )
