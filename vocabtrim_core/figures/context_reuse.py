"""Share of the missing tokens that already stand in the context, over its length."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, layout, log_sizes
from vocabtrim_core.generalization.context_reuse import WINDOWS, ContextReuse


class ContextReuseInfo(NamedTuple):
    """What stands in the last tokens of context, at sampled lengths.

    Attributes:
        window: int64[n], tokens of context, ascending, WINDOWS included.
        share: float64[n], share of the missing tokens that stand there, 0..1.
        coverage: float64[n], share of the tokens that count that list and context cover, 0..1.
    """

    window: np.ndarray
    share: np.ndarray
    coverage: np.ndarray


def context_reuse_info(reuse: ContextReuse) -> ContextReuseInfo:
    """Gather the curve, up to the largest distance at which a missing token stands.

    Args:
        reuse: Where missing tokens stood before.

    Returns:
        The numbers of the chart.
    """
    windows = log_sizes(max(reuse.longest, *WINDOWS), *WINDOWS)
    return ContextReuseInfo(windows, reuse.shares(windows), reuse.coverages(windows))


def context_reuse_figure(info: ContextReuseInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw the share of the missing tokens that stand in the last N tokens of context.

    Args:
        info: The curve.
        palette: Colours.

    Returns:
        A line over N on a logarithmic axis, with marks at WINDOWS.
    """
    marks = np.searchsorted(info.window, WINDOWS)
    hover = (
        "<b>the last %{x:,} tokens of context</b><br>%{y:.1f}% of the missing tokens stand there"
        "<br>list and context cover %{customdata:.2f}%<extra></extra>"
    )
    figure = go.Figure()
    figure.add_scatter(
        x=info.window,
        y=100 * info.share,
        mode="lines",
        line={"color": palette.accent, "width": 3},
        customdata=100 * info.coverage,
        hovertemplate=hover,
    )
    figure.add_scatter(
        x=info.window[marks],
        y=100 * info.share[marks],
        mode="markers+text",
        marker={"size": 10, "color": palette.ink},
        text=[f"{100 * share:.0f}%" for share in info.share[marks]],
        textposition="top center",
        textfont={"color": palette.ink},
        customdata=100 * info.coverage[marks],
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
