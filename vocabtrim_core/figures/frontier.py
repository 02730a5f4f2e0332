"""Coverage against draft cost, every size a point: the Pareto frontier (paper Figure 2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, dot, layout, log_sizes
from vocabtrim_core.tradeoff import Choice, TradeOff


class FrontierInfo(NamedTuple):
    """Sizes sampled evenly on a log scale.

    Attributes:
        k: int64[n], the sizes.
        coverage: float64[n], 0..1.
        reduction: float64[n], share of the draft's FLOPs that is saved, 0..1.
        kind: int64[n]: 0 feasible, 1 under the floor or out of bounds, 2 dominated (a smaller size
            covers as much).
        floor: The coverage floor, 0..1.
    """

    k: np.ndarray
    coverage: np.ndarray
    reduction: np.ndarray
    kind: np.ndarray
    floor: float


FRONTIER_KINDS = ("On the frontier", "Infeasible: under the floor or out of bounds", "Dominated")


def frontier_info(tradeoff: TradeOff, *marks: int) -> FrontierInfo:
    """Gather coverage and latency reduction of sampled sizes; alpha has no part in it.

    Args:
        tradeoff: The trade-off.
        *marks: Sizes that are included.

    Returns:
        The points.
    """
    curve = tradeoff.curve
    k = log_sizes(curve.vocab_size, curve.distinct, *marks, points=180)
    kind = np.where(tradeoff.within()[k - 1], 0, 1)
    kind = np.where(tradeoff.on_frontier()[k - 1], kind, 2)
    reduction = np.asarray(tradeoff.architecture.latency_reduction(k))
    return FrontierInfo(k, curve.coverage[k - 1], reduction, kind, tradeoff.floor)


def frontier_figure(
    info: FrontierInfo, palette: Palette = LIGHT, chosen: Choice | None = None
) -> go.Figure:
    """Draw the frontier; the points carry k as customdata, so that a selection names a size.

    Args:
        info: The points.
        palette: The colours.
        chosen: The choice to mark, None for none.

    Returns:
        The figure.
    """
    styles = (
        {"color": palette.accent, "symbol": "circle", "size": 8},
        {"color": palette.warn, "symbol": "circle-open", "size": 8},
        {"color": palette.muted, "symbol": "x-thin-open", "size": 7},
    )
    figure = go.Figure()
    for kind, (name, marker) in enumerate(zip(FRONTIER_KINDS, styles, strict=True)):
        of_kind = info.kind == kind
        if not of_kind.any():
            continue
        figure.add_scatter(
            x=100 * info.reduction[of_kind],
            y=100 * info.coverage[of_kind],
            customdata=info.k[of_kind],
            mode="markers",
            name=name,
            marker=marker,
            hovertemplate="<b>%{customdata:,} tokens</b><br>coverage %{y:.2f}%<br>"
            "FLOPs saved %{x:.1f}%<extra></extra>",
        )
    if chosen:
        figure.add_scatter(
            x=[100 * chosen.latency_reduction],
            y=[100 * chosen.coverage],
            customdata=[chosen.k],
            mode="markers+text",
            name="Chosen",
            text=[f"{chosen.k:,}"],
            textposition="top right",
            textfont={"color": palette.ink, "size": 13},
            marker=dot(15, "circle-open", palette.ink),
            hovertemplate="<b>%{customdata:,} tokens</b>, chosen<extra></extra>",
        )
    if info.floor > 0:
        figure.add_hline(
            y=100 * info.floor,
            line={"color": palette.warn, "dash": "dash", "width": 1},
            annotation_text=f"coverage floor {info.floor:.1%}",
            annotation_position="bottom left",
            annotation_font={"color": palette.warn, "size": 12},
        )
    layout(figure, palette, height=430, dragmode="pan", hovermode="closest")
    figure.update_xaxes(title_text="Draft FLOPs saved per step, against all tokens", ticksuffix="%")
    figure.update_yaxes(title_text="Coverage of the counted tokens", ticksuffix="%")
    return figure
