"""Buttons that take the forecast's size or alpha over to Explore."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui import state
from pages.ui.router import page as page_of
from pages.ui.session import session
from vocabtrim_core.fields.codec import to_query
from vocabtrim_core.selection_spec.settings import Settings


def use_on_explore(settings: Settings) -> None:
    """Hand a size or an alpha to Explore.

    Args:
        settings: the settings that Explore takes over.
    """
    state.restore(settings)
    st.switch_page(page_of("explore"), query_params=to_query(settings))


def actions(answer) -> None:
    """Buttons that take the recommended size, or the alpha it implies, to Explore.

    Args:
        answer: the forecast.
    """
    settings = state.settings(answer.size)
    size = answer.k if session.forecast_k else answer.decision.recommended_k
    with st.container(horizontal=True, gap="small"):
        if st.button(
            f"Use {size:,} tokens on Explore",
            type="primary",
            icon=":material/tune:",
            key="use_k",
        ):
            use_on_explore(replace(settings, k=size))
        alpha = answer.decision.equivalent_alpha
        keeps, fastest = answer.decision.alpha_k, answer.decision.fastest_k
        explanation = f"The alpha whose optimum is {keeps:,}, the fastest size."
        if keeps != fastest:
            explanation = (
                f"The alpha whose optimum is {keeps:,}; the fastest size, {fastest:,}, lies among "
                "tokens that are equally frequent, where no alpha stops."
            )
        if st.button(
            f"Use alpha {alpha:g} on Explore",
            key="use_alpha",
            help=explanation,
            icon=":material/balance:",
        ):
            use_on_explore(replace(settings, alpha=alpha, k=None))
