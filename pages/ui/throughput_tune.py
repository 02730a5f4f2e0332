"""Measured-objective TPE: a search whose every trial is a measurement."""

from __future__ import annotations

import streamlit as st

ABOUT = (
    "For a fixed corpus the optimum of the formula is exact, so TPE is not needed there. Here it "
    "is: every trial is a real measurement of one configuration, and most of them never have to be "
    "made."
)


def panel() -> None:
    """Settings, button, trials as they come in."""
    st.markdown(ABOUT)
