"""Plotly figures in two steps: `X_info(...)` gathers plain numbers, `X_figure(info)` draws them.

Sizes are drawn on a log axis unless said otherwise, shares in percent. Palettes are data, so the
same figure serves a light page, a dark page and a printed report.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.tradeoff import Choice, TradeOff

POINTS = 320  # sizes per curve; an SVG line gains nothing from more


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by role; `parts` are told apart side by side, `scale` runs from low to high."""

    ink: str
    muted: str
    line: str
    accent: str
    warn: str
    ground: str
    parts: tuple[str, ...] = field(default=())
    scale: tuple[str, ...] = field(default=())


LIGHT = Palette(
    ink="#16202A", muted="#667482", line="#E3E8EC", accent="#0B7A75", warn="#C2570C",
    ground="#FFFFFF", parts=("#B9C4CC", "#8B9AA6", "#5D6D7A", "#0B7A75"),
    scale=("#F2F5F6", "#CFE5E3", "#98CECA", "#4FA8A2", "#0B7A75", "#043E3C"),
)  # fmt: skip
DARK = Palette(
    ink="#E8EDF1", muted="#95A3AF", line="#2B353E", accent="#2DB8AF", warn="#F0924E",
    ground="#0E1317", parts=("#4A5864", "#6B7A87", "#93A1AD", "#2DB8AF"),
    scale=("#141B21", "#0C3D3B", "#116663", "#1A918B", "#4BBDB6", "#BEE9E6"),
)  # fmt: skip


def log_sizes(vocab_size: int, *marks: int, points: int = POINTS) -> np.ndarray:
    """int64, ascending: sizes 1..V even on a log axis, with `marks` among them."""
    even = np.unique(np.round(np.geomspace(1, vocab_size, points)).astype(np.int64))
    return np.union1d(even, [k for k in marks if 1 <= k <= vocab_size])


def layout(figure: go.Figure, palette: Palette, *, height: int, **more: Any) -> go.Figure:
    """The look that all figures share."""
    axis = {
        "gridcolor": palette.line, "linecolor": palette.muted, "zeroline": False,
        "tickfont": {"color": palette.muted},
        "title": {"font": {"color": palette.muted, "size": 13}},
    }  # fmt: skip
    figure.update_layout(
        height=height, margin={"l": 8, "r": 16, "t": 28, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"color": palette.ink, "size": 13}, hoverlabel={"align": "left"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None,
                "font": {"color": palette.ink}},
        **more,
    )  # fmt: skip
    figure.update_xaxes(**axis, automargin=True)
    figure.update_yaxes(**axis, automargin=True)
    return figure


def size_axis(figure: go.Figure, vocab_size: int, title: str = "Draft vocabulary size k, tokens"):
    """Sizes 10..V on a log x axis."""
    figure.update_xaxes(
        type="log", title_text=title, tickformat=",", dtick=1,
        range=[1, float(np.log10(vocab_size * 1.08))],
    )  # fmt: skip


# --- Pareto frontier ----------------------------------------------------------------------------


class FrontierInfo(NamedTuple):
    """Sizes sampled evenly on a log scale. kind: 0 feasible, 1 under the floor or out of bounds, 2
    dominated (a smaller size covers as much). Shares in 0..1."""

    k: np.ndarray
    coverage: np.ndarray
    reduction: np.ndarray
    kind: np.ndarray
    floor: float


FRONTIER_KINDS = ("On the frontier", "Infeasible: under the floor or out of bounds", "Dominated")


def frontier_info(tradeoff: TradeOff, *marks: int) -> FrontierInfo:
    """Coverage against latency reduction of sampled sizes; independent of alpha."""
    curve = tradeoff.curve
    k = log_sizes(curve.vocab_size, curve.distinct, *marks, points=180)
    kind = np.where(tradeoff.within()[k - 1], 0, 1)
    kind = np.where(tradeoff.on_frontier()[k - 1], kind, 2)
    reduction = np.asarray(tradeoff.architecture.latency_reduction(k))
    return FrontierInfo(k, curve.coverage[k - 1], reduction, kind, tradeoff.floor)


def frontier_figure(info: FrontierInfo, palette: Palette = LIGHT) -> go.Figure:
    """The frontier; the points carry k as customdata, so that a selection names a size."""
    styles = (
        {"color": palette.accent, "symbol": "circle", "size": 8},
        {"color": palette.warn, "symbol": "circle-open", "size": 8},
        {"color": palette.muted, "symbol": "x-thin-open", "size": 7},
    )
    figure = go.Figure()
    for kind, (name, marker) in enumerate(zip(FRONTIER_KINDS, styles, strict=True)):
        chosen = info.kind == kind
        if not chosen.any():
            continue
        figure.add_scatter(
            x=100 * info.reduction[chosen], y=100 * info.coverage[chosen],
            customdata=info.k[chosen], mode="markers", name=name, marker=marker,
            hovertemplate="<b>%{customdata:,} tokens</b><br>coverage %{y:.2f}%<br>"
            "FLOPs saved %{x:.1f}%<extra></extra>",
        )  # fmt: skip
    if info.floor > 0:
        figure.add_hline(
            y=100 * info.floor, line={"color": palette.warn, "dash": "dash", "width": 1},
            annotation_text=f"coverage floor {info.floor:.1%}", annotation_position="bottom left",
            annotation_font={"color": palette.warn, "size": 12},
        )  # fmt: skip
    layout(figure, palette, height=430, dragmode="pan", hovermode="closest")
    figure.update_xaxes(title_text="Draft FLOPs saved per step, against all tokens", ticksuffix="%")
    figure.update_yaxes(title_text="Coverage of the counted tokens", ticksuffix="%")
    return figure


