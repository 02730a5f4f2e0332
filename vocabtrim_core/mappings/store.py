"""The workspace's folder of vocabularies that are not plain top-k, named by their content."""

from __future__ import annotations

from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.mappings.imported import ImportedMapping, valid_mapping_for
from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity, write_ids
from vocabtrim_core.vocabulary import DraftVocabulary


def keep(vocabulary: DraftVocabulary, counts: TokenCounts, about: str) -> Path:
    """Write a vocabulary into the workspace, unless it is there.

    Args:
        vocabulary: The vocabulary.
        counts: Counts of the tokenizer whose ids it holds.
        about: How it was chosen, in a few words.

    Returns:
        The path of its ids.json.
    """
    path = _path(vocabulary.sha256[:16], counts)
    return (
        path if path.is_file() else write_ids(path, vocabulary, TokenizerIdentity.of(counts), about)
    )


def find(sha256: str, counts: TokenCounts) -> ImportedMapping | None:
    """Read a vocabulary of the workspace.

    Args:
        sha256: Its hex sha256, or at least the first 16 digits of it.
        counts: Counts of the tokenizer whose ids it holds.

    Returns:
        The vocabulary; None when there is none.

    Raises:
        InputError: The stored file is not sound.
    """
    path = _path(sha256[:16], counts)
    exists = len(sha256) >= 16 and sha256[:16].isalnum() and path.is_file()
    return valid_mapping_for(path, counts) if exists else None


def _path(digits: str, counts: TokenCounts) -> Path:
    """Return the file of a vocabulary; the same ids of two tokenizers are two vocabularies."""
    name = f"{digits}-{counts.provenance.tokenizer_sha256[:8]}.json"
    return workspace.folder("vocabularies") / name
