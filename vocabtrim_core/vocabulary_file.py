"""A draft vocabulary from any file that holds one: a saved choice, an export, or a mapping."""

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
    """Read a draft vocabulary.

    Args:
        path: A saved choice, or a mapping in any format of `mappings`.
        vocab_size: V of the target, None where the file has it.
        counts: The counts to compute a saved choice from; None for those the workspace has under
            the choice's key. A mapping that names its counts must name these.

    Returns:
        The vocabulary.

    Raises:
        InputError: The file holds none, has errors, or belongs to other counts.
    """
    if path.suffix == ".json" and _is_choice(path):
        from vocabtrim_core.counts_store import find_counts
        from vocabtrim_core.selection_spec.spec import SelectionSpec

        choice = SelectionSpec.load(path)
        return choice.open(counts or find_counts(choice.counts.key)).vocabulary
    from vocabtrim_core.mappings.importing import import_mapping

    mapping = import_mapping(path, vocab_size)
    if counts is not None and mapping.origin:
        mapping.origin.check(counts, str(path))
    if not mapping.valid:
        raise InputError(f"{path} is not sound: {mapping.problems[0]}")
    return mapping.vocabulary


def _is_choice(path: Path) -> bool:
    from vocabtrim_core.selection_spec.spec import FORMAT

    return path.is_file() and FORMAT in path.read_text("utf-8", errors="replace")[:10_000_000]
