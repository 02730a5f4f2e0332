"""Results kept for as long as the server runs, found again by what names their arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any

import streamlit as st

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.selection.constrained import Problem
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.vocabulary import DraftVocabulary


def by_fields(cls: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """What names a value of a dataclass: its fields, each by its own name where it has one.

    Args:
        cls: a dataclass.
    """
    return attrgetter(*(field.name for field in fields(cls)))


# Large values by their name; what is in no table is hashed whole, and not at all behind a `_`.
KEYS: dict[str | type[Any], Callable[[Any], Any]] = {
    StoredCounts: attrgetter("key"),
    TokenCounts: attrgetter("key"),
    Problem: by_fields(Problem),
    DraftVocabulary: attrgetter("sha256"),
    Tokenizer: attrgetter("fingerprint", "vocab_size"),
}


def cached(most: int, spinner: str | bool = False):
    """Decorator of a function whose results are kept and shared, so that none may be changed.

    Args:
        most: how many results are kept.
        spinner: what is shown while one is made, False for nothing.
    """
    return st.cache_resource(max_entries=most, show_spinner=spinner, hash_funcs=KEYS)
