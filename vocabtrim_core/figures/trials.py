"""The trials of a search over the exact utility curve (paper Figure 1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, layout, log_sizes
from vocabtrim_core.tradeoff import Choice, TradeOff


class TrialsInfo(NamedTuple):
    """Finished trials over the exact curve of the same objective."""

    k: np.ndarray
    utility: np.ndarray
    trial_k: np.ndarray
    trial_value: np.ndarray
    feasible: np.ndarray
    best: int | None  # index into the trials
    exact: Choice


def trials_info(tradeoff: TradeOff, trial_k: np.ndarray, trial_value: np.ndarray) -> TrialsInfo:
    """What a study has tried so far against the whole curve within its bounds."""
    exact = tradeoff.optimum
    k = log_sizes(tradeoff.curve.vocab_size, exact.k, tradeoff.k_min, tradeoff.last_k)
    k = k[(k >= tradeoff.k_min) & (k <= tradeoff.last_k)]
    feasible = tradeoff.curve.coverage[trial_k - 1] >= tradeoff.floor
    best = int(np.argmax(trial_value)) if feasible.any() else None
    return TrialsInfo(k, tradeoff.utility[k - 1], trial_k, trial_value, feasible, best, exact)


def trials_figure(info: TrialsInfo, palette: Palette = LIGHT) -> go.Figure:
    """Trials as dots that darken with age over the exact utility."""
    figure = go.Figure(
        go.Scatter(
            x=info.k, y=info.utility, mode="lines", name="Exact utility of every size",
            line={"color": palette.accent, "width": 2.5, "simplify": False},
            hovertemplate="%{x:,} tokens: utility %{y:.4f}<extra></extra>",
        )
    )  # fmt: skip
    shown = np.flatnonzero(info.feasible)
    figure.add_scatter(
        x=info.trial_k[shown], y=info.trial_value[shown], mode="markers", name="Trials",
        customdata=shown, marker={"size": 8, "color": palette.ink, "opacity": 0.55},
        hovertemplate="trial %{customdata}: %{x:,} tokens<br>utility %{y:.4f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[info.exact.k], y=[info.exact.utility], mode="markers", name="Exact optimum",
        marker={"size": 14, "symbol": "diamond", "color": palette.accent,
                "line": {"color": palette.ground, "width": 2}},
        hovertemplate="exact optimum %{x:,}: %{y:.4f}<extra></extra>",
    )  # fmt: skip
    if info.best is not None:
        figure.add_scatter(
            x=[info.trial_k[info.best]], y=[info.trial_value[info.best]], mode="markers",
            name="Best trial so far",
            marker={"size": 16, "symbol": "circle-open", "color": palette.warn,
                    "line": {"width": 3}},
            hovertemplate="best trial %{x:,}: %{y:.4f}<extra></extra>",
        )  # fmt: skip
    layout(figure, palette, height=430)
    figure.update_xaxes(
        type="log", title_text="Draft vocabulary size k, tokens", tickformat=",", dtick=1
    )
    figure.update_yaxes(title_text="Utility")
    return figure
