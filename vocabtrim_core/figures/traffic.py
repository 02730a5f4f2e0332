"""How a vocabulary does on several sets of traffic: coverage with intervals, and crosswise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.coverage import HeldOut
from vocabtrim_core.figures.base import LIGHT, Palette, clear, layout
from vocabtrim_core.generalization.compare import TransferMatrix
from vocabtrim_core.generalization.uncertainty import CoverageInterval

MOST_NAMED = 16  # cells of a transfer matrix are labelled up to this many sets


def short(name: str, most: int = 26) -> str:
    """A name that fits an axis, its middle left out."""
    return name if len(name) <= most else f"{name[: most - 10]}…{name[-9:]}"


class CoverageRow(NamedTuple):
    """One set: what is covered, its 95 % interval where known, whether it chose the vocabulary."""

    name: str
    coverage: float
    unique: float
    interval: tuple[float, float] | None
    in_sample: bool
    held_out: CoverageInterval | None


def coverage_info(
    rows: Sequence[tuple[HeldOut, CoverageInterval | None]],
    chosen_on: str | None,
    held_out: CoverageInterval | None = None,
) -> tuple[CoverageRow, ...]:
    """Rows by rising coverage, so that the best stands on top; chosen_on: the set that chose."""
    made = [
        CoverageRow(
            each.name,
            each.coverage,
            each.unique_coverage,
            (interval.low, interval.high) if interval else None,
            each.name == chosen_on,
            held_out if each.name == chosen_on else None,
        )
        for each, interval in rows
    ]
    return tuple(sorted(made, key=lambda row: row.coverage))


def coverage_figure(info: tuple[CoverageRow, ...], palette: Palette = LIGHT) -> go.Figure:
    """Dots with intervals, one line per set; unique coverage as open dots."""
    figure = go.Figure()
    names = [short(row.name) for row in info]
    figure.add_scatter(
        x=[100 * row.unique for row in info],
        y=names,
        mode="markers",
        name="Of its distinct tokens",
        marker={"size": 9, "symbol": "circle-open", "color": palette.muted, "line": {"width": 2}},
        hovertemplate="<b>%{y}</b><br>%{x:.1f}% of its distinct tokens kept<extra></extra>",
    )
    for own, label, colour in (
        (False, "Of what it says", palette.accent),
        (True, "The set that chose", palette.ink),
    ):
        rows = [(name, row) for name, row in zip(names, info, strict=True) if row.in_sample == own]
        if not rows:
            continue
        ends = [
            (row.coverage - row.interval[0], row.interval[1] - row.coverage)
            if row.interval
            else (0.0, 0.0)
            for _, row in rows
        ]
        figure.add_scatter(
            x=[100 * row.coverage for _, row in rows],
            y=[name for name, _ in rows],
            mode="markers",
            name=label,
            marker={"size": 10, "color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "thickness": 2.5,
                "width": 7,
                "color": colour,
                "arrayminus": [100 * low for low, _ in ends],
                "array": [100 * high for _, high in ends],
            },
            customdata=[
                [
                    100 * (row.interval or (np.nan, np.nan))[0],
                    100 * (row.interval or (np.nan, np.nan))[1],
                ]
                for _, row in rows
            ],
            hovertemplate="<b>%{y}</b><br>coverage %{x:.2f}%<br>95% interval %{customdata[0]:.2f}"
            " to %{customdata[1]:.2f}%<extra></extra>",
        )
    held = [(name, row.held_out) for name, row in zip(names, info, strict=True) if row.held_out]
    if held:
        figure.add_scatter(
            x=[100 * each.value for _, each in held],
            y=[name for name, _ in held],
            mode="markers",
            name="The same, held out",
            marker={
                "size": 12,
                "symbol": "diamond-open",
                "color": palette.warn,
                "line": {"width": 2.5},
            },
            hovertemplate="<b>%{y}</b><br>held out %{x:.2f}%<extra></extra>",
        )
    layout(figure, palette, height=190 + 44 * len(info), hovermode="closest")
    figure.update_xaxes(title_text="Kept by the vocabulary", ticksuffix="%", side="bottom")
    figure.update_yaxes(showgrid=True, categoryorder="array", categoryarray=names)
    return figure


def matrix_figure(matrix: TransferMatrix, palette: Palette = LIGHT) -> go.Figure:
    """Heat map: the row chose, the column is measured. Tints stay pale enough for the numbers."""
    names = [short(name, 20) for name in matrix.names]
    share = 100 * matrix.coverage
    labelled = len(names) <= MOST_NAMED
    texts = np.vectorize(lambda value: f"{value:.1f}")(share) if labelled else None
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=names,
            y=names,
            zmax=100,
            xgap=2,
            ygap=2,
            text=texts,
            colorscale=[[0, clear(palette.accent, 0.04)], [1, clear(palette.accent, 0.55)]],
            texttemplate="%{text}" if labelled else None,
            textfont={"color": palette.ink},
            customdata=100 * matrix.unique,
            showscale=not labelled,
            colorbar={
                "title": {"text": "Coverage, %", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
            hovertemplate=f"top {matrix.k:,} of <b>%{{y}}</b><br>on <b>%{{x}}</b>: %{{z:.2f}}%"
            "<br>of its distinct tokens %{customdata:.1f}%<extra></extra>",
        )
    )
    layout(figure, palette, height=190 + 44 * len(names))
    figure.update_xaxes(side="bottom", showgrid=False, tickangle=-35)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure
