"""The optimum over alpha and floor: the best utility as a heat map, k* as a path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, layout, log_ticks
from vocabtrim_core.tradeoff import TradeOff

CONTOURS = (1_000, 5_000, 10_000, 20_000, 50_000, 100_000)  # sizes with a line of their own


class LandscapeInfo(NamedTuple):
    """The optimum for each floor and alpha; NaN where no size reaches the floor.

    Attributes:
        alphas: float64[n], weights of coverage.
        floors: float64[m], coverage floors.
        utility: float64[m, n], the largest utility.
        k: float64[m, n], its size.
    """

    alphas: np.ndarray
    floors: np.ndarray
    utility: np.ndarray
    k: np.ndarray


def landscape_info(tradeoff: TradeOff, steps: int = 51) -> LandscapeInfo:
    """Compute the optimum over alpha in 0..1 and floors from 0.5 up.

    Args:
        tradeoff: The trade-off; its own alpha and floor have no part in it.
        steps: Number of alphas, and of floors.

    Returns:
        The optima.
    """
    alphas, floors = np.linspace(0, 1, steps), np.linspace(0.5, 1.0, steps)
    k = tradeoff.landscape(alphas, floors)
    known = np.nan_to_num(k, nan=1).astype(np.int64)
    coverage = tradeoff.curve.coverage[known - 1]
    reduction = np.asarray(tradeoff.architecture.latency_reduction(known))
    utility = np.where(np.isnan(k), np.nan, alphas * coverage + (1 - alphas) * reduction)
    return LandscapeInfo(alphas, floors, utility, k)


def landscape_figure(
    info: LandscapeInfo, here: tuple[float, float] | None = None, palette: Palette = LIGHT
) -> go.Figure:
    """Draw the best utility as a heat map, with lines of equal k*.

    Args:
        info: The optima.
        here: (alpha, floor) to mark, None for none.
        palette: The colours.

    Returns:
        The figure.
    """
    scale = [[i / (len(palette.scale) - 1), c] for i, c in enumerate(palette.scale)]
    x, y = info.alphas, 100 * info.floors
    figure = go.Figure(
        go.Heatmap(
            x=x,
            y=y,
            z=info.utility,
            customdata=info.k,
            colorscale=scale,
            zsmooth=False,
            colorbar={
                "title": {"text": "Utility", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
            hovertemplate="alpha %{x:.2f}, floor %{y:.0f}%<br><b>k* = %{customdata:,.0f} tokens</b>"
            "<br>utility %{z:.4f}<extra></extra>",
        )
    )
    for size in CONTOURS:
        _contour(figure, info, size, palette)
    if here:
        figure.add_scatter(
            x=[here[0]],
            y=[100 * here[1]],
            mode="markers",
            showlegend=False,
            hoverinfo="skip",
            marker={
                "size": 13,
                "color": palette.warn,
                "line": {"color": palette.ground, "width": 2},
            },
        )
    layout(figure, palette, height=430)
    figure.update_xaxes(title_text="Coverage weight alpha", showgrid=False)
    figure.update_yaxes(title_text="Coverage floor", ticksuffix="%", showgrid=False)
    return figure


def _contour(figure: go.Figure, info: LandscapeInfo, size: int, palette: Palette) -> None:
    """Draw the line on which k* is `size`, labelled where it meets the lowest floor."""
    lowest = info.k[0]
    at = int(np.argmax(lowest >= size))
    if not lowest[at] >= size or at == 0:
        return
    figure.add_contour(
        x=info.alphas,
        y=100 * info.floors,
        z=np.log10(info.k),
        showscale=False,
        showlegend=False,
        hoverinfo="skip",
        line={"color": palette.ink, "width": 1},
        opacity=0.5,
        contours={"coloring": "none", "start": np.log10(size), "end": np.log10(size), "size": 1},
    )
    figure.add_annotation(
        x=float(info.alphas[at]),
        y=100 * float(info.floors[0]),
        text=f"{size:,}",
        showarrow=False,
        yshift=12,
        xanchor="center",
        font={"size": 11, "color": palette.ink},
        bgcolor=palette.ground,
        opacity=0.85,
        borderpad=1,
    )


class AlphaPathInfo(NamedTuple):
    """The optimum for each alpha, under one floor and one pair of bounds.

    Attributes:
        alphas: float64[n], weights of coverage.
        k: int64[n], the best sizes.
        coverage: float64[n], their coverage, 0..1.
    """

    alphas: np.ndarray
    k: np.ndarray
    coverage: np.ndarray


def alpha_path_info(tradeoff: TradeOff, steps: int = 201) -> AlphaPathInfo:
    """Compute the optimum for alphas in 0..1.

    Args:
        tradeoff: The trade-off; its own alpha has no part in it.
        steps: Number of alphas.

    Returns:
        The optima.

    Raises:
        InputError: No size reaches the floor.
    """
    alphas = np.linspace(0, 1, steps)
    k = tradeoff.alpha_path(alphas)
    return AlphaPathInfo(alphas, k, tradeoff.curve.coverage[k - 1])


def alpha_path_figure(info: AlphaPathInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw k* against alpha, on a log axis.

    Args:
        info: The optima.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = go.Figure(
        go.Scatter(
            x=info.alphas,
            y=info.k,
            customdata=100 * info.coverage,
            mode="lines",
            showlegend=False,
            line={"color": palette.accent, "width": 3},
            hovertemplate="alpha %{x:.3f}<br><b>k* = %{y:,} tokens</b>"
            "<br>coverage %{customdata:.2f}%<extra></extra>",
        )
    )
    layout(figure, palette, height=400)
    figure.update_xaxes(title_text="Coverage weight alpha")
    ticks = [m * 10**e for e in range(6) for m in (1, 2, 5)]
    figure.update_yaxes(title_text="Best size k*, tokens", **log_ticks(ticks))
    return figure
