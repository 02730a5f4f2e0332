"""Coverage curves of several counted sets with their best sizes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, layout, log_sizes, size_axis
from vocabtrim_core.tradeoff import Choice, TradeOff


class DomainLine(NamedTuple):
    """The coverage curve of one counted set.

    Attributes:
        name: Name of the set.
        k: int64[n], sampled sizes.
        coverage: float64[n], coverage at these sizes, 0..1.
        best: The best choice.
    """

    name: str
    k: np.ndarray
    coverage: np.ndarray
    best: Choice


def domains_info(tradeoffs: dict[str, TradeOff]) -> tuple[DomainLine, ...]:
    """Gather coverage curves and optima of several counted sets.

    Args:
        tradeoffs: Name of the set -> its trade-off.

    Returns:
        A line per set.
    """
    lines = []
    for name, tradeoff in tradeoffs.items():
        best = tradeoff.optimum
        k = log_sizes(tradeoff.curve.vocab_size, best.k)
        lines.append(DomainLine(name, k, tradeoff.curve.coverage[k - 1], best))
    return tuple(lines)


def domains_figure(info: tuple[DomainLine, ...], palette: Palette = LIGHT) -> go.Figure:
    """Draw the coverage of each set over k, with its best size marked.

    Args:
        info: The lines.
        palette: The colours.

    Returns:
        The figure.
    """
    colours = (palette.accent, palette.ink, palette.warn, palette.muted)
    figure = go.Figure()
    for line, colour in zip(info, colours, strict=False):
        figure.add_scatter(
            x=line.k,
            y=100 * line.coverage,
            mode="lines",
            name=line.name,
            line={"color": colour, "width": 2.5, "simplify": False},
            legendgroup=line.name,
            hovertemplate="%{x:,} tokens cover %{y:.2f}%",
        )
        figure.add_scatter(
            x=[line.best.k],
            y=[100 * line.best.coverage],
            mode="markers",
            showlegend=False,
            marker={"size": 12, "color": colour, "line": {"color": palette.ground, "width": 2}},
            name=f"{line.name}, best size",
            legendgroup=line.name,
            hovertemplate="best size %{x:,}: coverage %{y:.2f}%",
        )
        smaller = sum(other.best.k < line.best.k for other in info)
        figure.add_annotation(
            x=float(np.log10(line.best.k)),
            y=100 * line.best.coverage,
            showarrow=False,
            text=f"<b>{line.best.k:,}</b>",
            font={"color": colour, "size": 14},
            xshift=34 if smaller else -30,
            yshift=-16 if smaller == len(info) - 1 else 14,
        )
    layout(figure, palette, height=380, hovermode="x unified")
    size_axis(figure, int(info[0].k[-1]))
    figure.update_yaxes(title_text="Coverage", ticksuffix="%", range=[0, 103])
    return figure
