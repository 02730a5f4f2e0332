"""Buttons that take the forecast's size or alpha over to Explore."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui import state
from pages.ui.router import page as page_of
from vocabtrim_core.fields.leaf import to_query
from vocabtrim_core.selection_spec.settings import Settings


def use_on_explore(settings: Settings) -> None:
    """Hand a size or an alpha to Explore.

    Args:
        settings: the settings that Explore takes over.
    """
    state.bring(settings)
    st.switch_page(page_of("explore"), query_params=to_query(settings))


def actions(answer) -> None:
    """Buttons that take the recommended size, or the alpha it implies, to Explore.

    Args:
        answer: the forecast.
    """
    settings = state.settings(answer.size)
    with st.container(horizontal=True, gap="small"):
        if st.button(
            f"Use {answer.k:,} tokens on Explore",
            type="primary",
            icon=":material/tune:",
            key="use_k",
        ):
            use_on_explore(replace(settings, k=answer.k))
        alpha = min(1.0, max(0.0, round(answer.alpha, 2)))
        explanation = "The alpha whose optimum is the recommended size, to the slider's step."
        if st.button(
            f"Use alpha {alpha:.2f} on Explore",
            key="use_alpha",
            help=explanation,
            icon=":material/balance:",
        ):
            use_on_explore(replace(settings, alpha=alpha, k=None))
