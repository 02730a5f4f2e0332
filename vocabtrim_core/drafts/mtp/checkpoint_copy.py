"""A copy of a checkpoint with a smaller head for its MTP layers.

The layout is the one that vLLM patches for Qwen 3.5 to 3.8 read: `mtp_draft_vocab_ids.pt` (int64,
the token of each row) and the tensors `mtp.draft_lm_head.*`, rows of lm_head as they are stored.
They are in a shard of their own, named in a new index; the other weights are hard links.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import vocabtrim_core
from vocabtrim_core.drafts.checkpoint import INDEX, TORCH
from vocabtrim_core.drafts.mtp.heads import DRAFT_HEAD, MTP, ModelHeads, find_heads
from vocabtrim_core.drafts.mtp.layouts import HeadMatrix
from vocabtrim_core.drafts.mtp.rows import rows_to_write
from vocabtrim_core.drafts.tensor_files import write_safetensors
from vocabtrim_core.errors import InputError
from vocabtrim_core.id_mapping import check_ids
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.reproducible_files import (
    file_sha256,
    load_json,
    load_torch,
    save_json,
    save_torch,
)
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import new_folder

IDS, SHARD, RECORD = "mtp_draft_vocab_ids.pt", "mtp_draft_head.safetensors", "vocabtrim-mtp.json"
FORMAT = "vocabtrim-mtp-1"
WEIGHTS = (".bin", ".gguf", ".pt", ".pth", ".safetensors")


@dataclass(frozen=True, slots=True)
class MtpCopy:
    """The record of a copy, stored as vocabtrim-mtp.json in its folder. Sizes are bytes.

    Attributes:
        k: Rows of the smaller head.
        vocab_size: V.
        vocabulary_sha256: Fingerprint of its tokens.
        source: Name of the checkpoint it was copied from.
        head: The layer whose rows were taken.
        layout: How they are stored.
        head_bytes: Size of the head at V.
        draft_head_bytes: Size of the smaller one, which is stored beside it.
        linked: Files that are hard links to the source's.
        copied: Small files, which a later program may change.
        left_out: Hidden files and folders, which are neither.
        files: Name -> {bytes, sha256} of what was written anew.
        command: The command line that repeats it.
        version: Of this program.
        notes: What the reader of the folder needs to know.
    """

    k: int
    vocab_size: int
    vocabulary_sha256: str
    source: str
    head: str
    layout: str
    head_bytes: int
    draft_head_bytes: int
    linked: tuple[str, ...]
    copied: tuple[str, ...]
    left_out: tuple[str, ...]
    files: Mapping[str, Mapping[str, Any]]
    command: str = ""
    version: str = vocabtrim_core.__version__
    notes: tuple[str, ...] = ()


def copy_with_draft_head(
    folder: str | Path,
    vocabulary: DraftVocabulary,
    out: str | Path,
    *,
    command: str = "",
    on_written: Callable[[int, str], object] = lambda *_: None,
) -> MtpCopy:
    """Write a copy of a checkpoint whose MTP layers have a smaller head.

    Args:
        folder: The checkpoint; it is not changed.
        vocabulary: The tokens of the smaller head.
        out: A folder that does not exist, or an empty one, on the same disk for hard links.
        command: The command line, for the record.
        on_written: Called as on_written(bytes, tensor) while rows are written.

    Returns:
        The record of what was written.

    Raises:
        InputError: The checkpoint has no MTP layers, has a smaller head already, is of another V,
            or its layout does not let the rows be taken apart.
    """
    model = find_heads(folder)
    head = head_to_copy(model, vocabulary)
    tensors = rows_to_write(head, vocabulary.ids, DRAFT_HEAD)
    source = model.checkpoint.folder
    needed = sum(tensor.size for tensor in tensors)
    with new_folder(out, needed=needed) as scratch:
        digest = write_safetensors(scratch / SHARD, tensors, on_written)
        save_torch(scratch / IDS, vocabulary.ids)
        save_json(scratch / INDEX, _index(model, [t.name for t in tensors], needed))
        written = {name: _entry(scratch / name) for name in (IDS, INDEX)}
        written[SHARD] = {"bytes": (scratch / SHARD).stat().st_size, "sha256": digest}
        linked, copied, left_out = _link(source, scratch, {INDEX, SHARD, IDS, RECORD})
        record = MtpCopy(
            k=len(vocabulary),
            vocab_size=vocabulary.vocab_size,
            vocabulary_sha256=vocabulary.sha256,
            source=model.checkpoint.name,
            head=head.name,
            layout=head.layout,
            head_bytes=head.bytes,
            draft_head_bytes=needed,
            linked=tuple(linked),
            copied=tuple(copied),
            left_out=tuple(left_out),
            files=written,
            command=command,
            notes=tuple(_notes(model)),
        )
        save_json(scratch / RECORD, {"format": FORMAT, **asdict(record)})
        read_draft_head(scratch)  # raises before the folder gets its name
    return record


def read_draft_head(folder: str | Path) -> tuple[np.ndarray, int]:
    """Read the tokens of the smaller head in a checkpoint.

    Args:
        folder: The checkpoint.

    Returns:
        int64[k], the token of each row; V.

    Raises:
        InputError: There is none, or its rows and its ids do not fit.
    """
    model = find_heads(folder)
    path = model.checkpoint.folder / IDS
    if not path.is_file():
        raise InputError(f"{folder} has no {IDS}, so its MTP layers use the whole head.")
    ids = check_ids(load_torch(path), model.vocab_size, where=str(path))
    rows = model.drafts[0].trimmed if model.drafts else 0
    if rows != len(ids):
        what = f"{DRAFT_HEAD} has {rows:,} rows" if rows else f"there is no {DRAFT_HEAD}"
        raise InputError(
            f"{path} has {len(ids):,} ids, but {what}; vLLM would leave the head unfilled and "
            "draft at random. Take both from one place."
        )
    return ids, model.vocab_size


def head_to_copy(model: ModelHeads, vocabulary: DraftVocabulary) -> HeadMatrix:
    """Find the head whose rows a copy of a checkpoint gets.

    Args:
        model: The checkpoint's heads.
        vocabulary: The tokens of the smaller head.

    Returns:
        The head that its MTP layers share with the target.

    Raises:
        InputError: It has no such head, has a smaller one already, is of another V, or its files
            cannot name a second one.
    """
    folder, draft = model.checkpoint.folder, model.draft()
    if draft.kind != MTP or draft.own:
        why = "has a head of its own" if draft.kind == MTP else "is no MTP layer (mtp.*)"
        raise InputError(
            f"{folder}: {draft.name} {why}, and no engine reads a smaller one inside a checkpoint; "
            "use the token map of SGLang (sglang-nextn), or a list that vLLM slices (mtp-ids)."
        )
    if draft.trimmed or (folder / IDS).is_file():
        raise InputError(
            f"{folder} has a smaller head already ({draft.trimmed:,} rows); give the checkpoint it "
            "was made from."
        )
    if model.vocab_size != vocabulary.vocab_size:
        raise InputError(
            f"The list belongs to V = {vocabulary.vocab_size:,}, but {folder / CONFIG} says "
            f"vocab_size = {model.vocab_size:,}; choose one counted with the model's own tokenizer."
        )
    if TORCH in model.checkpoint.shards:
        raise InputError(
            f"{folder} is in {TORCH}, which cannot name a second file; convert it to "
            "safetensors first."
        )
    return draft.head


def _index(model: ModelHeads, names: list[str], size: int) -> dict[str, Any]:
    checkpoint = model.checkpoint
    places = {name: file for file, shard in checkpoint.shards.items() for name in shard}
    total = sum(t.size for shard in checkpoint.shards.values() for t in shard.values())
    metadata: dict[str, Any] = {}
    if checkpoint.sharded:
        old = load_json(checkpoint.folder / INDEX)
        stated = old.get("metadata")
        metadata = dict(stated) if isinstance(stated, dict) else {}
    places |= dict.fromkeys(names, SHARD)
    return {
        "metadata": {**metadata, "total_size": total + size},
        "weight_map": dict(sorted(places.items())),
    }


def _link(source: Path, out: Path, written: set[str]) -> tuple[list[str], list[str], list[str]]:
    """Link weights, copy small files, which programs write to; return both and the others."""
    linked: list[str] = []
    copied: list[str] = []
    left_out: list[str] = []
    for path in sorted(source.iterdir()):
        if path.name in written:
            continue
        if path.name.startswith(".") or path.is_dir():
            left_out.append(path.name)
        elif path.suffix in WEIGHTS:
            try:
                os.link(path.resolve(), out / path.name)  # the hub's cache has links to its blobs
            except OSError as error:
                raise InputError(
                    f"{path} cannot be linked into {out.parent} ({error.strerror}), and weights "
                    "are not copied; name a folder on the disk of the model."
                ) from error
            linked.append(path.name)
        else:
            shutil.copyfile(path, out / path.name)
            copied.append(path.name)
    return linked, copied, left_out


def _notes(model: ModelHeads) -> list[str]:
    notes = [
        "Stock vLLM has no reader for this head: without the patch it drafts at random (about 1 % "
        "of its tokens are accepted). With it the log says `MTP drafter uses a K-token draft "
        "head`; MTP_DRAFT_VOCAB=0 drafts with the whole head from the same folder.",
    ]
    if model.tied:
        notes.append("The head is tied to the embedding; the smaller one has copies of its rows.")
    quantised = model.checkpoint.config.get("quantization_config")
    if isinstance(quantised, dict):
        notes.append(
            f"{CONFIG} has a quantization_config; it must treat mtp.draft_lm_head as it treats "
            "lm_head, so its patterns have to match both (re:.*lm_head$ does)."
        )
    return notes


def _entry(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
