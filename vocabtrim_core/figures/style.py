"""What all figures share: palettes, sampled sizes, axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.coverage import sampled
from vocabtrim_core.palette import DARK as DARK
from vocabtrim_core.palette import LIGHT as LIGHT
from vocabtrim_core.palette import Palette as Palette

POINTS = 320  # sizes per curve; more are not visible


def log_sizes(vocab_size: int, *marks: int, points: int = POINTS) -> np.ndarray:
    """Sample the sizes 1..V evenly on a log axis.

    Args:
        vocab_size: V.
        *marks: Sizes that are included.
        points: About how many sizes.

    Returns:
        int64, ascending.
    """
    return sampled(1, vocab_size, *marks, points=points)


def layout(figure: go.Figure, palette: Palette, *, height: int, **options: Any) -> go.Figure:
    """Apply the look that all figures share.

    Args:
        figure: The figure, which is changed.
        palette: The colours.
        height: Height in pixels.
        **options: Further options of `update_layout`.

    Returns:
        The figure.
    """
    axis: dict[str, Any] = {
        "gridcolor": palette.line,
        "linecolor": palette.muted,
        "zeroline": False,
        "tickfont": {"color": palette.muted},
        "title": {"font": {"color": palette.muted, "size": 13}},
    }
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 16, "t": 28, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": palette.ink, "size": 13},
        hoverlabel={"align": "left"},
        # Below the axis; above it Plotly's buttons would cover the legend.
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "title": None,
            "font": {"color": palette.ink},
        },
        **options,
    )
    figure.update_xaxes(**axis, automargin=True)
    figure.update_yaxes(**axis, automargin=True)
    return figure


def size_axis(figure: go.Figure, vocab_size: int, title: str = "Draft vocabulary size k, tokens"):
    """Make the x axis one of sizes, 10..V on a log scale.

    Args:
        figure: The figure, which is changed.
        vocab_size: V.
        title: Title of the axis.
    """
    figure.update_xaxes(
        type="log",
        title_text=title,
        tickformat=",",
        dtick=1,
        range=[1, float(np.log10(vocab_size * 1.08))],
    )


def translucent(colour: str, opacity: float) -> str:
    """Make a colour translucent.

    Args:
        colour: Such as '#1f77b4'.
        opacity: 0..1.

    Returns:
        The colour as rgba(...).
    """
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{opacity})"


def mark_size(figure: go.Figure, k: int, text: str, palette: Palette) -> None:
    """Mark a size on a logarithmic size axis, with a line and a label above it.

    Args:
        figure: The figure, which has the axis already.
        k: The size.
        text: The label.
        palette: The colours.
    """
    figure.add_vline(x=k, line={"color": palette.muted, "dash": "dot", "width": 1.5})
    figure.add_annotation(
        x=math.log10(k),  # Plotly places annotations by the logarithm, shapes by the value
        y=1.0,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        text=text,
        font={"color": palette.ink, "size": 12},
    )
