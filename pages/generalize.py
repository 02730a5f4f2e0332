"""Generalize: will the choice hold on other traffic, and how sure are we?"""

import streamlit as st

from pages.ui import eval_sets, vocabularies
from pages.ui.frame import choose_counts, footer, heading, plain_errors
from pages.ui.generalize import (
    context_view,
    coverage_view,
    mapping_view,
    missing_view,
    stability_view,
    tailor_view,
)
from pages.ui.router import require_router
from pages.ui.widgets import linked

require_router()

SECTIONS = (
    "Other traffic",
    "Missing tokens",
    "Dynamic head room",
    "Stability",
    "Tailor",
    "Compare",
)


def page(stored) -> None:
    """The vocabulary and the sets it is measured on, then a section per tab."""
    left, right = st.columns([1, 2.2], gap="large", vertical_alignment="bottom")
    with left:
        view = vocabularies.in_view(stored)
    with right:
        others = eval_sets.choose_others(stored)
    tabs = st.tabs(SECTIONS, **linked("section"), on_change="rerun")
    commands = {
        "Other traffic": lambda: coverage_view.arguments(view, stored, others),
        "Missing tokens": lambda: missing_view.arguments(view, stored, others),
        "Dynamic head room": lambda: context_view.arguments(view, stored, others),
        "Stability": lambda: stability_view.arguments(stored),
        "Compare": lambda: mapping_view.arguments(stored, others),
    }
    panels = {
        "Other traffic": lambda: coverage_view.panel(view, stored, others),
        "Missing tokens": lambda: missing_view.panel(view, stored, others),
        "Dynamic head room": lambda: context_view.panel(view, stored, others),
        "Stability": lambda: stability_view.panel(view, stored),
        "Tailor": lambda: tailor_view.panel(view, stored, others),
        "Compare": lambda: mapping_view.panel(view, stored, others),
    }
    for name, tab in zip(SECTIONS, tabs, strict=True):
        if tab.open:
            with tab, plain_errors():
                panels[name]()
            if name in commands:  # Tailor shows its own, which follows its sliders
                footer(commands[name]())


with heading("Generalize", "Will it hold on other traffic, and how sure are we?"):
    stored = choose_counts()
if stored:
    with plain_errors():
        page(stored)
