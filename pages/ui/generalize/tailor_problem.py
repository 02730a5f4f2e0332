"""A tailored vocabulary as a problem to solve: from the controls' values, solved once each."""

from __future__ import annotations

import numpy as np

from pages.ui import state
from pages.ui.caching import cached
from pages.ui.generalize.tailor_form import TailorRequest
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.constrained import (
    Problem,
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
from vocabtrim_core.templates.resolve import template_of
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.tokenizer import Tokenizer


@cached(8, "Finding the tokens of the protected sets")
def protected_sets(stored: StoredCounts, tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """int64 ids of every named set under the tokenizer and template of these counts.

    Args:
        stored: the counted set.
        tokenizer: the tokenizer of these counts.
    """
    template = template_of(stored.counts, tokenizer)
    return {name: protected_ids(name, tokenizer, template) for name in SETS}


OWN = "Your tokens"
solved = cached(16)(solve)
costs_of = cached(16)(constraint_costs)


def problem_of(
    view: InView, sets: list[StoredCounts], tokenizer: Tokenizer | None, request: TailorRequest
) -> Problem:
    """What the controls ask for, as a problem to solve.

    Args:
        view: the vocabulary in view.
        sets: the counted sets to mix.
        tokenizer: the tokenizer; None where it is not at hand.
        request: what the controls ask for.

    Raises:
        InputError: for weights that are all zero, lists that cannot be read, and the like.
    """
    counts = [stored.counts for stored in sets]
    size, t = counts[0].vocab_size, view.tradeoff
    frequencies = mix(counts, request.mix.weights)
    wishes = []
    if tokenizer:
        known = protected_sets(sets[0], tokenizer)
        wishes += [ProtectedGroup(name, known[name]) for name in request.mix.protect]
        kinds = token_kinds(tokenizer)
        wishes += [
            ProtectedGroup(f"{script} = {n:,}", script_ids(frequencies, kinds, script, n))
            for script, n in request.mix.scripts
        ]
    try:
        if request.keep:
            wishes.append(ProtectedGroup(OWN, listed_ids(request.keep, tokenizer, size)))
        drop = listed_ids(request.drop, tokenizer, size) if request.drop else None
    except InputError as error:
        message = str(error)
        for path in filter(None, (request.keep, request.drop)):
            message = message.replace(str(path), "Your list")
        raise InputError(message) from error
    settings = state.settings(size)
    return Problem(
        counts,
        request.mix.weights,
        t.architecture,
        t.alpha,
        t.floor,
        request.mix.floor_every,
        settings.k,
        t.k_min,
        t.k_max,
        tuple(wishes),
        drop,
        request.multiple,
    )
