"""Vocabularies of the workspace: every one that is not plain top-k, kept under its content."""

from __future__ import annotations

from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.mappings.importing import ImportedMapping, sound_for
from vocabtrim_core.mappings.tokenizer_identity import Origin, write_ids
from vocabtrim_core.vocabulary import DraftVocabulary


def keep(vocabulary: DraftVocabulary, counts: TokenCounts, about: str) -> Path:
    """Its ids.json, written once. about: how it was chosen, in a few words."""
    path = _path(vocabulary.sha256[:16], counts)
    return path if path.is_file() else write_ids(path, vocabulary, Origin.of(counts), about)


def find(sha256: str, counts: TokenCounts) -> ImportedMapping | None:
    """The kept vocabulary whose sha256 begins with these 16 digits, None when there is none."""
    path = _path(sha256[:16], counts)
    known = len(sha256) >= 16 and sha256[:16].isalnum() and path.is_file()
    return sound_for(path, counts) if known else None


def _path(digits: str, counts: TokenCounts) -> Path:
    """Equal ids of two tokenizers are two vocabularies."""
    name = f"{digits}-{counts.provenance.tokenizer_sha256[:8]}.json"
    return workspace.folder("vocabularies") / name
