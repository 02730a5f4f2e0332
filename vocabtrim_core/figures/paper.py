"""The paper's figures 1 to 3 on the shipped counts, with the paper's own points in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, dot, layout, log_sizes, log_ticks
from vocabtrim_core.forecast.paper import GENERAL_K
from vocabtrim_core.generalization.stability import Stability
from vocabtrim_core.paper import published
from vocabtrim_core.tradeoff import TradeOff


class PaperLine(NamedTuple):
    """A line of ours with points of the paper.

    Attributes:
        x: float64[n].
        y: float64[n].
        ours: (x, y, name) of our marked points.
        paper: (x, y, name) of the paper's points.
    """

    x: np.ndarray
    y: np.ndarray
    ours: tuple[tuple[float, float, str], ...]
    paper: tuple[tuple[float, float, str], ...]


def utility_info(tradeoff: TradeOff) -> PaperLine:
    """The utility of every size, with k* and the paper's size (figure 1).

    Args:
        tradeoff: The objective.

    Returns:
        Sizes and utilities.
    """
    best = tradeoff.optimum
    k = log_sizes(tradeoff.curve.vocab_size, best.k, GENERAL_K)
    k = k[k >= 256]
    at_paper = float(tradeoff.utility[GENERAL_K - 1])
    return PaperLine(
        k,
        tradeoff.utility[k - 1],
        ((best.k, best.utility, f"{best.k:,} here"),),
        ((GENERAL_K, at_paper, f"{GENERAL_K:,} in the paper"),),
    )


def frontier_info(tradeoff: TradeOff) -> PaperLine:
    """Coverage against the FLOPs saved, in percent, with the paper's points (figure 2).

    Args:
        tradeoff: The objective.

    Returns:
        Savings and coverages.
    """
    k = log_sizes(tradeoff.curve.vocab_size, GENERAL_K)
    k = k[k >= 256]
    best = tradeoff.optimum
    points = (
        (*published.SMALLEST, "up to 64%"),
        (*published.OPTIMUM, f"{GENERAL_K:,}"),
        (*published.NEARLY_ALL, "99%+"),
    )
    return PaperLine(
        100 * tradeoff.latency_reduction[k - 1],
        100 * tradeoff.curve.coverage[k - 1],
        ((100 * best.latency_reduction, 100 * best.coverage, f"{best.k:,} here"),),
        tuple((100 * saved, 100 * covered, name) for saved, covered, name in points),
    )


def samples_info(result: Stability) -> PaperLine:
    """k* against the number of conversations, mean of the subsamples (figure 3).

    Args:
        result: k* of subsamples.

    Returns:
        Conversations and sizes.
    """
    means = result.ks.mean(axis=1)
    last = float(result.sizes[-1])
    return PaperLine(
        result.sizes.astype(np.float64),
        means,
        ((last, float(means[-1]), f"{means[-1]:,.0f} here"),),
        tuple((float(n), float(k), f"{k:,}") for n, k in published.STABILITY.items()),
    )


AXES = {  # figure -> titles of x and y, whether x is logarithmic, what a share is written with
    "Figure 1": ("Draft vocabulary size k, tokens (log scale)", "Utility", True, ""),
    "Figure 2": ("Draft FLOPs saved per step", "Coverage", False, "%"),
    "Figure 3": ("Conversations in the sample (log scale)", "Best size k*, tokens", True, ""),
}


def paper_figure(place: str, info: PaperLine, palette: Palette = LIGHT) -> go.Figure:
    """Draw one of the three figures.

    Args:
        place: A key of AXES.
        info: The line and the points.
        palette: The colours.

    Returns:
        The figure.
    """
    x_title, y_title, is_log, suffix = AXES[place]
    figure = go.Figure()
    figure.add_scatter(
        x=info.x,
        y=info.y,
        mode="lines+markers" if len(info.x) < 20 else "lines",
        name="Shipped counts",
        line={"color": palette.accent, "width": 2.5, "simplify": False},
        hovertemplate=f"%{{x:,.5~g}}{suffix}: %{{y:,.5~g}}{suffix}<extra></extra>",
    )
    for points, name, marker, side in (
        (info.ours, "Here", dot(13, "diamond", palette.accent), "bottom left"),
        (info.paper, "The paper", dot(12, "circle-open", palette.warn, 3), "top center"),
    ):
        figure.add_scatter(
            x=[x for x, _, _ in points],
            y=[y for _, y, _ in points],
            text=[text for _, _, text in points],
            mode="markers+text",
            name=name,
            marker=marker,
            textposition=side,
            textfont={"color": palette.ink, "size": 12},
            cliponaxis=False,
            hovertemplate="<b>%{text}</b><br>"
            f"%{{x:,.5~g}}{suffix}: %{{y:,.5~g}}{suffix}<extra></extra>",
        )
    layout(figure, palette, height=360, hovermode="closest")
    if is_log:
        ticks = [b * 10**e for e in range(2, 7) for b in (1, 3)]
        ends = [info.x[0], max(info.x[-1], *(x for x, _, _ in info.paper))]
        figure.update_xaxes(**log_ticks([t for t in ticks if ends[0] <= t <= ends[1]]))
    else:
        figure.update_xaxes(ticksuffix=suffix)
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title, ticksuffix=suffix, tickformat=",")
    figure.update_yaxes(range=_room([*info.y, *(y for _, y, _ in info.paper)]))
    return figure


def _room(values: list[float]) -> list[float]:
    """The range of an axis with room for labels above and below."""
    low, high = min(values), max(values)
    return [low - 0.12 * (high - low), high + 0.15 * (high - low)]
