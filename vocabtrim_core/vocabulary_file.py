"""A vocabulary out of any file that tells one: a saved choice, an export, a mapping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer
    from vocabtrim_core.vocabulary import DraftVocabulary


def vocabulary_in(
    path: Path,
    vocab_size: int | None,
    counts: TokenCounts | None,
    tokenizer: Tokenizer | None = None,
) -> DraftVocabulary:
    """Read the tokens of a saved choice, or of a mapping in any format that is understood.

    Args:
        path: The file or folder.
        vocab_size: V of the target; needed where neither the file nor the counts tell.
        counts: Counts of the same tokenizer, which a choice is opened on; None for those that the
            choice names.
        tokenizer: The tokenizer that the ids must belong to, where the file says whose they are.

    Returns:
        The tokens.

    Raises:
        InputError: It cannot be read, is not valid, or holds ids of another tokenizer.
    """
    if path.suffix == ".json" and _is_choice(path):
        from vocabtrim_core.counts_store import find_counts
        from vocabtrim_core.selection_spec.spec import SelectionSpec

        choice = SelectionSpec.load(path)
        counts = counts or find_counts(choice.counts.key)
        provenance = counts.provenance
        _check(path, tokenizer, provenance.tokenizer, provenance.tokenizer_sha256)
        return choice.open(counts).vocabulary
    from vocabtrim_core.mappings.imported import import_mapping

    mapping = import_mapping(path, vocab_size)
    if counts is not None and mapping.origin:
        mapping.origin.check(counts, str(path))
    if mapping.origin:
        _check(path, tokenizer, mapping.origin.tokenizer, mapping.origin.tokenizer_sha256)
    if not mapping.valid:
        raise InputError(f"{path} is not sound: {mapping.problems[0]}")
    return mapping.vocabulary


def _check(path: Path, tokenizer: Tokenizer | None, name: str, sha256: str) -> None:
    if tokenizer and tokenizer.fingerprint != sha256:
        raise InputError(
            f"{path} holds ids of the tokenizer {name}, but {tokenizer.name} is given, where the "
            "same ids are other tokens; give the tokenizer it was made with."
        )


def _is_choice(path: Path) -> bool:
    from vocabtrim_core.selection_spec.spec import FORMAT

    return path.is_file() and FORMAT in path.read_text("utf-8", errors="replace")[:10_000_000]
