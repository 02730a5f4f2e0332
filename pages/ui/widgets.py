"""Keys of widgets whose values stay for the session or stand in the address, and stale values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, TypedDict, TypeVar

import streamlit as st

T = TypeVar("T")

LinkedName = Literal[
    "alpha",
    "base",
    "batch",
    "context",
    "depth",
    "draft",
    "floor",
    "fusion",
    "give",
    "hardware",
    "head_format",
    "k",
    "kmax",
    "kmin",
    "layer_bytes",
    "measured_tab",
    "row_bytes",
    "section",
    "served",
    "target_bytes",
    "tau",
    "timing",
    "training",
    "x",
]


class Persisted(TypedDict):
    """Arguments of a widget whose value outlives the page."""

    key: str
    persist_state: Literal["session"]


class Linked(TypedDict):
    """Arguments of a widget whose value is a parameter of the address."""

    key: str
    bind: Literal["query-params"]


def persisted(key: str) -> Persisted:
    """Key of a widget whose value is kept for the session, also on pages that do not draw it.

    Args:
        key: the widget's key.

    Returns:
        Keyword arguments of the widget.
    """
    return {"key": key, "persist_state": "session"}


def linked(key: LinkedName) -> Linked:
    """Key of a widget whose value stands in the address, so that a link reproduces it.

    Args:
        key: the widget's key, and the parameter's name.

    Returns:
        Keyword arguments of the widget.
    """
    return {"key": key, "bind": "query-params"}


def choose_source(draws: Mapping[str, Callable[[], T]], key: str) -> T:
    """The choice of where something comes from, and below it the fields of that place.

    Args:
        draws: what draws the fields of each place and returns their value, by its name; the first
            is chosen at first.
        key: the widget's key.

    Returns:
        What the fields of the chosen place gave.
    """
    names = list(draws)
    name = st.segmented_control(
        "Where from", names, default=names[0], required=True, **persisted(key)
    )
    return draws[name or names[0]]()


def values() -> dict[str, Any]:
    """The values of all widgets, by key."""
    return st.session_state.to_dict()


def value_of(key: str) -> Any:
    """The value of a widget, None where it was never drawn or set.

    Args:
        key: key of the counted set.
    """
    return st.session_state.get(key)


def set_values(new: Mapping[str, Any]) -> None:
    """Set widgets by key: from a callback, or before they are drawn.

    Args:
        new: values by key.
    """
    st.session_state.update(new)


def drop_stale(key: str, options: Collection[Any]) -> None:
    """Remove the stored value of a widget, or the part of a list, that it no longer offers.

    Call it before the widget is drawn.

    Args:
        key: the widget's key.
        options: what the widget offers now.
    """
    value = st.session_state.get(key)
    if isinstance(value, list):
        still_offered = [item for item in value if item in options]
        if still_offered != value:
            st.session_state[key] = still_offered
    elif value is not None and value not in options:
        del st.session_state[key]


def lines_of(text: str | None) -> list[str]:
    """The lines of a text field, without blank ones and without spaces around them.

    Args:
        text: the field's value.

    Returns:
        The lines, in their order.
    """
    return [line.strip() for line in (text or "").splitlines() if line.strip()]
