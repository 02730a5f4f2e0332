"""The trade-off's controls. Every one is bound to the URL, so the address is always the view."""

from __future__ import annotations

import streamlit as st

from pages.ui import sizes, state
from pages.ui.session import session
from pages.ui.widgets import linked
from vocabtrim_core.selection_spec.settings import Settings

ALPHA_HELP = (
    "How much coverage weighs against draft latency. At 1 only coverage counts, at 0 only the "
    "FLOPs saved (paper, equation 4; its experiments use 0.5)."
)
FLOOR_HELP = "The least coverage allowed; smaller vocabularies are ruled out (paper, equation 5)."
SIZE_HELP = "Overrides the optimum. The first stop follows the optimum again."


def _size_moved() -> None:
    session.k = session.size or None


def _preset_picked() -> None:
    session.k = session.preset


def controls(vocab_size: int) -> Settings:
    """Draw the sliders and the size; returns the settings, those of `draft_menu` included.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    state.clip("k", vocab_size)
    st.slider(
        "Coverage weight alpha",
        0.0,
        1.0,
        0.5,
        0.01,
        **linked("alpha"),
        help=ALPHA_HELP,
    )
    st.slider(
        "Coverage floor",
        0.0,
        100.0,
        0.0,
        0.1,
        format="%g%%",
        **linked("floor"),
        help=FLOOR_HELP,
    )
    sizes_place = st.container(gap="small")
    st.number_input("Exact size k", 1, vocab_size, None, **linked("k"), placeholder="the optimum")
    with sizes_place:
        session.size = sizes.nearest_size(session.k, vocab_size)
        st.select_slider(
            "Draft vocabulary size",
            sizes.slider_sizes(vocab_size),
            format_func=lambda k: f"{k:,}" if k else "optimum",
            key="size",
            on_change=_size_moved,
            help=SIZE_HELP,
        )
        marks = dict(sizes.presets(vocab_size))
        meanings = (f"{k:,}: {label}" for k, label in sorted(marks.items()))
        chosen = session.k
        session.preset = chosen if chosen in marks else None
        st.pills(
            "Known sizes",
            sorted(marks),
            format_func=lambda k: f"{k:,}",
            wrap=True,
            key="preset",
            on_change=_preset_picked,
            help="; ".join(meanings),
        )
    st.segmented_control(
        "Size axis", ["log", "linear"], default="log", **linked("x"), required=True
    )
    return state.from_widgets(vocab_size)
