"""The sets a vocabulary is measured on, their responses, and which vocabulary is in view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from pages.ui import state, tokens
from pages.ui.caching import cached
from pages.ui.format import counted, plain
from pages.ui.widgets import persisted, set_values, value_of
from vocabtrim_core.counting.response_files import find_responses
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

MOST_SETS = 8


def comparable(stored: StoredCounts) -> tuple[list[StoredCounts], list[str]]:
    """The other sets counted the same way as this one; of each own other, how it was counted.

    Args:
        stored: the counted set in view.
    """
    others, left_out = [], []
    for other in state.counted_sets():
        if other.key == stored.key:
            continue
        if differences := stored.counts.differences(other.counts):
            if not other.shipped:
                left_out.append(" and ".join(aspect for aspect, *_ in differences))
        else:
            others.append(other)
    return others, left_out


def names_of(sets: Sequence[StoredCounts]) -> dict[str, str]:
    """A name for each key, told apart where two sets are called the same; shipped ones say so.

    Args:
        sets: counted sets.
    """
    names = [
        f"{stored.counts.name} ({state.SHIPPED})" if stored.shipped else stored.counts.name
        for stored in sets
    ]
    return {
        s.key: name if names.count(name) == 1 else f"{name} ({s.key[:4]})"
        for s, name in zip(sets, names, strict=True)
    }


def measured_on_key(counts_key: str) -> str:
    """Key of the selector of the sets that a choice on these counts is measured on.

    Args:
        counts_key: key of a counted set.
    """
    return f"measured_on_{counts_key}"


def choose_others(stored: StoredCounts) -> list[StoredCounts]:
    """The selector of the sets to measure on.

    At first all comparable ones of the user's own, or shipped ones where there are none, up to
    MOST_SETS.

    Args:
        stored: the counted set in view.
    """
    others, left_out = comparable(stored)
    by_key, names, chosen = {other.key: other for other in others}, names_of(others), []
    if others:
        key = measured_on_key(stored.key)
        chosen_before = value_of(key)
        if chosen_before is not None:  # set again even if unchanged, for a page that newly draws it
            set_values({key: [other for other in chosen_before if other in by_key]})
        chosen = st.multiselect(
            "Measured on",
            list(by_key),
            _measured_at_first(others) if chosen_before is None else None,
            format_func=names.__getitem__,
            **persisted(key),
            placeholder="other counted sets",
        )
    if left_out:
        many = len(left_out)
        st.caption(
            f"{counted(many, 'more counted set')} {'was' if many == 1 else 'were'} counted "
            f"differently from {plain(stored.counts.name)} "
            f"({plain('; '.join(dict.fromkeys(left_out)))}); count them the same way to measure on "
            "them."
        )
    return [by_key[key_of_other] for key_of_other in chosen]


def _measured_at_first(others: Sequence[StoredCounts]) -> list[str]:
    own = [other.key for other in others if not other.shipped]
    return (own or [other.key for other in others])[:MOST_SETS]


@cached(6)
def responses_of(stored: StoredCounts) -> Responses | None:
    """The responses of a counted set, None where this workspace has not kept them.

    Args:
        stored: the counted set.
    """
    return find_responses(stored.key, stored.counts)


@cached(4)
def _adapted(tokenizer: Tokenizer, vocab_size: int) -> Tokenizer:
    return replace(tokenizer, vocab_size=vocab_size)


def tokenizer_of(counts: TokenCounts) -> Tokenizer | None:
    """The tokenizer of a set with the V it was counted with; None when it is not at hand.

    Args:
        counts: the counted set.
    """
    tokenizer = tokens.of_counts(counts.provenance)
    if tokenizer is None or tokenizer.vocab_size == counts.vocab_size:
        return tokenizer
    return _adapted(tokenizer, counts.vocab_size)  # V came from a config.json
