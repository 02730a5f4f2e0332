"""The LM head of an EAGLE-3 draft: its tensor, and the token of each of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vocabtrim_core.drafts.checkpoint import Checkpoint
from vocabtrim_core.drafts.tensor_files import FLOATS, StoredTensor
from vocabtrim_core.errors import InputError
from vocabtrim_core.id_mapping import check_ids, offsets_to_ids
from vocabtrim_core.model_config import CONFIG

HEAD, EMBEDDING = "lm_head.weight", "embed_tokens.weight"


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The LM head that a draft computes its logits with.

    Attributes:
        tensor: [n, H], in its file.
        ids: int64[n], the target token of each row.
        vocab_size: V.
        from_target: Whether the rows are the target's, because the draft has none of its own.
    """

    tensor: StoredTensor
    ids: np.ndarray
    vocab_size: int
    from_target: bool = False

    @property
    def reduced(self) -> bool:
        """Whether the head has fewer than V rows."""
        return len(self.ids) < self.vocab_size


def find_head(draft: Checkpoint, target: Checkpoint | None = None) -> Head:
    """Find the head of an EAGLE-3 draft, or of its target where the draft has none of its own.

    Args:
        draft: The draft.
        target: Its target; needed for a draft without a head.

    Returns:
        The head, with the token of each row.

    Raises:
        InputError: The draft is not a plain, complete, consistent EAGLE-3 draft, ties its head to
            its embedding, or needs a target.
    """
    width, size = check_draft(draft)
    if draft.model.stated("tie_word_embeddings"):
        raise InputError(
            f"{draft.folder} ties its head to its embedding (tie_word_embeddings), so trimming "
            "one would trim the other; untie the draft first."
        )
    if HEAD in draft.tensors:
        return _own_head(draft, width, size)
    if target is None:
        raise InputError(
            f"{draft.folder} has no {HEAD} of its own; name the folder of its target, whose head "
            "it uses (--target)."
        )
    return _target_head(draft, target, width, size)


def check_draft(draft: Checkpoint) -> tuple[int, int]:
    """Check that a model folder holds an EAGLE-3 draft.

    Args:
        draft: The model folder.

    Returns:
        H and V.

    Raises:
        InputError: It is no EAGLE-3 draft, or its tensors do not fit its config.json.
    """
    # These are the target's sizes, so transformers' defaults do not apply.
    for name in ("hidden_size", "vocab_size"):
        if draft.model.stated(name) is None:
            raise InputError(f"{draft.folder / CONFIG} has no {name}; is it a draft's config?")
    width, size = draft.model.required("hidden_size"), draft.model.required("vocab_size")
    _check_eagle3(draft, width, size)
    return width, size


def _check_eagle3(draft: Checkpoint, width: int, size: int) -> None:
    """Check the tensors of EAGLE-3: fc fuses features, the layer reads [embedding, hidden]."""
    tensors = draft.tensors
    fusion = tensors.get("fc.weight")
    wide = any(
        ".self_attn." in f".{name}" and tensor.shape[1:] == (2 * width,)
        for name, tensor in tensors.items()
    )
    if fusion is None or not wide:
        lacks = "an fc.weight" if fusion is None else f"attention over 2 x {width:,} values"
        raise InputError(
            f"{draft.folder} lacks {lacks}, so it is no EAGLE-3 draft of hidden_size {width:,}; "
            "EAGLE-1 and EAGLE-2 drafts take SGLang's token map instead (format sglang)."
        )
    for name, tensor in tensors.items():
        rows = {"fc.weight": width, EMBEDDING: size, f"model.{EMBEDDING}": size}.get(name)
        if rows is not None and (len(tensor.shape) != 2 or tensor.shape[0] != rows):
            raise InputError(
                f"{draft.folder}: {name} has shape {list(tensor.shape)}, but {CONFIG} asks for "
                f"{rows:,} rows."
            )


def _own_head(draft: Checkpoint, width: int, size: int) -> Head:
    tensor = draft.tensors[HEAD]
    _check_plain(draft, tensor, width)
    rows, stated = tensor.shape[0], draft.size("draft_vocab_size")
    if stated is not None and stated != rows:
        raise InputError(
            f"{draft.folder / CONFIG} says draft_vocab_size = {stated:,}, but {HEAD} has {rows:,} "
            "rows; the files belong to different drafts."
        )
    return Head(tensor, _ids(draft, rows, size), size)


