"""A tailored vocabulary as a problem to solve: from the controls' values, solved once each."""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from pages.ui import state
from pages.ui.generalize.tailor_form import Wanted
from pages.ui.vocabularies import InView
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.constrained import (
    ConstraintCost,
    Problem,
    Result,
    constraint_costs,
    solve,
)
from vocabtrim_core.selection.protect import (
    SETS,
    ProtectedGroup,
    listed_ids,
    protected_ids,
    script_ids,
)
from vocabtrim_core.selection.selection import mix
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.templates.resolve import template_of
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.tokenizer import Tokenizer


@st.cache_resource(max_entries=8, show_spinner="Finding the tokens of the protected sets")
def protected_sets(key: str, _counts: TokenCounts, _tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """int64 ids of every named set under the tokenizer and template of these counts.

    Args:
        key: key of the counted set.
        _counts: the counted set; `key` stands for it in the cache.
        _tokenizer: the tokenizer of these counts.
    """
    template: ChatTemplate | None = template_of(_counts, _tokenizer)
    return {name: protected_ids(name, _tokenizer, template) for name in SETS}


OWN = "Your tokens"


@st.cache_resource(max_entries=16, show_spinner=False)
def solved(signature: str, _demand: Problem) -> Result:
    """The vocabulary of a demand.

    Args:
        signature: the problem's content, for the cache.
        _demand: the problem to solve.
    """
    return solve(_demand)


@st.cache_data(max_entries=16, show_spinner=False)
def prices_of(
    signature: str, names: tuple[str, ...], _demand: Problem, _wishes
) -> tuple[ConstraintCost, ...]:
    """What the sets that are off would cost.

    Args:
        signature: the problem's content, for the cache.
        names: names of the sets of tokens that are off, for the cache.
        _demand: the problem to solve.
        _wishes: the sets of tokens that are off.
    """
    return constraint_costs(_demand, _wishes)


def problem_of(
    view: InView, sets: list[StoredCounts], tokenizer: Tokenizer | None, wanted: Wanted
) -> Problem:
    """What the controls ask for, as a problem to solve.

    Args:
        view: the vocabulary in view.
        sets: the counted sets to mix.
        tokenizer: the tokenizer; None where it is not at hand.
        wanted: what the controls ask for.

    Raises:
        InputError: for weights that are all zero, lists that cannot be read, and the like.
    """
    counts = [stored.counts for stored in sets]
    size, t = counts[0].vocab_size, view.tradeoff
    frequencies = mix(counts, wanted.mix.weights)
    wishes = []
    if tokenizer:
        known = protected_sets(sets[0].key, counts[0], tokenizer)
        wishes += [ProtectedGroup(name, known[name]) for name in wanted.mix.protect]
        kinds = token_kinds(tokenizer)
        wishes += [
            ProtectedGroup(f"{script} = {n:,}", script_ids(frequencies, kinds, script, n))
            for script, n in wanted.mix.scripts
        ]
    try:
        if wanted.keep:
            wishes.append(ProtectedGroup(OWN, listed_ids(wanted.keep, tokenizer, size)))
        drop = listed_ids(wanted.drop, tokenizer, size) if wanted.drop else None
    except InputError as error:
        path = str(wanted.keep if wanted.keep and str(wanted.keep) in str(error) else wanted.drop)
        raise InputError(str(error).replace(path, "Your list")) from error
    settings = state.settings(size)
    return Problem(
        counts,
        wanted.mix.weights,
        t.architecture,
        t.alpha,
        t.floor,
        wanted.mix.floor_every,
        settings.k,
        t.k_min,
        t.k_max,
        tuple(wishes),
        drop,
        wanted.multiple,
    )


def signature(sets: list[StoredCounts], demand: Problem) -> str:
    """A demand's content as one line, to look it up again.

    Args:
        sets: the counted sets to mix.
        demand: the problem to solve.
    """
    parts = [
        tuple(stored.key for stored in sets),
        demand.weights,
        demand.architecture,
        demand.alpha,
        demand.floor,
        demand.floor_everywhere,
        demand.k,
        demand.k_min,
        demand.k_max,
        [(wish.name, _digest(wish.ids)) for wish in demand.protected],
        _digest(demand.excluded),
        demand.multiple,
    ]
    return repr(parts)


def _digest(ids: np.ndarray | None) -> str:
    return "" if ids is None else hashlib.sha256(ids.tobytes()).hexdigest()
