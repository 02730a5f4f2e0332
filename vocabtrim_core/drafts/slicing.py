"""Trim a draft's head without training (VocabTrim): keep the rows of the chosen tokens.

The logits of kept tokens stay what they were, bit for bit, and the other tokens cannot be drafted
any more. The result is a draft folder that engines serve: the same files with fewer head rows,
`d2t`, `t2d`, and in config.json `draft_vocab_size` and the layers as every engine reads them. Where
all V tokens are kept there is no mapping: vLLM refuses one there, and no engine needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import vocabtrim_core
from vocabtrim_core.drafts.aux_layers import read_layers, with_layers
from vocabtrim_core.drafts.checkpoint import INDEX, SINGLE, Checkpoint, open_checkpoint
from vocabtrim_core.drafts.lm_head import HEAD, Head, find_head, rows_of
from vocabtrim_core.drafts.tensor_files import (
    Outgoing,
    chosen_rows,
    copy_file,
    read_tensors,
    small,
    stored,
    write_safetensors,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.reproducible_files import file_sha256, load_json, save_json
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import new_folder

NAME, FORMAT, TRAINED = "vocabtrim.json", "vocabtrim-draft-1", "vocabtrim-trained-draft-1"
# Other weights beside the ones that are read would still have the old head.
OTHER_WEIGHTS = (".bin", ".gguf", ".h5", ".msgpack", ".onnx", ".pt", ".pth", ".safetensors")
REPLACED = {HEAD, "d2t", "t2d"}
Progress = Callable[..., object]


@dataclass(frozen=True, slots=True)
class SlicedDraft:
    """What was written, as vocabtrim.json in the folder says it. Sizes are bytes."""

    k: int
    vocab_size: int
    vocabulary_sha256: str
    source: Mapping[str, Any]  # name, rows (of its head), files: name -> {bytes, sha256}
    head_from: str  # "draft", or "target"
    target: Mapping[str, Any] = field(default_factory=dict)
    dropped: tuple[int, ...] = ()  # wanted tokens that the reduced head had no row for
    left_out: tuple[str, ...] = ()  # files of the source that were not copied
    head_bytes: int = 0
    head_bytes_before: int = 0
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def find(cls, folder: Path) -> SlicedDraft | None:
        """The record in a draft's folder; None without one, or where it tells of a training."""
        path = Path(folder) / NAME
        if not path.is_file() or load_json(path).get("format") == TRAINED:
            return None
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> SlicedDraft:
        """The record in a trimmed draft's folder; InputError when there is none of ours."""
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
    """A checked request: rows int64[k] of head for the tokens of vocabulary."""

    draft: Checkpoint
    head: Head
    rows: np.ndarray
    vocabulary: DraftVocabulary
    dropped: tuple[int, ...]
    target: Checkpoint | None

    @property
    def size(self) -> int:
        """Bytes the new folder will hold, without its small files."""
        kept = sum(len(t.data) for t in self.draft.tensors.values() if t.name not in REPLACED)
        width = self.head.tensor.rows.shape[1]
        return kept + len(self.rows) * (width + 8) + self.vocabulary.vocab_size


def plan(
    draft: str | Path,
    vocabulary: DraftVocabulary,
    *,
    target: str | Path | None = None,
    drop_missing: bool = False,
) -> Plan:
    """Everything that can be wrong, found before a byte is written.

    target: folder of the target model, for drafts that use its head. drop_missing: where the
    draft's head is reduced already, keep what it has of the vocabulary. InputError otherwise.
    """
    opened = open_checkpoint(draft)
    read_layers(opened.config, str(opened.folder / CONFIG))
    other = open_checkpoint(target) if target is not None else None
    head = find_head(opened, other)
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
    kept = DraftVocabulary(vocabulary.ids[rows >= 0], vocabulary.vocab_size)
    return Plan(opened, head, rows[rows >= 0], kept, tuple(missing.tolist()), other)


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
    """Write the trimmed draft folder `out`, which must not exist or be empty.

    Tensors are streamed, so memory stays at a few blocks whatever the draft's size. `out` is
    complete or untouched. progress(done, total, message) counts megabytes.
    """
    made = plan(draft, vocabulary, target=target, drop_missing=drop_missing)
    with new_folder(out, needed=made.size) as scratch:
        sliced = _write(made, scratch, _Megabytes(made.size, progress), command)
        read_sliced(scratch)  # what cannot be read back never leaves this function
        save_json(scratch / NAME, {"format": FORMAT, **asdict(sliced)})
    return sliced


