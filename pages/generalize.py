"""Generalize: will the choice hold on other traffic, and how sure are we?"""

from functools import partial

import streamlit as st

from pages.ui import eval_sets, vocabularies
from pages.ui.frame import choose_counts, footer, plain_errors, tabs
from pages.ui.generalize import (
    balance_view,
    context_view,
    coverage_view,
    extend_view,
    languages_view,
    mapping_view,
    missing_view,
    stability_view,
    tailor_view,
)
from pages.ui.generalize.evaluation import Evaluation
from pages.ui.router import require_router
from pages.ui.widgets import linked

require_router()

SECTIONS = {
    "Other traffic": coverage_view,
    "Languages": languages_view,
    "Missing tokens": missing_view,
    "Dynamic headroom": context_view,
    "Stability": stability_view,
    "Tailor": tailor_view,
    "Extend": extend_view,
    "Ranks": balance_view,
    "Compare": mapping_view,
}
SHOW_THEIR_OWN = (tailor_view, extend_view, balance_view)  # command


def section(view, evaluation) -> None:
    """One tab, with its command where the view does not show it itself."""
    with plain_errors():
        view.panel(evaluation)
    if view not in SHOW_THEIR_OWN:
        footer(view.arguments(evaluation))


def page(stored) -> None:
    """The vocabulary and the sets it is measured on, then a section per tab."""
    left, right = st.columns([1, 2.2], gap="large", vertical_alignment="bottom")
    with left:
        in_view = vocabularies.in_view(stored)
    with right:
        evaluation = Evaluation(in_view, [stored, *eval_sets.choose_others(stored)])
    panels = {name: partial(section, view, evaluation) for name, view in SECTIONS.items()}
    tabs(panels, **linked("section"))


page(choose_counts("Generalize", "Will it hold on other traffic, and how sure are we?"))
