"""The tokens that a head is trimmed to, and the file that names them to a command."""

from __future__ import annotations

from pathlib import Path

from pages.ui import report_state, vocabularies
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.selection_spec.store import keep
from vocabtrim_core.vocabulary import DraftVocabulary


def chosen_tokens(stored: StoredCounts) -> tuple[DraftVocabulary, Path]:
    """The tokens to keep and the file that names them: the choice, or an own vocabulary.

    Args:
        stored: the counted set in view.
    """
    view = vocabularies.in_view(stored)
    if view.plain_k is None:
        return view.vocabulary, view.file
    choice = report_state.choice_of(stored)
    return choice.open(stored.counts).vocabulary, keep(choice)
