"""What all figures share: palettes, sampled sizes, axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.coverage import sampled
from vocabtrim_core.palette import DARK as DARK
from vocabtrim_core.palette import LIGHT as LIGHT
from vocabtrim_core.palette import Palette as Palette

POINTS = 320  # sizes per curve; more are not visible
# Numbers inside bars: alike in size, and left out of bars that are too narrow for 9 pixels.
UNIFORM_TEXT = {"minsize": 9, "mode": "hide"}


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


def size_axis(figure: go.Figure, vocab_size: int) -> None:
    """Make the x axis one of sizes, 10..V on a log scale.

    Args:
        figure: The figure, which is changed.
        vocab_size: V.
    """
    figure.update_xaxes(
        type="log",
        title_text="Draft vocabulary size k, tokens",
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


def add_band(
    figure: go.Figure, x: Any, low: Any, high: Any, fill: str, name: str | None = None
) -> None:
    """Fill the area between two lines; it has no outline and no hover text.

    Args:
        figure: The figure, which is changed.
        x: float64[n].
        low: float64[n], the lower line.
        high: float64[n], the upper line.
        fill: The colour, translucent.
        name: Its name in the legend, None for no entry.
    """
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=fill,
        line={"width": 0},
        mode="lines",
        name=name,
        showlegend=name is not None,
        hoverinfo="skip",
    )


def whiskers(
    up: Any, down: Any = None, *, colour: str, thickness: float = 1.5, width: float | None = None
) -> dict[str, Any]:
    """Make error bars, for a trace's `error_x` or `error_y`.

    Args:
        up: float64[n], the distance from each value to its upper end.
        down: float64[n], that to its lower end, by default the same.
        colour: The colour.
        thickness: Width of the line in pixels.
        width: Width of the ends in pixels, Plotly's own by default.

    Returns:
        The error bars.
    """
    ends = {} if down is None else {"symmetric": False, "arrayminus": down}
    size = {} if width is None else {"width": width}
    return {"type": "data", "array": up, "color": colour, "thickness": thickness, **ends, **size}


def log_ticks(ticks: Sequence[float]) -> dict[str, Any]:
    """Make a log axis with a label at some values only.

    Args:
        ticks: The values.

    Returns:
        Options of `update_xaxes` or `update_yaxes`.
    """
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,}" for tick in ticks]}


def dot(size: float, symbol: str, colour: str, line: float = 2) -> dict[str, Any]:
    """Make a marker with an outline in its own colour, which open symbols need.

    Args:
        size: Its size in pixels.
        symbol: Plotly's name of its shape.
        colour: The colour.
        line: Width of the outline in pixels.

    Returns:
        The marker.
    """
    outline = {"width": line, "color": colour}
    return {"size": size, "symbol": symbol, "color": colour, "line": outline}
