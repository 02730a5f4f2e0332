"""What the report says beside the choice: other sets, pins, forecast, measurements, title, note."""

from __future__ import annotations

import streamlit as st

from pages.ui import eval_sets, report_forecast, report_state, vocabularies
from pages.ui.session import session
from pages.ui.widgets import persisted
from vocabtrim_core.selection.rules import NO_RULES


def ingredients(stored) -> bool:
    """Everything that is told beside the choice; returns whether the pins are.

    Args:
        stored: the counted set in view.
    """
    eval_sets.choose_others(stored)
    count = len(session.pins)
    with_pins = st.toggle(
        f"Pinned choices as alternatives ({count})",
        True,
        **persisted("with_pins"),
        disabled=not count,
        help="Pin choices on Explore to compare them in the report.",
    )
    view = vocabularies.view_of(stored)
    _, problem = report_forecast.in_report(view.architecture)
    report_forecast.toggle(problem)
    report_forecast.choose(len(view.vocabulary), stored.counts.vocab_size)
    st.text_input(
        "Title", **persisted("report_title"), max_chars=120, placeholder="the decision itself"
    )
    st.text_area(
        "Note", **persisted("note"), height=80, placeholder="why this choice, for whom, until when"
    )
    rules = report_state.rules_of(stored.key)
    if rules != NO_RULES and not view.own:
        parts = [
            f"{len(rules.protected):,} protected tokens" if rules.protected else "",
            f"{len(rules.excluded):,} excluded tokens" if rules.excluded else "",
            f"sizes in multiples of {rules.multiple}" if rules.multiple > 1 else "",
        ]
        st.caption(f"The opened choice also holds {', '.join(filter(None, parts))}.")
        st.button(
            "Go on without", key="forget", on_click=report_state.forget_rules, type="tertiary"
        )
    return with_pins