# --- cost per component -------------------------------------------------------------------------


class BreakdownInfo(NamedTuple):
    """FLOPs and weight bytes of one draft step per component, for all tokens and for k of them."""

    components: tuple[str, ...]
    sizes: tuple[int, int]  # V, k
    flops: tuple[tuple[float, ...], tuple[float, ...]]
    weight_bytes: tuple[tuple[float, ...], tuple[float, ...]]


def breakdown_info(architecture: DraftArchitecture, k: int) -> BreakdownInfo:
    """Where the cost of a draft step sits, before and after the trim (paper Table 1)."""
    sizes = (architecture.vocab_size, k)
    weights = [architecture.breakdown(size) for size in sizes]
    per_weight = architecture.bytes_per_weight
    return BreakdownInfo(
        tuple(weights[0]),
        sizes,
        (tuple(2.0 * w for w in weights[0].values()), tuple(2.0 * w for w in weights[1].values())),
        (
            tuple(float(per_weight * w) for w in weights[0].values()),
            tuple(float(per_weight * w) for w in weights[1].values()),
        ),
    )


def breakdown_figure(info: BreakdownInfo, palette: Palette = LIGHT) -> go.Figure:
    """Stacked bars: FLOPs and bytes, each for V and for k."""
    labels = [f"{size:,} tokens" for size in info.sizes]
    axis = [["FLOPs, millions"] * 2 + ["Weights read, MB"] * 2, labels * 2]
    figure = go.Figure()
    for i, component in enumerate(info.components):
        values = [side[i] / 1e6 for side in (*info.flops, *info.weight_bytes)]
        totals = [sum(side) / 1e6 for side in (*info.flops, *info.weight_bytes)]
        figure.add_bar(
            y=axis, x=values, orientation="h", name=component,
            marker={"color": palette.parts[i], "line": {"color": palette.ground, "width": 1}},
            text=[f"{v:,.1f}" if v > 0.045 * max(totals) else "" for v in values],
            textposition="inside", insidetextanchor="middle", constraintext="none", textangle=0,
            insidetextfont={"color": palette.ground} if component == "LM head" else None,
            customdata=[v / t for v, t in zip(values, totals, strict=True)],
            hovertemplate=f"<b>{component}</b><br>%{{x:,.1f}} of this bar's total"
            " (%{customdata:.1%})<extra></extra>",
        )  # fmt: skip
    layout(figure, palette, height=330, barmode="stack", bargap=0.28)
    figure.update_layout(legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", showgrid=False, dividercolor="rgba(0,0,0,0)")
    figure.update_xaxes(title_text="Per draft step: millions of FLOPs, or megabytes of weights")
    return figure


# --- alpha and floor ----------------------------------------------------------------------------


CONTOURS = (1_000, 5_000, 10_000, 20_000, 50_000, 100_000)  # sizes with a line of their own


class LandscapeInfo(NamedTuple):
    """Largest utility and its k for each (floor, alpha); NaN where the floor is out of reach."""

    alphas: np.ndarray
    floors: np.ndarray
    utility: np.ndarray
    k: np.ndarray


def landscape_info(tradeoff: TradeOff, steps: int = 51) -> LandscapeInfo:
    """The optimum over alpha in 0..1 and floors from 0.5 up; independent of the sliders."""
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
    """Heat of the best utility, lines of equal k*; `here` = (alpha, floor) is marked."""
    scale = [[i / (len(palette.scale) - 1), c] for i, c in enumerate(palette.scale)]
    x, y = info.alphas, 100 * info.floors
    figure = go.Figure(
        go.Heatmap(
            x=x, y=y, z=info.utility, customdata=info.k, colorscale=scale, zsmooth=False,
            colorbar={"title": {"text": "Utility", "side": "right"}, "thickness": 12,
                      "outlinewidth": 0},
            hovertemplate="alpha %{x:.2f}, floor %{y:.0f}%<br><b>k* = %{customdata:,.0f} tokens</b>"
            "<br>utility %{z:.4f}<extra></extra>",
        )
    )  # fmt: skip
    for size in CONTOURS:
        _contour(figure, info, size, palette)
    if here:
        figure.add_scatter(
            x=[here[0]], y=[100 * here[1]], mode="markers", showlegend=False, hoverinfo="skip",
            marker={"size": 13, "color": palette.warn,
                    "line": {"color": palette.ground, "width": 2}},
        )  # fmt: skip
    layout(figure, palette, height=430)
    figure.update_xaxes(title_text="Coverage weight alpha", showgrid=False)
    figure.update_yaxes(title_text="Coverage floor", ticksuffix="%", showgrid=False)
    return figure


def _contour(figure: go.Figure, info: LandscapeInfo, size: int, palette: Palette) -> None:
    """The line on which k* is `size`, labelled where it meets the lowest floor."""
    lowest = info.k[0]
    at = int(np.argmax(lowest >= size))
    if not lowest[at] >= size or at == 0:
        return
    figure.add_contour(
        x=info.alphas, y=100 * info.floors, z=np.log10(info.k), showscale=False, showlegend=False,
        hoverinfo="skip", line={"color": palette.ink, "width": 1}, opacity=0.5,
        contours={"coloring": "none", "start": np.log10(size), "end": np.log10(size), "size": 1},
    )  # fmt: skip
    figure.add_annotation(
        x=float(info.alphas[at]), y=100 * float(info.floors[0]), text=f"{size:,}", showarrow=False,
        yshift=12, xanchor="center", font={"size": 11, "color": palette.ink},
        bgcolor=palette.ground, opacity=0.85, borderpad=1,
    )  # fmt: skip


class AlphaPathInfo(NamedTuple):
    """k* and what it covers for each alpha, under one floor and one pair of bounds."""

    alphas: np.ndarray
    k: np.ndarray
    coverage: np.ndarray


def alpha_path_info(tradeoff: TradeOff, steps: int = 201) -> AlphaPathInfo:
    """How the optimum moves as coverage weighs more; InputError when the floor is out of reach."""
    alphas = np.linspace(0, 1, steps)
    k = tradeoff.alpha_path(alphas)
    return AlphaPathInfo(alphas, k, tradeoff.curve.coverage[k - 1])


def alpha_path_figure(info: AlphaPathInfo, palette: Palette = LIGHT) -> go.Figure:
    """k* against alpha on a log axis."""
    figure = go.Figure(
        go.Scatter(
            x=info.alphas, y=info.k, customdata=100 * info.coverage, mode="lines", showlegend=False,
            line={"color": palette.accent, "width": 3},
            hovertemplate="alpha %{x:.3f}<br><b>k* = %{y:,} tokens</b>"
            "<br>coverage %{customdata:.2f}%<extra></extra>",
        )
    )  # fmt: skip
    layout(figure, palette, height=400)
    figure.update_xaxes(title_text="Coverage weight alpha")
    ticks = [m * 10**e for e in range(6) for m in (1, 2, 5)]
    figure.update_yaxes(
        type="log", title_text="Best size k*, tokens", tickvals=ticks,
        ticktext=[f"{tick:,}" for tick in ticks],
    )  # fmt: skip
    return figure


# --- domains side by side -----------------------------------------------------------------------


class DomainLine(NamedTuple):
    """One counted set: sampled coverage and its best choice."""

    name: str
    k: np.ndarray
    coverage: np.ndarray
    best: Choice


def domains_info(tradeoffs: dict[str, TradeOff]) -> tuple[DomainLine, ...]:
    """The curves and optima of several counted sets."""
    lines = []
    for name, tradeoff in tradeoffs.items():
        best = tradeoff.optimum
        k = log_sizes(tradeoff.curve.vocab_size, best.k)
        lines.append(DomainLine(name, k, tradeoff.curve.coverage[k - 1], best))
    return tuple(lines)


def domains_figure(info: tuple[DomainLine, ...], palette: Palette = LIGHT) -> go.Figure:
    """Coverage of each domain over k, the best size of each marked."""
    colours = (palette.accent, palette.ink, palette.warn, palette.muted)
    figure = go.Figure()
    for line, colour in zip(info, colours, strict=False):
        figure.add_scatter(
            x=line.k, y=100 * line.coverage, mode="lines", name=line.name,
            line={"color": colour, "width": 2.5, "simplify": False}, legendgroup=line.name,
            hovertemplate="%{x:,} tokens cover %{y:.2f}%",
        )  # fmt: skip
        figure.add_scatter(
            x=[line.best.k], y=[100 * line.best.coverage], mode="markers", showlegend=False,
            marker={"size": 12, "color": colour, "line": {"color": palette.ground, "width": 2}},
            name=f"{line.name}, best size", legendgroup=line.name,
            hovertemplate="best size %{x:,}: coverage %{y:.2f}%",
        )  # fmt: skip
        above = line is min(info, key=lambda each: each.best.k)
        figure.add_annotation(
            x=float(np.log10(line.best.k)), y=100 * line.best.coverage, showarrow=False,
            text=f"<b>{line.best.k:,}</b>", font={"color": colour, "size": 14},
            xshift=-30 if above else 34, yshift=14 if above else -16,
        )  # fmt: skip
    layout(figure, palette, height=380, hovermode="x unified")
    size_axis(figure, int(info[0].k[-1]))
    figure.update_yaxes(title_text="Coverage", ticksuffix="%", range=[0, 103])
    return figure


# --- search -------------------------------------------------------------------------------------


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
