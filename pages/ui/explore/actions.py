"""The decision on Explore and its buttons: use, pin, undo, reset, the way out without a size."""

from __future__ import annotations

import math
from dataclasses import replace

import streamlit as st

from pages.ui import forecasts, pins, report_forecast, report_state, state
from pages.ui.fields import with_labels
from pages.ui.session import session
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import share_of
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.tradeoff import Choice, TradeOff

UNDO_STEPS = 20


def decision_card(stored: StoredCounts, settings: Settings, tradeoff: TradeOff) -> None:
    """The decision as on Forecast, with a button where it is another size than the one in view.

    Args:
        stored: the counted set in view.
        settings: the settings of the trade-off.
        tradeoff: the trade-off in view.
    """
    served = report_state.served_of(session.served or (), stored)
    try:
        acceptance, predicted = forecasts.forecast_of(
            stored, served, tradeoff, report_forecast.assumed(), chosen_k=settings.k
        )
        decision = forecasts.decision_of(stored, tradeoff, acceptance, predicted, settings.k)
    except InputError as error:
        st.caption(f"No forecast: {with_labels(str(error))}")
        return
    forecasts.card(decision, tradeoff.curve.vocab_size)
    if decision.recommended_k != decision.k:
        st.button(
            f"Use {decision.recommended_k:,} tokens",
            key="use_decision",
            on_click=state.apply,
            args=(replace(settings, k=decision.recommended_k),),
        )


def buttons(stored: StoredCounts, settings: Settings, choice: Choice | None) -> None:
    """Pin, undo and reset.

    Args:
        stored: the counted set in view.
        settings: the settings of the trade-off.
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
            on_click=_undo,
            disabled=len(session.history) < 2,
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


def remember(settings: Settings) -> None:
    """Note the settings as the latest step; the last 20 are kept for undo.

    Args:
        settings: the settings of the trade-off.
    """
    if session.history[-1:] != (settings,):
        session.history = (*session.history, settings)[-UNDO_STEPS - 1 :]


def _undo() -> None:
    if len(session.history) > 1:
        session.history = session.history[:-1]
        state.apply(session.history[-1])


def recover(settings: Settings, tradeoff: TradeOff | None) -> None:
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
