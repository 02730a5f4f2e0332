"""Trim a draft's head without training (VocabTrim): keep the rows of the chosen tokens.

The logits of kept tokens stay the same, bit for bit, and the other tokens can no longer be drafted.
The result is a draft folder that engines serve: the same files with fewer head rows, `d2t`, `t2d`,
and in config.json `draft_vocab_size` and the layers in the form that every engine reads. Where all
V tokens are kept there is no mapping: vLLM refuses one there, and no engine needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import vocabtrim_core
from vocabtrim_core.draft_kinds.aux_layers import read_layers, with_layers
from vocabtrim_core.drafts.checkpoint import INDEX, SINGLE, Checkpoint, open_checkpoint
from vocabtrim_core.drafts.lm_head import HEAD, Head, find_head, rows_of
from vocabtrim_core.drafts.tensor_files import (
    TensorToWrite,
    copy_file,
    from_array,
    from_file,
    from_rows,
    read_tensors,
    write_safetensors,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.reproducible_files import file_sha256, load_json, save_json
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import new_folder

NAME, FORMAT, TRAINED = "vocabtrim.json", "vocabtrim-draft-1", "vocabtrim-trained-draft-1"
# Other weight files than those that are read still have the old head; they are not copied.
OTHER_WEIGHTS = (".bin", ".gguf", ".h5", ".msgpack", ".onnx", ".pt", ".pth", ".safetensors")
REPLACED = {HEAD, "d2t", "t2d"}
Progress = Callable[..., object]


@dataclass(frozen=True, slots=True)
class SlicedDraft:
    """The record of a trimmed draft, stored as vocabtrim.json in its folder. Sizes are bytes.

    Attributes:
        k: Tokens kept.
        vocab_size: V.
        vocabulary_sha256: Fingerprint of the kept tokens.
        source: The draft it was trimmed from: name, rows (of its head), files: name -> {bytes,
            sha256}.
        head_from: "draft" or "target": the model whose head rows were kept.
        target: The target, as `source`; {} unless its head was used.
        dropped: Requested tokens that the reduced head had no row for.
        left_out: Files of the source that were not copied.
        head_bytes: Size of the head.
        head_bytes_before: Size of the source's head.
        command: The command line that repeats it.
        versions: Versions of this program, numpy and safetensors.
        files: Name -> {bytes, sha256} of each file in the folder.
    """

    k: int
    vocab_size: int
    vocabulary_sha256: str
    source: Mapping[str, Any]
    head_from: str
    target: Mapping[str, Any] = field(default_factory=dict)
    dropped: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    head_bytes: int = 0
    head_bytes_before: int = 0
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def find(cls, folder: Path) -> SlicedDraft | None:
        """Read the record of a draft folder that may have none.

        Args:
            folder: The draft folder.

        Returns:
            The record; None without one, or where it is the record of a training.

        Raises:
            InputError: The record is damaged or of an unknown format.
        """
        path = Path(folder) / NAME
        if not path.is_file() or load_json(path).get("format") == TRAINED:
            return None
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> SlicedDraft:
        """Read the record of a trimmed draft.

        Args:
            folder: The draft folder.

        Returns:
            The record.

        Raises:
            InputError: There is none, or it is damaged or of another format.
        """
        value = load_json(Path(folder) / NAME)
        if value.pop("format", None) != FORMAT:
            raise InputError(f"{Path(folder) / NAME} is not of format {FORMAT}.")
        try:
            value["dropped"], value["left_out"] = tuple(value["dropped"]), tuple(value["left_out"])
            return cls(**value)
        except (KeyError, TypeError) as error:
            raise InputError(f"{Path(folder) / NAME} lacks a field ({error}).") from error


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A checked request to trim a draft.

    Attributes:
        draft: The draft.
        head: Its head.
        rows: int64[k], the rows of the head to keep.
        vocabulary: The tokens of these rows.
        dropped: Requested tokens that the head has no row for.
        target: The draft's target, where it was given.
    """

    draft: Checkpoint
    head: Head
    rows: np.ndarray
    vocabulary: DraftVocabulary
    dropped: tuple[int, ...]
    target: Checkpoint | None

    @property
    def size(self) -> int:
        """Bytes of the new folder, without its small files."""
        unchanged_bytes = sum(
            len(t.data) for t in self.draft.tensors.values() if t.name not in REPLACED
        )
        width = self.head.tensor.rows.shape[1]
        return unchanged_bytes + len(self.rows) * (width + 8) + self.vocabulary.vocab_size


