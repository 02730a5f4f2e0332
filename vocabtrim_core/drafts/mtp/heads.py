"""Which heads over the vocabulary a checkpoint has: its own, and those of its drafts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vocabtrim_core.drafts.checkpoint import Checkpoint, open_checkpoint
from vocabtrim_core.drafts.mtp.layouts import HeadMatrix, head_matrix
from vocabtrim_core.drafts.tensor_files import StoredTensor
from vocabtrim_core.errors import InputError
from vocabtrim_core.layer_weights import all_experts, experts
from vocabtrim_core.model_config import CONFIG

DRAFT_HEAD = "mtp.draft_lm_head"
MTP, NEXTN, EAGLE, MEDUSA = "mtp", "nextn", "eagle", "medusa"
KINDS = {
    MTP: "multi-token prediction (mtp.*)",
    NEXTN: "next-n layer (eh_proj, enorm, hnorm)",
    EAGLE: "EAGLE draft (fc)",
    MEDUSA: "Medusa heads",
}
# The place in a name where the draft's part begins: mtp., model.mtp_layers., model.mtp_block.
_MTP = re.compile(r"(?:^|\.)mtp(?:_layers|_block)?\.")
_LAYER = re.compile(r"^(?:.*\.)?layers\.(\d+)\.")
_MEDUSA = re.compile(r"^(?:medusa_heads?\.)\d+\.")
_TURN = re.compile(r"\.layers\.(\d+)\.")
_EXPERT = re.compile(r"\.experts\.")
HEADS = ("lm_head", "language_model.lm_head", "model.lm_head", "output", "head")
EMBEDDINGS = (
    "model.embed_tokens",
    "model.language_model.embed_tokens",
    "language_model.model.embed_tokens",
    "embed_tokens",
)


@dataclass(frozen=True, slots=True, eq=False)
class DraftHead:
    """A draft inside a checkpoint.

    Attributes:
        kind: A key of KINDS.
        name: Where its tensors are, such as "mtp" or "model.layers.61".
        layer_bytes: Its tensors but heads and embeddings.
        step_bytes: Those of them that one drafted token reads: of experts the active ones, of
            several MTP layers one.
        head: The matrix that it computes logits with.
        own: Whether that matrix is its own, and not the target's.
        trimmed: Rows of a smaller head that stands beside it already (mtp.draft_lm_head); 0
            without.
    """

    kind: str
    name: str
    layer_bytes: int
    step_bytes: int
    head: HeadMatrix
    own: bool
    trimmed: int = 0

    def share(self, k: int) -> float:
        """Share of the head in the bytes that a drafted token reads.

        Args:
            k: Rows of the head.

        Returns:
            0..1.
        """
        head = self.head.bytes_of(k)
        return head / (head + self.step_bytes)


@dataclass(frozen=True)
class ModelHeads:
    """The heads of a checkpoint.

    Attributes:
        checkpoint: The opened checkpoint; its weights are not read.
        target: The target's head; its embedding where the two are tied. None in a folder that is
            a draft without one.
        tied: Whether the head is the embedding.
        drafts: The drafts found, in the order of their names.
    """

    checkpoint: Checkpoint
    target: HeadMatrix | None
    tied: bool
    drafts: tuple[DraftHead, ...]

    @cached_property
    def vocab_size(self) -> int:
        """V of config.json."""
        return self.checkpoint.model.required("vocab_size")

    @property
    def tensors(self) -> list[tuple[str, str, tuple[int, ...], int]]:
        """(name, type, shape, bytes) of each tensor."""
        stored = self.checkpoint.tensors.values()
        return [(t.name, t.dtype, t.shape, t.size) for t in stored]

    def draft(self) -> DraftHead:
        """The draft that shares the target's head, or the only one.

        Returns:
            The draft.

        Raises:
            InputError: There is none.
        """
        for draft in self.drafts:
            return draft
        raise InputError(
            f"{self.checkpoint.folder} has no draft among its tensors (mtp.*, a layer with eh_proj,"
            " or fc); give a checkpoint with its MTP layers."
        )


def find_heads(model: str | Path | Checkpoint) -> ModelHeads:
    """Find the heads of a checkpoint, from its index and the headers of its files.

    Args:
        model: The checkpoint, or its folder.

    Returns:
        Its heads; no weight is read, so that memory does not grow with the model.

    Raises:
        InputError: It is no checkpoint, a file is missing, or a head does not fit config.json.
    """
    checkpoint = model if isinstance(model, Checkpoint) else open_checkpoint(model)
    tensors = checkpoint.tensors
    width = checkpoint.model.required("hidden_size")
    size = checkpoint.model.required("vocab_size")
    active = _active_share(checkpoint)
    target, tied = _target(checkpoint, tensors, width, size)
    drafts = []
    for kind, name, names in _groups(checkpoint, tensors):
        own = _own_head(tensors, names, width)
        head = own or target
        if head is None:
            raise InputError(
                f"{checkpoint.folder}: the {KINDS[kind]} uses the head of its target, which is not "
                "here; look at the target's folder, or give SGLang's token map (format sglang)."
            )
        layers = [tensors[n] for n in names if not _is_over_vocabulary(n)]
        # Of several MTP layers each drafted token passes one, in turn.
        count = len({match[1] for n in names if (match := _TURN.search(n))}) if kind == MTP else 1
        drafts.append(
            DraftHead(
                kind,
                name,
                sum(t.size for t in layers),
                int(sum(t.size * _share(t.name, active, count) for t in layers)),
                head,
                own is not None,
                _trimmed(tensors),
            )
        )
    return ModelHeads(checkpoint, target, tied, tuple(drafts))


def _target(
    checkpoint: Checkpoint, tensors: Mapping[str, StoredTensor], width: int, size: int
) -> tuple[HeadMatrix | None, bool]:
    """Return the target's head, and whether it is the embedding."""
    tied = bool(checkpoint.model.get("tie_word_embeddings"))
    layers = {name.rpartition(".")[0] for name in tensors}
    names = [*HEADS, *EMBEDDINGS] if tied else [*HEADS]
    for name in names:
        if name in layers:
            head = head_matrix(tensors, name, width)
            if head.rows != size:
                if "fc.weight" in tensors:  # a draft whose own head is smaller
                    return head, False
                raise InputError(
                    f"{checkpoint.folder}: {name} has {head.rows:,} rows, but {CONFIG} says "
                    f"vocab_size = {size:,}; the files belong to different models."
                )
            return head, name in EMBEDDINGS
    if tied or "fc.weight" in tensors or not any(name in layers for name in EMBEDDINGS):
        return None, tied  # a draft that uses the head of its target
    raise InputError(
        f"{checkpoint.folder} has no lm_head, though {CONFIG} does not tie it to the embedding "
        "(tie_word_embeddings); a file is missing, or the field is wrong."
    )


