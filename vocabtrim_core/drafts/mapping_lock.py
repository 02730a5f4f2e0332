"""The mapping of a training run: written once, then never changed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core.drafts.plan import MAPPING
from vocabtrim_core.errors import InputError
from vocabtrim_core.id_mapping import offsets_to_ids, save_pair
from vocabtrim_core.reproducible_files import file_sha256, load_torch
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic

NOTE = "mapping.json"


@dataclass(frozen=True, slots=True)
class MappingNote:
    """The content of mapping.json.

    Attributes:
        vocabulary: sha256 of the tokens.
        sha256: sha256 of the mapping's file.
        mtime_ns: When that file was last changed, in nanoseconds since the epoch.
    """

    vocabulary: str
    sha256: str
    mtime_ns: int


def keep_mapping(folder: Path, vocabulary: DraftVocabulary) -> None:
    """Write the mapping of a run once, and afterwards check that it is unchanged.

    SpecForge does not check the mapping's content and, when resuming, compares only its size and
    modification time. So a time that changed alone is set back; another content is refused.

    Args:
        folder: The folder of this training.
        vocabulary: The tokens of the run.

    Raises:
        InputError: The vocabulary is another one than before, or the file was changed or removed,
            or its note is damaged.
    """
    path, note = folder / MAPPING, folder / NOTE
    ids = offsets_to_ids(vocabulary.d2t, vocabulary.t2d, where="The mapping")
    if (DraftVocabulary(ids, vocabulary.vocab_size)) != vocabulary:
        raise InputError("The mapping does not give the chosen tokens; build it again.")
    if not note.is_file():
        save_pair(path, vocabulary)
        record = {
            "vocabulary": vocabulary.sha256,
            "sha256": file_sha256(path),
            "mtime_ns": path.stat().st_mtime_ns,
        }
        write_atomic(note, json.dumps(record).encode())
        return
    record = read_note(note)
    advice = "start another run with --name, because the trained head rows keep their old meaning."
    if record.vocabulary != vocabulary.sha256:
        raise InputError(
            f"The vocabulary of k = {len(vocabulary):,} changed since training began; {advice}"
        )
    if not path.is_file() or file_sha256(path) != record.sha256:
        raise InputError(f"{path} was changed or removed since this training began; {advice}")
    load_torch(path)
    if path.stat().st_mtime_ns != record.mtime_ns:
        os.utime(path, ns=(record.mtime_ns, record.mtime_ns))


def read_note(path: Path) -> MappingNote:
    """Read the note about the mapping of a run.

    Args:
        path: Its mapping.json.

    Returns:
        The note.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It cannot be read.
    """
    return records.read(path, MappingNote)
