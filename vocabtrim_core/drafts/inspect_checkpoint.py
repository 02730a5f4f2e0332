"""Inspect a draft folder: its head, its mapping, and whether it still matches its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath

from vocabtrim_core.draft_kinds.aux_layers import disagreement, named_for, read_layers
from vocabtrim_core.drafts.checkpoint import open_checkpoint
from vocabtrim_core.drafts.lm_head import HEAD, Head, check_draft, find_head
from vocabtrim_core.drafts.slicing import NAME, SlicedDraft
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.reproducible_files import file_sha256
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True)
class DraftInspection:
    """The result of inspecting a draft folder.

    Attributes:
        folder: The draft's name.
        rows: Rows of its head; None where it uses the target's.
        vocab_size: V.
        hidden_size: H.
        head_dtype: Type of the head's tensor, or "the target's".
        mapping: "d2t and t2d", "d2t" or "none".
        layers: The target's decoder layers whose outputs it reads, 0-based; () where it leaves them
            to the engine.
        vocabulary_sha256: Fingerprint of the head's tokens; "" without a head.
        source: The draft it was trimmed from; "" without a record.
        checked: What was checked, in a few words each.
        problems: Disagreements with the record or among the layers, one sentence each.
    """

    folder: str
    rows: int | None
    vocab_size: int
    hidden_size: int
    head_dtype: str
    mapping: str
    layers: tuple[int, ...]
    vocabulary_sha256: str
    source: str
    checked: tuple[str, ...]
    problems: tuple[str, ...]


def inspect_draft(folder: str | Path) -> DraftInspection:
    """Inspect a draft folder with the checks that trimming it makes.

    Args:
        folder: The draft folder.

    Returns:
        Its shapes, and the problems with its record.

    Raises:
        InputError: The draft itself is not sound.
    """
    draft = open_checkpoint(folder)
    width, size = check_draft(draft)
    head = find_head(draft) if HEAD in draft.tensors else None
    parts = [name for name in ("d2t", "t2d") if name in draft.tensors]
    config = str(draft.folder / CONFIG)
    layers = read_layers(draft.config, config)
    checked = ["weights and config.json are intact", "config.json fits the tensors"]
    if head is not None and parts:
        checked.append("every head row has one token, within V")
    record = SlicedDraft.find(draft.folder)
    problems = [problem] if (problem := disagreement(draft.config, config)) else []
    if layers:
        checked.append(named_for(draft.config))
    if record is not None:
        problems += _against(record, draft.folder, head)
        checked.append("every file is as it was written")
    vocabulary = DraftVocabulary.of(head.ids, head.vocab_size) if head is not None else None
    return DraftInspection(
        folder=draft.name,
        rows=len(head.ids) if head is not None else None,
        vocab_size=size,
        hidden_size=width,
        head_dtype=head.tensor.dtype if head is not None else "the target's",
        mapping=" and ".join(parts) or "none",
        layers=layers or (),
        vocabulary_sha256=vocabulary.sha256 if vocabulary is not None else "",
        source=str(record.source["name"]) if record is not None else "",
        checked=tuple(checked),
        problems=tuple(problems),
    )


def _against(record: SlicedDraft, folder: Path, head: Head | None) -> list[str]:
    problems = []
    for name, entry in record.files.items():
        if PurePath(name).name != name:
            problems.append(f"{NAME} lists {name}, which is no file of this folder.")
        elif (problem := _file(folder / name, entry["sha256"])) is not None:
            problems.append(problem)
    if head is None or len(head.ids) != record.k:
        rows = "no head" if head is None else f"{len(head.ids):,} head rows"
        problems.append(f"{NAME} records {record.k:,} tokens, but the draft has {rows}.")
    elif DraftVocabulary.of(head.ids, head.vocab_size).sha256 != record.vocabulary_sha256:
        problems.append(f"The head's rows are for other tokens than {NAME} records.")
    return problems


def _file(path: Path, sha256: str) -> str | None:
    try:
        unchanged = file_sha256(path) == sha256
    except OSError:
        return f"{path.name} is missing."
    return None if unchanged else f"{path.name} has changed since it was written."