def _groups(
    checkpoint: Checkpoint, tensors: Mapping[str, StoredTensor]
) -> Iterable[tuple[str, str, list[str]]]:
    """(kind, name, names of its tensors) of each draft."""
    mtp: dict[str, list[str]] = {}
    for name in tensors:
        if (match := _MTP.search(name)) and not name.startswith(f"{DRAFT_HEAD}."):
            mtp.setdefault(name[: match.end() - 1], []).append(name)
    for name in sorted(mtp):
        yield MTP, name, mtp[name]
    markers = [n for n in tensors if n.endswith("eh_proj.weight") and not _MTP.search(n)]
    for marker in sorted(markers):
        match = _LAYER.match(marker)
        if match:
            layer = match.group(0)
            yield NEXTN, layer.removesuffix("."), [n for n in tensors if n.startswith(layer)]
    if "fc.weight" in tensors:
        names = [n for n in tensors if n not in ("d2t", "t2d")]
        yield EAGLE, checkpoint.name, names
    if medusa := [n for n in tensors if _MEDUSA.match(n)]:
        yield MEDUSA, medusa[0].partition(".")[0], medusa


def _is_over_vocabulary(name: str) -> bool:
    """Whether a tensor is a head or an embedding: read by rows, or counted as the head."""
    layer = f".{name.rpartition('.')[0]}"
    return layer.endswith((".embed_tokens", ".shared_head.head", ".lm_head", ".tok_embeddings"))


def _share(name: str, active: float, layers: int) -> float:
    """Share of a tensor that a drafted token reads: the active experts, one of several layers."""
    part = active if _EXPERT.search(name) else 1.0
    return part / layers if layers > 1 and _TURN.search(name) else part


def _own_head(
    tensors: Mapping[str, StoredTensor], names: list[str], width: int
) -> HeadMatrix | None:
    layers = dict.fromkeys(name.rpartition(".")[0] for name in names)
    for layer in layers:
        if f".{layer}".endswith((".shared_head.head", ".lm_head")):
            return head_matrix(tensors, layer, width)
    return None


def _trimmed(tensors: Mapping[str, StoredTensor]) -> int:
    """Rows of mtp.draft_lm_head, of whatever layout."""
    for suffix, axis in (("weight_packed", 0), ("weight", 0), ("scales", 1)):
        if (tensor := tensors.get(f"{DRAFT_HEAD}.{suffix}")) is not None:
            return tensor.shape[axis]
    return 0


def _active_share(checkpoint: Checkpoint) -> float:
    """Share of the experts that a token passes; 1 for a dense model."""
    total = all_experts(checkpoint.model)
    return experts(checkpoint.model) / total if total > 1 and experts(checkpoint.model) else 1.0
