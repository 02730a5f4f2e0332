"""The trials of a search over the exact utility curve (paper Figure 1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, dot, layout, log_sizes
from vocabtrim_core.tradeoff import Choice, TradeOff


class TrialsInfo(NamedTuple):
    """Finished trials over the exact curve of the same objective.

    Utilities are U(k) for sizes under the floor as well, which the search counts as -1.

    Attributes:
        k: int64[n], sampled sizes.
        utility: float64[n], their utility.
        first: Smallest size within the bounds that reaches the floor.
        trial_k: int64[m], sizes of the trials.
        trial_utility: float64[m], their utility.
        feasible: bool[m], whether they meet floor and bounds.
        best: Index of the best trial, None where none is feasible.
        exact: The exact optimum.
    """

    k: np.ndarray
    utility: np.ndarray
    first: int
    trial_k: np.ndarray
    trial_utility: np.ndarray
    feasible: np.ndarray
    best: int | None
    exact: Choice


def trials_info(tradeoff: TradeOff, trial_k: np.ndarray, trial_value: np.ndarray) -> TrialsInfo:
    """Compare the trials of a study with the exact curve within its bounds.

    Args:
        tradeoff: The objective.
        trial_k: int64[m], sizes of the finished trials.
        trial_value: float64[m], their values in the study.

    Returns:
        Curve and trials.
    """
    exact = tradeoff.optimum
    utility, within = tradeoff.utility, tradeoff.within()
    first = int(np.argmax(within)) + 1
    k = log_sizes(tradeoff.curve.vocab_size, exact.k, first, tradeoff.k_min, tradeoff.last_k)
    k = k[(k >= tradeoff.k_min) & (k <= tradeoff.last_k)]
    feasible = within[trial_k - 1]
    best = int(np.argmax(trial_value)) if feasible.any() else None
    return TrialsInfo(
        k, utility[k - 1], first, trial_k, utility[trial_k - 1], feasible, best, exact
    )


def trials_figure(info: TrialsInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw trials over the exact utility, muted where the floor excludes sizes.

    Args:
        info: Curve and trials.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = go.Figure()
    lines = (
        ("Ruled out by the floor", info.k <= info.first, palette.muted, "dot"),
        ("Exact utility of every size", info.k >= info.first, palette.accent, "solid"),
    )
    for name, part, colour, dash in lines:
        if part.sum() > 1:
            figure.add_scatter(
                x=info.k[part],
                y=info.utility[part],
                mode="lines",
                name=name,
                line={"color": colour, "width": 2.5, "dash": dash, "simplify": False},
                hovertemplate="%{x:,} tokens: utility %{y:.4f}<extra></extra>",
            )
    dots = (
        ("Trials under the floor", ~info.feasible, palette.muted, "x", ", counts as -1"),
        ("Trials", info.feasible, palette.ink, "circle", ""),
    )
    for name, part, colour, symbol, note in dots:
        shown = np.flatnonzero(part)
        if shown.size:
            figure.add_scatter(
                x=info.trial_k[shown],
                y=info.trial_utility[shown],
                mode="markers",
                name=name,
                customdata=shown,
                marker={"size": 8, "symbol": symbol, "color": colour, "opacity": 0.65},
                hovertemplate="trial %{customdata}: %{x:,} tokens<br>utility %{y:.4f}"
                + note
                + "<extra></extra>",
            )
    figure.add_scatter(
        x=[info.exact.k],
        y=[info.exact.utility],
        mode="markers",
        name="Exact optimum",
        marker={
            "size": 14,
            "symbol": "diamond",
            "color": palette.accent,
            "line": {"color": palette.ground, "width": 2},
        },
        hovertemplate="exact optimum %{x:,}: %{y:.4f}<extra></extra>",
    )
    if info.best is not None:
        figure.add_scatter(
            x=[info.trial_k[info.best]],
            y=[info.trial_utility[info.best]],
            mode="markers",
            name="Best trial so far",
            marker=dot(16, "circle-open", palette.warn, 3),
            hovertemplate="best trial %{x:,}: %{y:.4f}<extra></extra>",
        )
    layout(figure, palette, height=430)
    figure.update_xaxes(
        type="log", title_text="Draft vocabulary size k, tokens", tickformat=",", dtick=1
    )
    figure.update_yaxes(title_text="Utility")
    return figure
