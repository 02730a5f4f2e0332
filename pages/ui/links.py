"""What of the address a page takes over, and what it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import streamlit as st

from pages.ui.session import session
from pages.ui.widgets import Linked, LinkedName, linked, set_values, value_of, values
from vocabtrim_core.fields.codec import table
from vocabtrim_core.selection_spec.settings import Settings

WHOLE_CHOICE = ("choice", "spec", "ids")  # `restore` answers for such a link
STREAMLITS_OWN = ("embed", "embed_options")
PAGES_OWN = ("counts", "measured")  # written and read by pages themselves


def remember() -> None:
    """Keep the address a session began with; before any widget is drawn, which may clear it."""
    if session.address is None:
        params = st.query_params
        session.address = {name: tuple(params.get_all(name)) for name in params}


def linked_choice(key: LinkedName, labels: Mapping[str, str], *, several: bool = False) -> Linked:
    """Key of a menu in the address, where an option stands by its label or by its name.

    Args:
        key: the widget's key, and the parameter's name.
        labels: what the menu shows for each option, by name.
        several: whether several may be chosen.

    Returns:
        Keyword arguments of the widget.
    """
    remember()
    session.labels = {**session.labels, key: labels}
    typed = (session.address or {}).get(key, ())
    if typed and value_of(key) is None and all(text in labels for text in typed):
        set_values({key: list(typed) if several else typed[0]})
    return linked(key)


def ignored() -> list[str]:
    """Names in the address that nothing on the page took over, once; after it was drawn."""
    remember()
    address = session.address or {}
    if any(name in address for name in WHOLE_CHOICE):
        return []
    elsewhere = {leaf.param for _, leaf in table(Settings)} | {*PAGES_OWN, *STREAMLITS_OWN}
    shown, wrong = values(), list[str]()
    for name, texts in address.items():
        if name in elsewhere or not any(texts):
            continue
        drawn = name in shown
        if name not in get_args(LinkedName) or (drawn and not _shows(name, value_of(name), texts)):
            wrong.append(name)
    session.address = {
        name: texts for name, texts in address.items() if name not in shown and name not in wrong
    }
    return wrong


def _shows(name: str, value: object, texts: Sequence[str]) -> bool:
    """Whether a widget's value is what the address says."""
    labels = session.labels.get(name, {})
    values = value if isinstance(value, list) else [value]
    shown = [{str(one), labels.get(str(one), str(one)), _number(one)} for one in values]
    return len(shown) == len(texts) and all(
        any({text, _number(text)} & names - {None} for names in shown) for text in texts
    )


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
