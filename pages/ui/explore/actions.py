"""Buttons of Explore: pin, undo, reset, and the way out where no size can be chosen."""

from __future__ import annotations

import math
from dataclasses import replace

import streamlit as st

from pages.ui import pins, state
from vocabtrim_core.fields.kinds import share_of


def buttons(stored, settings, tradeoff, choice) -> None:
    """Pin, undo and reset.

    Args:
        stored: the counted set in view.
        settings: the settings of the trade-off.
        tradeoff: the trade-off in view.
        choice: the choice; None where no size can be chosen.
    """
    start = state.defaults(stored.counts.vocab_size)
    st.button(
        "Pin",
        key="pin",
        icon=":material/keep:",
        type="primary",
        shortcut="P",
        on_click=pins.pin,
        args=(stored, settings, choice),
        disabled=choice is None,
        width="stretch",
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Undo",
            key="undo",
            icon=":material/undo:",
            type="tertiary",
            shortcut="U",
            on_click=state.undo,
            disabled=not state.can_undo(),
        )
        st.button(
            "Reset",
            key="reset",
            icon=":material/restart_alt:",
            type="tertiary",
            on_click=state.apply,
            args=(start,),
            disabled=settings == start,
        )


def way_out(settings, tradeoff) -> None:
    """The button that puts right what leaves no size to choose: crossed bounds, or the floor.

    Args:
        settings: the settings of the trade-off.
        tradeoff: the trade-off; None where its bounds cross.
    """
    if tradeoff is None:
        title = f"Search from {settings.k_max:,} to {settings.k_min:,}"
        change = {"k_min": settings.k_max, "k_max": settings.k_min}
    else:
        reach = math.floor(1000 * tradeoff.curve.at(tradeoff.last_k)) / 10
        title, change = f"Lower the floor to {reach:.1f}%", {"floor": share_of(reach)}
    st.button(
        title,
        key="way_out",
        type="primary",
        on_click=state.apply,
        args=(replace(settings, **change),),
    )