def read_sliced(folder: str | Path) -> Head:
    """The head of a draft folder as `slice_draft` writes it, checked; InputError otherwise.

    A reduced head has d2t and t2d beside it, a whole one neither.
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
    """Adds up the bytes written and says so in megabytes."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress, self.done = total, progress, 0

    def __call__(self, count: int, name: str) -> None:
        self.done += count
        if self.progress:
            whole = -(-self.total // 10**6)
            self.progress(min(self.done // 10**6, whole), whole, f"writing {name}, MB")


def _write(plan: Plan, out: Path, wrote: _Megabytes, command: str) -> SlicedDraft:
    draft, head = plan.draft, plan.head
    home = next((f for f, shard in draft.shards.items() if HEAD in shard), next(iter(draft.shards)))
    files: dict[str, dict[str, Any]] = {}
    places: dict[str, str] = {}
    for source, shard in draft.shards.items():
        name = source if source.endswith(".safetensors") else SINGLE
        if source == name != home and not REPLACED & shard.keys():
            digest = copy_file(draft.folder / source, out / name, wrote)
        else:
            tensors = [stored(t) for t in shard.values() if t.name not in REPLACED]
            tensors += _new_tensors(plan) if source == home else []
            digest = write_safetensors(out / name, tensors, wrote)
        files[name] = _entry(out / name, digest)
        places |= dict.fromkeys(read_tensors(out / name), name)
    files[CONFIG] = _small(_config(plan), out / CONFIG)
    if draft.sharded:
        files[INDEX] = _small(_index(draft, out, places), out / INDEX)
    left_out = []
    for path in sorted(draft.folder.iterdir()):
        if path.name in {*files, *draft.shards, NAME} or path.name.startswith("."):
            continue
        if path.is_dir() or path.name.endswith((*OTHER_WEIGHTS, ".index.json")):
            left_out.append(path.name)
        else:
            files[path.name] = _entry(out / path.name, copy_file(path, out / path.name, wrote))
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


def _new_tensors(plan: Plan) -> list[Outgoing]:
    head, vocabulary = chosen_rows(plan.head.tensor, HEAD, plan.rows), plan.vocabulary
    if len(vocabulary) == vocabulary.vocab_size:
        return [head]
    return [head, small("d2t", vocabulary.d2t), small("t2d", vocabulary.t2d)]


def _config(plan: Plan) -> dict[str, Any]:
    config = {**plan.draft.config, "draft_vocab_size": len(plan.rows)}
    if plan.head.from_target:  # the draft has a head of its own now
        config["tie_word_embeddings"] = False
    layers = read_layers(config, str(plan.draft.folder / CONFIG))
    return with_layers(config, layers) if layers else config


def _index(draft: Checkpoint, out: Path, places: Mapping[str, str]) -> dict[str, Any]:
    files = sorted(set(places.values()))
    total = sum(len(t.data) for name in files for t in read_tensors(out / name).values())
    return {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}


def _small(value: dict[str, Any], path: Path) -> dict[str, Any]:
    save_json(path, value)
    return _entry(path, file_sha256(path))


def _entry(path: Path, digest: str) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest}


def _source(model: Checkpoint) -> dict[str, Any]:
    """Which model, by content: names can move."""
    paths = [model.folder / name for name in (CONFIG, *model.shards)]
    return {"name": model.name, "files": {p.name: _entry(p, file_sha256(p)) for p in paths}}
