"""Which columns and roles of a corpus are read as what: recognised, or chosen by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from pages.ui.format import code_span
from pages.ui.session import session
from vocabtrim_core.corpora import (
    ROLES,
    SHAPES,
    ColumnMapping,
    CorpusInfo,
)
from vocabtrim_core.corpora.message_paths import message_keys
from vocabtrim_core.corpora.schema import DEFAULTS, one_of_several, plain_name

MOST_ROLES = 6  # that are asked for at a time
COLUMNS: dict[str, tuple[str, ...]] = {
    "conversation": ("conversation",),
    "prompt_response": ("prompt", "response", "system"),
    "text": ("text",),
}


def unknown_roles(paths: Sequence[str]) -> tuple[str, ...]:
    """Roles met in these files that the user has to explain.

    Args:
        paths: files, folders or globs.
    """
    return session.unknown_roles.get(tuple(paths), ())


def choose(info: CorpusInfo, unknown: Sequence[str]) -> ColumnMapping:
    """The recognised mapping, or the one chosen by hand.

    Args:
        info: the corpus as it was recognised.
        unknown: roles to be explained.
    """
    open_it = not info.sure or bool(unknown)
    with st.expander("Columns", expanded=open_it, icon=":material/view_column:"):
        shapes = list(SHAPES)
        guess = info.mapping
        shape = st.selectbox(
            "Each row holds",
            shapes,
            shapes.index(guess.shape) if guess.shape else None,
            format_func=SHAPES.__getitem__,
            placeholder="choose what",
        )
        if shape is None:
            return guess
        columns = list(info.files[0].columns)
        chosen = {}
        for place, field in enumerate(COLUMNS[shape]):
            value = getattr(guess, field)
            empty = field == "system" or (shape == guess.shape and not value)
            names = [one_of_several(name) for name in columns] if field == "prompt" else columns
            known = not value or value in names
            options = [""] * empty + names + [value] * (not known)  # a path, or two columns
            other = 0 if field == "system" else min(place, len(columns) - 1)
            start = options.index(value) if value in options else other
            chosen[field] = st.selectbox(field.capitalize(), options, start, format_func=plain_name)
        roles = [
            (name, role)
            for name in unknown
            if (
                role := st.selectbox(
                    f"Role {code_span(name)} is",
                    ROLES,
                    None,
                    key=f"role_{name}",
                    placeholder="choose its role",
                )
            )
        ]
    if shape != guess.shape or any(chosen[f] != getattr(guess, f) for f in chosen):
        keys = message_keys(info.head, chosen.get("conversation", ""))
        role, content = keys or ("role", "content")
        guess = ColumnMapping(shape, role=role, content=content, **chosen)
    return replace(guess, roles=tuple(roles))


def arguments(mapping: ColumnMapping) -> list[str]:
    """What of a mapping is not the default, as arguments of `count`.

    Args:
        mapping: columns and roles.
    """
    plain = [name for name in DEFAULTS if name not in ("shape", "roles")]
    named = {name: getattr(mapping, name) for name in plain}
    pairs = [f"{name}={column}" for name, column in named.items() if column != DEFAULTS[name]]
    return ["--map", *pairs, *(f"roles.{name}={role}" for name, role in mapping.roles)]
