"""The tokenizer whose ids a mapping holds, as its file or the manifest beside it names it.

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
class TokenizerIdentity:
    """A tokenizer by name and fingerprint.

    Attributes:
        tokenizer: Its name.
        tokenizer_sha256: Hex sha256 of its tokenizer.json.
    """

    tokenizer: str
    tokenizer_sha256: str

    @classmethod
    def of(cls, counts: TokenCounts) -> TokenizerIdentity:
        """Return the tokenizer that `counts` were made with."""
        return cls(counts.provenance.tokenizer, counts.provenance.tokenizer_sha256)

    def __str__(self) -> str:
        return f"{self.tokenizer} ({self.tokenizer_sha256[:8]})"

    def check(self, counts: TokenCounts, where: str) -> None:
        """Check that counts were made with this tokenizer.

        Args:
            counts: The counts.
            where: What holds this tokenizer's ids, for the message.

        Raises:
            InputError: They were made with another one; the message names both.
        """
        counted = TokenizerIdentity.of(counts)
        if counted.tokenizer_sha256 != self.tokenizer_sha256:
            raise InputError(
                f"{where} holds ids of the tokenizer {self}, but {counts.name} was counted with "
                f"{counted}, where the same ids are other tokens; give counts or a mapping of the "
                "same tokenizer."
            )


def identity_beside(path: Path) -> TokenizerIdentity | None:
    """Return the tokenizer that the manifest of an export names for a file or folder in it.

    The manifest may be in the folder itself or in one of the two above. Only a manifest of ours
    that lists the file counts, since a file may be copied beside another export.

    Args:
        path: The file or folder.

    Returns:
        The tokenizer; None without such a manifest.
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
        listed = any(
            file.path == inside or file.path.startswith(f"{inside}/") for file in manifest.files
        )
        if manifest.tokenizer and (not inside or listed):
            return identity_in(manifest.tokenizer, "name", "sha256")
    return None


def identity_in(
    value: Any, name: str = "tokenizer", sha256: str = "tokenizer_sha256"
) -> TokenizerIdentity | None:
    """Read the name and fingerprint of a tokenizer from a JSON value.

    Args:
        value: Any JSON value.
        name: The field of the tokenizer's name.
        sha256: The field of its fingerprint.

    Returns:
        The tokenizer; None where the value is no object with these two texts.
    """
    if not isinstance(value, Mapping):
        return None
    tokenizer, digest = value.get(name), value.get(sha256)
    if not (isinstance(tokenizer, str) and isinstance(digest, str) and digest):
        return None
    return TokenizerIdentity(tokenizer, digest)


def write_ids(
    path: Path, vocabulary: DraftVocabulary, origin: TokenizerIdentity, about: str = ""
) -> Path:
    """Write an ids.json that names the tokenizer whose ids it holds.

    Args:
        path: The file to write, at once or not at all.
        vocabulary: The ids.
        origin: The tokenizer.
        about: How the ids were chosen, in a few words.

    Returns:
        `path`.
    """
    value = {
        "vocab_size": vocabulary.vocab_size,
        **asdict(origin),
        "about": about,
        "ids": vocabulary.ids.tolist(),
    }
    return write_atomic(path, (json.dumps(value, ensure_ascii=False) + "\n").encode())
