"""What stands behind the size on Explore, a tab each; only the open one is drawn."""

from __future__ import annotations

import streamlit as st

from pages.ui import pins, tokens
from pages.ui.explore import figures_view


def details(stored, settings, tradeoff, choice) -> None:
    """The tabs below the chart.

    Args:
        stored: the counted set in view.
        settings: the settings of the trade-off.
        tradeoff: the trade-off in view.
        choice: the choice that they make.
    """
    names = [
        "Tokens at the cut",
        "Pinned choices",
        "Pareto frontier",
        "Cost per component",
        "Alpha and floor",
    ]
    cut, pinned, frontier, cost, landscape = st.tabs(names, key="view", on_change="rerun")
    if cut.open:
        with cut:
            tokens.cut_tables(stored, choice.k)
    if pinned.open:
        with pinned:
            pins.panel()
    if frontier.open:
        with frontier:
            figures_view.frontier(tradeoff, choice)
    if cost.open:
        with cost:
            figures_view.breakdown(tradeoff, choice)
    if landscape.open:
        with landscape:
            figures_view.landscape(tradeoff)
