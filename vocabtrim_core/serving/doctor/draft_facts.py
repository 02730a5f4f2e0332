"""What the files of a draft say: the rows of its head, its mapping, and the layers it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.draft_kinds.aux_layers import KEY, NESTED, default, read_layers
from vocabtrim_core.drafts.checkpoint import Checkpoint, open_checkpoint
from vocabtrim_core.drafts.lm_head import EMBEDDING, HEAD, find_head
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG

VLLM, SGLANG, LLAMA_CPP = "vLLM", "SGLang", "llama.cpp"


@dataclass(frozen=True, slots=True)
class DraftFacts:
    """What a draft's folder says.

    Attributes:
        name: The folder's own name.
        k: draft_vocab_size of config.json, V where it names none; None where neither is there.
        vocab_size: V; None where config.json does not name it.
        rows: Rows of the head in the weights; None where the draft has no head of its own.
        mapped: Entries of d2t; None where there is none.
        ids: int64[k], the target token of each row; None where they cannot be read.
        problem: Why head and mapping do not fit, "" where they do.
        trained: The 0-based target layers that it was trained on; None where none are named.
        layers_problem: Why the layers cannot be read.
        config: The content of config.json.
        other_bytes: Bytes of the weights without the head.
        row_bytes: Bytes of one row of the head.
        embedded: Whether the folder has an embedding of its own.
        folder: The folder; None where the facts are of none.
    """

    name: str
    k: int | None
    vocab_size: int | None
    rows: int | None
    mapped: int | None
    ids: np.ndarray | None = None
    problem: str = ""
    trained: tuple[int, ...] | None = None
    layers_problem: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    other_bytes: int = 0
    row_bytes: int = 0
    embedded: bool = False
    folder: Path | None = None

    def bytes_with(self, rows: int) -> int:
        """Size of the weights with a head of some rows.

        Args:
            rows: Rows of the head.

        Returns:
            Bytes.
        """
        return self.other_bytes + rows * self.row_bytes


def draft_facts(folder: str | Path) -> DraftFacts:
    """Read the files of a draft, sound or not.

    Args:
        folder: Its folder.

    Returns:
        What they say; what does not fit is in it as a sentence.

    Raises:
        InputError: There is no model folder, or a file of it cannot be read.
    """
    draft = open_checkpoint(folder)
    tensors = draft.tensors
    head = tensors.get(HEAD)
    mapping = tensors.get("d2t")
    size = draft.size("vocab_size")
    ids, problem = _ids(draft)
    trained, layers_problem = _trained(draft)
    total = sum(len(tensor.data) for tensor in tensors.values())
    return DraftFacts(
        draft.name,
        draft.size("draft_vocab_size") or size,
        size,
        head.shape[0] if head else None,
        mapping.shape[0] if mapping else None,
        ids,
        problem,
        trained,
        layers_problem,
        draft.config,
        other_bytes=total - (len(head.data) if head else 0),
        row_bytes=len(head.data) // head.shape[0] if head and head.shape[0] else 0,
        embedded=EMBEDDING in tensors,
        folder=draft.folder,
    )


def _ids(draft: Checkpoint) -> tuple[np.ndarray | None, str]:
    try:
        head = find_head(draft)
    except InputError as error:
        return None, str(error)
    k = draft.size("draft_vocab_size")
    if k is not None and k != len(head.ids):
        return head.ids, (
            f"{draft.folder / CONFIG} says draft_vocab_size = {k:,}, but the head has "
            f"{len(head.ids):,} rows."
        )
    return head.ids, ""


def _trained(draft: Checkpoint) -> tuple[tuple[int, ...] | None, str]:
    try:
        return read_layers(draft.config, str(draft.folder / CONFIG)), ""
    except InputError as error:
        return None, str(error)


def layers_fed(
    config: Mapping[str, Any], engine: str, target_layers: int | None = None
) -> tuple[int, ...] | None:
    """The target layers that an engine feeds a draft of this config.json.

    vLLM and llama.cpp read the top-level list, which counts the embedding as 0; vLLM takes the
    nested list, unchanged, where there is no other; SGLang reads the nested list alone, which
    counts from the first decoder layer. All have the same default. Source: the code of vLLM 0.32.0,
    SGLang 0.5.23 and llama.cpp of October 2026.

    Args:
        config: The draft's config.json.
        engine: VLLM, SGLANG or LLAMA_CPP.
        target_layers: Decoder layers of the target, for the default; None where unknown.

    Returns:
        0-based decoder layers; None where the engine takes its default of an unknown target.
    """
    nested = config.get(NESTED)
    inner = _numbers(nested.get(KEY) if isinstance(nested, Mapping) else None)
    outer = _numbers(config.get(KEY))
    if engine == SGLANG:
        layers = inner
    elif engine == VLLM:
        layers = [i - 1 for i in outer or inner or ()]
    else:
        layers = [i - 1 for i in outer or ()]
    if layers:
        return tuple(layers)
    return None if target_layers is None else default(target_layers)


def _numbers(value: Any) -> Sequence[int] | None:
    sound = isinstance(value, list | tuple) and all(type(i) is int for i in value)
    return value if sound and value else None
