"""Whose token ids a mapping holds: the tokenizer that its file, or the manifest beside it, names.

Equal V is not enough: Llama 3.1 and a tokenizer trained anew with as many tokens give every id
another meaning, and nothing else in a mapping would show it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import write_atomic


@dataclass(frozen=True, slots=True)
class Origin:
    """A tokenizer by name and fingerprint."""

    tokenizer: str
    tokenizer_sha256: str

    @classmethod
    def of(cls, counts: TokenCounts) -> Origin:
        """Of the tokenizer that counts were made with."""
        return cls(counts.provenance.tokenizer, counts.provenance.tokenizer_sha256)

    def __str__(self) -> str:
        return f"{self.tokenizer} ({self.tokenizer_sha256[:8]})"

    def check(self, counts: TokenCounts, where: str) -> None:
        """InputError, naming both tokenizers, unless the counts were made with this one."""
        theirs = Origin.of(counts)
        if theirs.tokenizer_sha256 != self.tokenizer_sha256:
            raise InputError(
                f"{where} holds ids of the tokenizer {self}, but {counts.name} was counted with "
                f"{theirs}, where the same ids are other tokens; give counts or a mapping of the "
                "same tokenizer."
            )


def origin_beside(path: Path) -> Origin | None:
    """What the manifest of the export says that holds this file or folder, None without one.

    Only a manifest of ours that lists it counts: a file copied beside another export is not its.
    """
    from vocabtrim_core.exports.manifest import NAME, Manifest

    path = path.absolute()
    for folder in (path, *path.parents[:2]):
        if not (folder / NAME).is_file():
            continue
        try:
            manifest = Manifest.load(folder)
        except InputError:
            continue  # another program's manifest.json
        inside = "" if folder == path else path.relative_to(folder).as_posix()
        listed = any(f.path == inside or f.path.startswith(f"{inside}/") for f in manifest.files)
        if manifest.tokenizer and (not inside or listed):
            return origin_in(manifest.tokenizer, "name", "sha256")
    return None


def origin_in(
    value: Any, name: str = "tokenizer", sha256: str = "tokenizer_sha256"
) -> Origin | None:
    """The origin that a JSON object names under these fields, None when it names none."""
    if not isinstance(value, Mapping):
        return None
    tokenizer, digest = value.get(name), value.get(sha256)
    if not (isinstance(tokenizer, str) and isinstance(digest, str) and digest):
        return None
    return Origin(tokenizer, digest)


def write_ids(path: Path, vocabulary: DraftVocabulary, origin: Origin, about: str = "") -> Path:
    """ids.json that says whose ids they are. about: how they came to be chosen, in a few words."""
    value = {
        "vocab_size": vocabulary.vocab_size,
        **asdict(origin),
        "about": about,
        "ids": vocabulary.ids.tolist(),
    }
    return write_atomic(path, (json.dumps(value, ensure_ascii=False) + "\n").encode())