def plan(
    draft: str | Path,
    vocabulary: DraftVocabulary,
    *,
    target: str | Path | None = None,
    drop_missing: bool = False,
) -> Plan:
    """Check everything that can be wrong with a trim, before a byte is written.

    Args:
        draft: Folder of the draft.
        vocabulary: The tokens to keep.
        target: Folder of the target model, for drafts that use its head.
        drop_missing: Whether tokens that an already reduced head has no row for are dropped.

    Returns:
        The rows to keep, and what was dropped.

    Raises:
        InputError: The draft cannot be trimmed, V differs, or the head has no row for a token.
    """
    opened = open_checkpoint(draft)
    read_layers(opened.config, str(opened.folder / CONFIG))
    opened_target = open_checkpoint(target) if target is not None else None
    head = find_head(opened, opened_target)
    if head.vocab_size != vocabulary.vocab_size:
        raise InputError(
            f"The vocabulary belongs to V = {vocabulary.vocab_size:,}, but "
            f"{opened.folder / CONFIG} says vocab_size = {head.vocab_size:,}; choose one counted "
            "with the draft's own tokenizer."
        )
    rows = rows_of(head, vocabulary.ids)
    missing = vocabulary.ids[rows < 0]
    if len(missing) and (not drop_missing or len(missing) == len(rows)):
        raise InputError(
            f"{opened.folder} was reduced to {len(head.ids):,} tokens before, and "
            f"{len(missing):,} of the {len(rows):,} wanted ones are not among them (token id "
            f"{missing[0]}, say): they have no rows to keep. Choose among its own tokens"
            + ("." if len(missing) == len(rows) else ", or drop the others with --drop-missing.")
        )
    available = DraftVocabulary(vocabulary.ids[rows >= 0], vocabulary.vocab_size)
    return Plan(opened, head, rows[rows >= 0], available, tuple(missing.tolist()), opened_target)


def slice_draft(
    draft: str | Path,
    vocabulary: DraftVocabulary,
    out: str | Path,
    *,
    target: str | Path | None = None,
    drop_missing: bool = False,
    progress: Progress | None = None,
    command: str = "",
) -> SlicedDraft:
    """Write a trimmed draft folder.

    Tensors are streamed, so memory stays at a few blocks for drafts of any size. `out` is complete
    or untouched.

    Args:
        draft: Folder of the draft.
        vocabulary: The tokens to keep.
        out: A folder that does not exist, or an empty one.
        target: Folder of the target model, for drafts that use its head.
        drop_missing: Whether tokens that an already reduced head has no row for are dropped.
        progress: Called as progress(done, total, message), in megabytes.
        command: The command line, for the record.

    Returns:
        The record of what was written.

    Raises:
        InputError: As `plan`, or `out` is not empty, or the disk is full.
    """
    checked = plan(draft, vocabulary, target=target, drop_missing=drop_missing)
    with new_folder(out, needed=checked.size) as scratch:
        sliced = _write(checked, scratch, _Megabytes(checked.size, progress), command)
        read_sliced(scratch)  # raises before the folder gets its name
        save_json(scratch / NAME, {"format": FORMAT, **asdict(sliced)})
    return sliced


def read_sliced(folder: str | Path) -> Head:
    """Read the head of a draft folder as `slice_draft` writes it.

    A reduced head has d2t and t2d beside it, one of all V rows neither.

    Args:
        folder: The draft folder.

    Returns:
        The head, checked.

    Raises:
        InputError: The folder is no sound draft, or head, mapping and config.json do not fit.
    """
    draft = open_checkpoint(folder)
    head = find_head(draft)
    for name in ("d2t", "t2d"):
        if head.reduced and name not in draft.tensors:
            raise InputError(f"{draft.folder} has no {name}; it is no trimmed draft.")
        if not head.reduced and name in draft.tensors:
            raise InputError(
                f"{draft.folder} has a {name} though its head has all {head.vocab_size:,} rows, "
                "which vLLM refuses; export it again."
            )
    if draft.size("draft_vocab_size") != len(head.ids):
        raise InputError(f"{draft.folder / CONFIG} must say draft_vocab_size = {len(head.ids)}.")
    return head


