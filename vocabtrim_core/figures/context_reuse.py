"""Share of the missing tokens that already stand in the context, over its length."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, layout, log_sizes
from vocabtrim_core.generalization.context_reuse import WINDOWS, ContextReuse


def curve_windows(reuse: ContextReuse) -> np.ndarray:
    """Sample the lengths of context, up to the largest at which a missing token stands.

    Args:
        reuse: Where missing tokens stood before.

    Returns:
        int64, ascending, WINDOWS included.
    """
    return log_sizes(max(reuse.longest, *WINDOWS), *WINDOWS)


def context_reuse_figure(reuse: ContextReuse, palette: Palette = LIGHT) -> go.Figure:
    """Draw the share of the missing tokens that stand in the last N tokens of context.

    Args:
        reuse: Where missing tokens stood before.
        palette: Colours.

    Returns:
        A line over N on a logarithmic axis, with marks at WINDOWS.
    """
    windows = curve_windows(reuse)
    shares, coverages = 100 * reuse.shares(windows), 100 * reuse.coverages(windows)
    hover = (
        "<b>the last %{x:,} tokens of context</b><br>%{y:.1f}% of the missing tokens stand there"
        "<br>list and context cover %{customdata:.2f}%<extra></extra>"
    )
    figure = go.Figure()
    figure.add_scatter(
        x=windows,
        y=shares,
        mode="lines",
        line={"color": palette.accent, "width": 3},
        customdata=coverages,
        hovertemplate=hover,
    )
    at = 100 * reuse.shares(WINDOWS)
    figure.add_scatter(
        x=list(WINDOWS),
        y=at,
        mode="markers+text",
        marker={"size": 10, "color": palette.ink},
        text=[f"{share:.0f}%" for share in at],
        textposition="top center",
        textfont={"color": palette.ink},
        customdata=100 * reuse.coverages(WINDOWS),
        hovertemplate=hover,
    )
    layout(figure, palette, height=340, showlegend=False)
    figure.update_xaxes(
        title_text="Tokens of context, prompt included", type="log", tickformat=",", dtick=1
    )
    figure.update_yaxes(
        title_text="Missing tokens that stand there", ticksuffix="%", range=[0, 108]
    )
    return figure
