"""The decision card on Explore: the same answer as on Forecast, for the size in view."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui import forecasts, report_forecast, report_state, state
from pages.ui.fields import told
from pages.ui.session import session
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.tradeoff import TradeOff


def card(stored: StoredCounts, settings: Settings, tradeoff: TradeOff) -> None:
    """Draw the card, with a button where the decision is another size than the one in view.

    Args:
        stored: the counted set in view.
        settings: the settings of the trade-off.
        tradeoff: the trade-off in view.
    """
    served = report_state.served_of(session.served or (), stored)
    size = tradeoff.curve.vocab_size
    try:
        acceptance, predicted = forecasts.forecast_of(
            stored, served, tradeoff, report_forecast.assumed(), chosen_k=settings.k
        )
        decision = forecasts.decision_of(stored, tradeoff, acceptance, predicted, settings.k)
    except InputError as error:
        st.caption(f"No forecast: {told(str(error))}")
        return
    forecasts.card(decision, size)
    if decision.recommended_k != decision.k:
        st.button(
            f"Use {decision.recommended_k:,} tokens",
            key="use_decision",
            on_click=state.apply,
            args=(replace(settings, k=decision.recommended_k),),
        )