def _ids(draft: Checkpoint, rows: int, size: int) -> np.ndarray:
    """Return the token of each row, int64[rows], from d2t where there is one."""
    d2t, t2d = (draft.tensors.get(name) for name in ("d2t", "t2d"))
    where = str(draft.folder)
    if rows > size:
        raise InputError(
            f"{where}: {HEAD} has {rows:,} rows, more than vocab_size = {size:,} of {CONFIG}."
        )
    if d2t is None:
        if rows < size:
            raise InputError(
                f"{where}: {HEAD} has {rows:,} rows for vocab_size = {size:,}, but no d2t says "
                "which tokens they are; the mapping it was trained with is needed."
            )
        return np.arange(size)
    offsets = d2t.integers()
    if offsets.shape != (rows,):
        raise InputError(
            f"{where}: d2t has {len(offsets):,} entries, but {HEAD} has {rows:,} rows."
        )
    mask = None if t2d is None else t2d.mask()
    if mask is not None and len(mask) != size:
        raise InputError(
            f"{where}: t2d has {len(mask):,} entries, but vocab_size of {CONFIG} is {size:,}."
        )
    ids = offsets + np.arange(rows)
    # Rows may be in any order, which t2d does not give.
    if mask is not None and not np.array_equal(np.sort(ids), np.flatnonzero(mask)):
        offsets_to_ids(offsets, mask, where=where)
    return check_ids(ids, size, where=f"{where}: d2t")


def _target_head(draft: Checkpoint, target: Checkpoint, width: int, size: int) -> Head:
    target_size = target.size("vocab_size")
    if target_size != size:
        raise InputError(
            f"{draft.folder / CONFIG} says vocab_size = {size:,}, but the target "
            f"{target.folder / CONFIG} says {target_size or 0:,}; they belong to different models."
        )
    # A tied target computes its logits with its embedding.
    names = (HEAD, EMBEDDING) if target.model.get("tie_word_embeddings") else (HEAD,)
    for name in names:
        matches = [t for key, t in target.tensors.items() if key.endswith(name)]
        if len(matches) == 1:
            _check_plain(target, matches[0], width)
            if matches[0].shape[0] != size:
                raise InputError(
                    f"{target.folder}: {matches[0].name} has {matches[0].shape[0]:,} rows, but "
                    f"vocab_size is {size:,}."
                )
            return Head(matches[0], np.arange(size), size, from_target=True)
    raise InputError(f"The target {target.folder} has no {names[0]} to take rows from.")


def _check_plain(model: Checkpoint, tensor: StoredTensor, width: int) -> None:
    """Check that a head is one unquantised matrix [rows, hidden_size] without further tensors."""
    name = tensor.name
    if tensor.dtype not in FLOATS:
        raise InputError(
            f"{model.folder}: {name} is {tensor.dtype}, a quantised head, whose rows cannot be "
            "taken apart safely; trim the unquantised draft and quantise it again."
        )
    part = name.removesuffix("weight")
    companions = sorted(key for key in model.tensors if key != name and key.startswith(part))
    if companions:
        raise InputError(
            f"{model.folder}: beside {name} there is {companions[0]}, which would have to be "
            "trimmed too and is not understood (a quantised or biased head)."
        )
    if len(tensor.shape) != 2 or tensor.shape[1] != width or not tensor.shape[0]:
        raise InputError(
            f"{model.folder}: {name} has shape {list(tensor.shape)}, but hidden_size = {width:,} "
            f"of {CONFIG} asks for [rows, {width}]."
        )


def rows_of(head: Head, ids: np.ndarray) -> np.ndarray:
    """Find the head's rows of some tokens.

    Args:
        head: The head.
        ids: int64[k] token ids, each within 0..V-1.

    Returns:
        int64[k], the row of each token; -1 where the head has none.
    """
    row = np.full(head.vocab_size, -1, np.int64)
    row[head.ids] = np.arange(len(head.ids))
    return row[ids]