# --- writing ------------------------------------------------------------------------------------


class _Megabytes:
    """Adds up the bytes written and reports them in megabytes."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress, self.done = total, progress, 0

    def __call__(self, count: int, name: str) -> None:
        self.done += count
        if self.progress:
            total_mb = -(-self.total // 10**6)
            self.progress(min(self.done // 10**6, total_mb), total_mb, f"writing {name}, MB")


def _write(plan: Plan, out: Path, on_written: _Megabytes, command: str) -> SlicedDraft:
    draft, head = plan.draft, plan.head
    head_file = next(
        (f for f, shard in draft.shards.items() if HEAD in shard), next(iter(draft.shards))
    )
    files: dict[str, dict[str, Any]] = {}
    file_of: dict[str, str] = {}
    for source, shard in draft.shards.items():
        name = source if source.endswith(".safetensors") else SINGLE
        if source == name != head_file and not REPLACED & shard.keys():
            digest = copy_file(draft.folder / source, out / name, on_written)
        else:
            tensors = [from_file(t) for t in shard.values() if t.name not in REPLACED]
            tensors += _new_tensors(plan) if source == head_file else []
            digest = write_safetensors(out / name, tensors, on_written)
        files[name] = _entry(out / name, digest)
        file_of |= dict.fromkeys(read_tensors(out / name), name)
    files[CONFIG] = _small(_config(plan), out / CONFIG)
    if draft.sharded:
        files[INDEX] = _small(_index(draft, out, file_of), out / INDEX)
    left_out = []
    for path in sorted(draft.folder.iterdir()):
        if path.name in {*files, *draft.shards, NAME} or path.name.startswith("."):
            continue
        if path.is_dir() or path.name.endswith((*OTHER_WEIGHTS, ".index.json")):
            left_out.append(path.name)
        else:
            files[path.name] = _entry(out / path.name, copy_file(path, out / path.name, on_written))
    width = head.tensor.rows.shape[1]
    return SlicedDraft(
        k=len(plan.rows),
        vocab_size=plan.vocabulary.vocab_size,
        vocabulary_sha256=plan.vocabulary.sha256,
        source=_source(draft) | {"rows": len(head.ids)},
        head_from="target" if head.from_target else "draft",
        target=_source(plan.target) if plan.target and head.from_target else {},
        dropped=plan.dropped,
        left_out=tuple(left_out),
        head_bytes=len(plan.rows) * width,
        head_bytes_before=len(head.ids) * width,
        command=command,
        versions={
            "vocabtrim": vocabtrim_core.__version__,
            **{name: version(name) for name in ("numpy", "safetensors")},
        },
        files=files,
    )


def _new_tensors(plan: Plan) -> list[TensorToWrite]:
    head, vocabulary = from_rows(plan.head.tensor, HEAD, plan.rows), plan.vocabulary
    if len(vocabulary) == vocabulary.vocab_size:
        return [head]
    return [head, from_array("d2t", vocabulary.d2t), from_array("t2d", vocabulary.t2d)]


def _config(plan: Plan) -> dict[str, Any]:
    config = {**plan.draft.config, "draft_vocab_size": len(plan.rows)}
    if plan.head.from_target:  # the draft has a head of its own now
        config["tie_word_embeddings"] = False
    layers = read_layers(config, str(plan.draft.folder / CONFIG))
    return with_layers(config, layers) if layers else config


def _index(draft: Checkpoint, out: Path, file_of: Mapping[str, str]) -> dict[str, Any]:
    files = sorted(set(file_of.values()))
    total = sum(len(t.data) for name in files for t in read_tensors(out / name).values())
    return {"metadata": {"total_size": total}, "weight_map": dict(sorted(file_of.items()))}


def _small(value: dict[str, Any], path: Path) -> dict[str, Any]:
    save_json(path, value)
    return _entry(path, file_sha256(path))


def _entry(path: Path, digest: str) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest}


def _source(model: Checkpoint) -> dict[str, Any]:
    """Describe a model by its content, since names can change."""
    paths = [model.folder / name for name in (CONFIG, *model.shards)]
    return {"name": model.name, "files": {p.name: _entry(p, file_sha256(p)) for p in paths}}
