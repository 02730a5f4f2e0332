"""GGUF files with MTP layers: their head, and the tokens of a smaller one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.drafts.hub_checkpoint import hub_checkpoint, is_hub_id
from vocabtrim_core.drafts.mtp.heads import NEXTN, DraftHead, ModelHeads, find_heads
from vocabtrim_core.drafts.mtp.layouts import HeadMatrix, TensorPart
from vocabtrim_core.drafts.tensor_files import StoredTensor
from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.gguf_vocabulary import open_gguf
from vocabtrim_core.vocabulary import DraftVocabulary

GGUF = ".gguf"
ARCHITECTURES = ("qwen35", "qwen35moe")  # whose reader looks for the smaller head
IDS_KEY, D2T = "nextn_draft_vocab_ids", "d2t"
DRAFT_HEAD = "blk.{}.nextn.draft_head.weight"
SHARED_HEAD = "nextn.shared_head_head.weight"
OUTPUT, EMBEDDING = "output.weight", "token_embd.weight"


@dataclass(frozen=True, slots=True)
class GgufHeads:
    """The heads of a GGUF file.

    Attributes:
        vocab_size: V, the rows of its head.
        tied: Whether the head is the embedding.
        drafts: Its MTP layers; () without.
        tensors: (name, type, shape with the rows first, bytes) of each tensor.
    """

    vocab_size: int
    tied: bool
    drafts: tuple[DraftHead, ...]
    tensors: list[tuple[str, str, tuple[int, ...], int]]


def heads_in(model: Path) -> ModelHeads | GgufHeads:
    """Find the heads of a model, from headers alone.

    Args:
        model: A GGUF file, the folder of a checkpoint, or the id of one on the hub.

    Returns:
        Its heads.

    Raises:
        InputError: As `find_gguf_heads`, `find_heads` and `hub_checkpoint`.
    """
    if model.suffix == GGUF:
        return find_gguf_heads(model)
    return find_heads(hub_checkpoint(str(model)) if is_hub_id(model) else model)


def find_gguf_heads(path: Path) -> GgufHeads:
    """Find the heads of a GGUF file, from its header.

    Args:
        path: The file.

    Returns:
        Its heads; no weight is read.

    Raises:
        InputError: It is no GGUF file, or has no head.
    """
    reader = open_gguf(path)
    by_name = {tensor.name: tensor for tensor in reader.tensors}
    listed = [
        (t.name, t.tensor_type.name, tuple(map(int, t.shape[::-1])), int(t.n_bytes))
        for t in reader.tensors
    ]
    stored = by_name.get(OUTPUT) or by_name.get(EMBEDDING)
    if stored is None:
        raise InputError(f"{path} has neither {OUTPUT} nor {EMBEDDING}; it has no head.")
    tied = OUTPUT not in by_name
    whole = _matrix(stored)
    architecture, layers, nextn = _layers(reader)
    drafts: list[DraftHead] = []
    for number in range(layers - nextn, layers):
        mine = [t for t in reader.tensors if t.name.startswith(f"blk.{number}.")]
        own = next((t for t in mine if SHARED_HEAD in t.name), None)
        over = ("nextn.shared_head_head", "nextn.embed_tokens", "nextn.draft_head")
        body = [t for t in mine if not any(name in t.name for name in over)]
        active = _active(reader, architecture)
        drafts.append(
            DraftHead(
                NEXTN,
                f"blk.{number}",
                sum(int(t.n_bytes) for t in body),
                int(sum(int(t.n_bytes) * (active if "_exps." in t.name else 1) for t in body)),
                _matrix(own) if own is not None else whole,
                own is not None,
                _smaller(by_name, number),
            )
        )
    return GgufHeads(whole.rows, tied, tuple(drafts), listed)


def _matrix(tensor: Any) -> HeadMatrix:
    width, rows = (int(n) for n in tensor.shape)
    kind = tensor.tensor_type.name
    data = tensor.data.reshape(-1).view(np.uint8)
    part = TensorPart("weight", StoredTensor(tensor.name, kind, (rows, width), data), "rows")
    return HeadMatrix(tensor.name.removesuffix(".weight"), f"GGUF {kind}", rows, width, (part,))


def _smaller(by_name: dict[str, Any], number: int) -> int:
    if (head := by_name.get(DRAFT_HEAD.format(number))) is not None:
        return int(head.shape[1])
    return int(by_name[D2T].shape[0]) if D2T in by_name else 0


def _number(reader: Any, name: str) -> int:
    field = reader.get_field(name)
    return int(field.contents()) if field is not None else 0


def _layers(reader: Any) -> tuple[str, int, int]:
    """(architecture, layers, those of them that are MTP layers)."""
    field = reader.get_field("general.architecture")
    architecture = str(field.contents()) if field is not None else ""
    layers = _number(reader, f"{architecture}.block_count")
    return architecture, layers, _number(reader, f"{architecture}.nextn_predict_layers")


def _active(reader: Any, architecture: str) -> float:
    total = _number(reader, f"{architecture}.expert_count")
    return _number(reader, f"{architecture}.expert_used_count") / total if total else 1.0


def read_ids(path: Path) -> tuple[np.ndarray, int | None, int | None]:
    """Read the tokens of the smaller head in a GGUF file.

    Args:
        path: The file.

    Returns:
        int64[k], the token of each row; V, and the rows of the head, None where unknown.

    Raises:
        InputError: It is no GGUF file, or has no smaller head.
    """
    reader = open_gguf(path)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    tokens = reader.get_field("tokenizer.ggml.tokens")
    size = len(tokens.data) if tokens is not None else None
    for name, field in reader.fields.items():
        if name.endswith(f".{IDS_KEY}"):
            heads = [t for n, t in tensors.items() if n.endswith("nextn.draft_head.weight")]
            rows = int(heads[0].shape[1]) if heads else None
            return np.array(field.contents(), np.int64), size, rows
    if D2T in tensors:
        heads = [t for n, t in tensors.items() if n == OUTPUT or SHARED_HEAD in n]
        rows = int(heads[0].shape[1]) if heads else None
        return np.array(tensors[D2T].data, np.int64).reshape(-1), size, rows
    raise InputError(f"{path} has neither a key {IDS_KEY} nor a tensor d2t: its head is whole.")


def first_nextn(reader: Any, architecture: str, source: Path) -> int:
    """Find the first MTP layer of a GGUF file.

    Args:
        reader: The opened file.
        architecture: Its general.architecture.
        source: Its path, for messages.

    Returns:
        The layer's number.

    Raises:
        InputError: It has none.
    """
    _, layers, nextn = _layers(reader)
    if not nextn:
        raise InputError(
            f"{source} has no MTP layer ({architecture}.nextn_predict_layers is 0 or missing); "
            "convert the model with its MTP layers."
        )
    return layers - nextn


def whole_head(by_name: dict[str, Any], vocabulary: DraftVocabulary, source: Path) -> Any:
    """Find the head that MTP layers share with the model.

    Args:
        by_name: The file's tensors.
        vocabulary: The list, whose V the head must have.
        source: The file's path, for messages.

    Returns:
        A gguf.ReaderTensor: output.weight, or the embedding where the two are tied.

    Raises:
        InputError: There is none, or it is of another V.
    """
    names = [OUTPUT, *(name for name in by_name if SHARED_HEAD in name), EMBEDDING]
    head = next((by_name[name] for name in names if name in by_name), None)
    if head is None:
        raise InputError(f"{source} has neither {OUTPUT} nor {EMBEDDING} to take rows from.")
    if int(head.shape[1]) != vocabulary.vocab_size:
        raise InputError(
            f"The list belongs to V = {vocabulary.vocab_size:,}, but {head.name} of {source} has "
            f"{int(head.shape[1]):,} rows; choose one counted with the model's own tokenizer."
        )
    return head
