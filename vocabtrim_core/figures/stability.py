"""How k* changes with the sample (paper Figure 3), and the optimism of in-sample coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import (
    LIGHT,
    Palette,
    add_band,
    layout,
    log_ticks,
    mark_size,
    translucent,
    whiskers,
)
from vocabtrim_core.generalization.held_out import Optimism


class StabilityInfo(NamedTuple):
    """k* of subsamples by their size (paper Figure 3), and k* of all conversations.

    Attributes:
        sizes: int64[n], conversations of a subsample.
        ks: float64[n, repeats], k* of each subsample.
        k: k* of all conversations.
        interval: Its interval; the upper end infinite where the sample is too small for one.
    """

    sizes: np.ndarray
    ks: np.ndarray
    k: int
    interval: tuple[float, float]


def stability_info(result: Mapping[str, Any]) -> StabilityInfo:
    """Read the result of the command `stability`.

    Args:
        result: What it printed with --json.

    Returns:
        The numbers of the figure.
    """
    samples, (low, high) = result["samples"], result["interval"]
    return StabilityInfo(
        np.array([sample["conversations"] for sample in samples]),
        np.array([sample["ks"] for sample in samples], float),
        int(result["k"]),
        (float(low), float(high) if result.get("bounded", True) else np.inf),
    )


def stability_figure(info: StabilityInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw median, quartiles and range of k* against the number of conversations.

    Args:
        info: The numbers of the figure.
        palette: The colours.

    Returns:
        The figure.
    """
    x = info.sizes
    figure = go.Figure()
    for low, high, name, opacity in (
        (0, 100, "All subsamples", 0.14),
        (25, 75, "Half of them", 0.28),
    ):
        ends = np.percentile(info.ks, [low, high], axis=1)
        add_band(figure, x, ends[0], ends[1], translucent(palette.accent, opacity), name)
    figure.add_scatter(
        x=x,
        y=np.median(info.ks, axis=1),
        mode="lines+markers",
        name="Median k*",
        line={"color": palette.accent, "width": 3},
        marker={"size": 8},
        customdata=np.stack([info.ks.min(axis=1), info.ks.max(axis=1)], axis=1),
        hovertemplate="%{x:,} conversations<br><b>k* %{y:,.0f}</b>, %{customdata[0]:,.0f} to "
        "%{customdata[1]:,.0f}<extra></extra>",
    )
    low, high = info.interval
    bounded = np.isfinite(high)
    known = f"{low:,.0f} to {high:,.0f}" if bounded else f"{low:,.0f} or more"
    figure.add_scatter(
        x=[x[-1]],
        y=[info.k],
        mode="markers",
        name="All conversations, with its interval",
        marker={"size": 12, "symbol": "diamond", "color": palette.ink},
        error_y=whiskers(
            [high - info.k if bounded else 0], [info.k - low], colour=palette.ink, thickness=2
        ),
        hovertemplate=f"all {x[-1]:,} conversations<br><b>k* {info.k:,}</b>, with unlimited "
        f"ones {known}<extra></extra>",
    )
    layout(figure, palette, height=400)
    ticks = [b * 10**e for e in range(1, 9) for b in (1, 2, 5)]
    ticks = [t for t in ticks if x[0] * 0.9 <= t <= x[-1] * 1.1]
    figure.update_xaxes(title_text="Conversations in the sample (log scale)", **log_ticks(ticks))
    figure.update_yaxes(title_text="Best size k*, tokens", tickformat=",")
    return figure


def optimism_figure(optimism: Optimism, k: int, palette: Palette = LIGHT) -> go.Figure:
    """Draw the coverage of the half that chose and of the other half; the gap is the optimism.

    Args:
        optimism: Coverage of both halves at sampled sizes.
        k: The size to mark.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = go.Figure()
    for values, name, colour, dash in (
        (optimism.in_sample, "On the half that chose", palette.ink, "dot"),
        (optimism.held_out, "On the other half", palette.accent, "solid"),
    ):
        figure.add_scatter(
            x=optimism.ks,
            y=100 * values.mean(axis=0),
            mode="lines",
            name=name,
            line={"color": colour, "width": 2.5, "dash": dash},
            hovertemplate="%{x:,} tokens cover %{y:.2f}%",
        )
    layout(figure, palette, height=400, hovermode="x unified")
    mark_size(figure, k, f"k = {k:,}", palette)
    first = int(np.searchsorted(optimism.ks, min(1000, k)))
    figure.update_xaxes(
        type="log",
        title_text="Draft vocabulary size k, tokens",
        tickformat=",",
        dtick="D2",
        range=[float(np.log10(optimism.ks[first])), float(np.log10(optimism.ks[-1]))],
    )
    lowest = 100 * float(optimism.held_out.mean(axis=0)[first])
    figure.update_yaxes(title_text="Coverage", ticksuffix="%", range=[lowest - 1, 100.5])
    return figure
