"""Tokens that must be in a list whatever their counts: named sets, and some of a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.ui import eval_sets
from pages.ui.generalize.tailor_form import script_budgets
from pages.ui.generalize.tailor_problem import protected_sets
from pages.ui.widgets import persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.fields.codec import to_argv
from vocabtrim_core.selection.protect import SETS, script_ids
from vocabtrim_core.selection_spec.settings import Mix
from vocabtrim_core.tokenizers.kinds import token_kinds


@dataclass(frozen=True, slots=True, eq=False)
class PinnedTokens:
    """The tokens, and the options that name them. ids: int64, ascending."""

    ids: np.ndarray
    mix: Mix

    @property
    def arguments(self) -> list[str]:
        """Options of the command."""
        return to_argv(self.mix)


def choose_pinned(
    stored: StoredCounts, frequencies: np.ndarray, key: str, default: Sequence[str] = ()
) -> PinnedTokens:
    """Fields for named sets and scripts.

    Args:
        stored: the counted set whose tokenizer knows the sets.
        frequencies: [V], by which the tokens of a script are chosen.
        key: of the field, one per section.
        default: names of sets that are chosen at first.
    """
    tokenizer = eval_sets.tokenizer_of(stored.counts)
    if tokenizer is None:
        st.caption(
            "Named sets of tokens need the tokenizer, which is not available here; choose it on "
            "the Corpus page."
        )
        return PinnedTokens(np.empty(0, np.int64), Mix())
    names = st.multiselect(
        "Must be in it",
        list(SETS),
        list(default),
        format_func=lambda name: SETS[name].title,
        placeholder="bytes, specials, …",
        **persisted(key),
    )
    scripts = script_budgets(tokenizer)
    known = protected_sets(stored, tokenizer) if names else {}
    groups = [known[name] for name in names]
    groups += [script_ids(frequencies, token_kinds(tokenizer), *wanted) for wanted in scripts]
    ids = np.unique(np.concatenate([np.empty(0, np.int64), *groups]))
    return PinnedTokens(ids, Mix(protect=tuple(names), scripts=scripts))
