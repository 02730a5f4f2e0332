"""The Plotly figures of Explore, drawn only while their tab is open."""

from __future__ import annotations

import streamlit as st

from vocabtrim_core import figures


def palette() -> figures.Palette:
    """Colours for the theme the browser shows."""
    return figures.DARK if st.context.theme.type == "dark" else figures.LIGHT


def draw(figure, name: str, alt: str, **options):
    """One figure with a modebar that saves SVG.

    Args:
        figure: a plotly figure.
        name: the chart's key, and part of the name of a saved file.
        alt: what the figure shows, for screen readers.
        options: further arguments of the chart.
    """
    config = {
        "displaylogo": False,
        "scrollZoom": False,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
        "toImageButtonOptions": {"format": "svg", "filename": f"vocabtrim-{name}"},
    }
    return st.plotly_chart(figure, key=name, config=config, alt=alt, **options)
