"""A vocabulary out of any file that tells one: a saved choice, an export, a mapping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.vocabulary import DraftVocabulary


def vocabulary_in(
    path: Path, vocab_size: int | None, counts: TokenCounts | None
) -> DraftVocabulary:
    """The tokens of a saved choice, or of a mapping in any format that is understood."""
    if path.suffix == ".json" and _is_choice(path):
        from vocabtrim_core.counts_store import find_counts
        from vocabtrim_core.selection_spec.spec import SelectionSpec

        choice = SelectionSpec.load(path)
        return choice.open(counts or find_counts(choice.counts.key)).vocabulary
    from vocabtrim_core.mappings.importing import import_mapping

    found = import_mapping(path, vocab_size)
    if counts is not None and found.origin:
        found.origin.check(counts, str(path))
    if not found.valid:
        raise InputError(f"{path} is not sound: {found.problems[0]}")
    return found.vocabulary


def _is_choice(path: Path) -> bool:
    from vocabtrim_core.selection_spec.spec import FORMAT

    return path.is_file() and FORMAT in path.read_text("utf-8", errors="replace")[:10_000_000]
