"""Acceptance as measured: its length against k, and its share by draft position."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, layout
from vocabtrim_core.figures.throughput import (
    DASHES,
    error_bars,
    names_of,
    rows_of,
    said,
    styles_of,
    toy_of,
)
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.statistics import RatioInterval

# --- acceptance length --------------------------------------------------------------------------


class LengthLine(NamedTuple):
    """Acceptance length of the drafts of one measurement, by ascending k."""

    where: str
    ks: tuple[int, ...]
    lengths: tuple[RatioInterval, ...]


class LengthInfo(NamedTuple):
    lines: tuple[LengthLine, ...]
    toy: str


def length_info(measurements: Sequence[Measurement], concurrency: int) -> LengthInfo:
    """Where acceptance lengths were told: ratios of sums, their intervals over the runs."""
    lines = []
    for where, each in zip(names_of(measurements), measurements, strict=True):
        found: dict[int, RatioInterval] = {}
        for row, _ in reversed(rows_of(each, concurrency)):
            if row.k and row.acceptance_length and row.acceptance:
                half, runs = row.acceptance.half, row.acceptance.n
                found.setdefault(row.k, RatioInterval(row.acceptance_length, half, runs))
        if found:
            lines.append(LengthLine(where, tuple(found), tuple(found.values())))
    return LengthInfo(tuple(lines), toy_of(measurements))


def length_figure(info: LengthInfo, palette: Palette = LIGHT) -> go.Figure:
    """Lines over a log axis of k."""
    figure = go.Figure()
    colours = itertools.cycle((palette.accent, palette.warn, palette.ink, palette.muted))
    for line, colour, dash in zip(info.lines, colours, itertools.cycle(DASHES), strict=False):
        figure.add_scatter(
            x=line.ks,
            y=[length.mean for length in line.lengths],
            mode="lines+markers",
            name=line.where,
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"size": 9},
            error_y=error_bars(line.lengths, colour),
            customdata=[said(length, 3) for length in line.lengths],
            hovertemplate="<b>%{x:,} tokens</b><br>acceptance length %{customdata}",
        )
    layout(figure, palette, height=380, showlegend=len(info.lines) > 1)
    ks = sorted({k for line in info.lines for k in line.ks})
    figure.update_xaxes(
        type="log",
        title_text=f"Draft vocabulary size k, tokens{info.toy}",
        tickvals=ks,
        ticktext=[f"{k:,}" for k in ks],
    )
    figure.update_yaxes(title_text="Acceptance length, tokens per cycle")
    return figure


# --- acceptance by position ---------------------------------------------------------------------


class PositionLine(NamedTuple):
    """Share of the cycles in which the token at draft position 1, 2, … was accepted."""

    label: str
    role: str
    shares: tuple[float, ...]


class PositionInfo(NamedTuple):
    lines: tuple[PositionLine, ...]
    toy: str


def position_info(measurement: Measurement, concurrency: int) -> PositionInfo:
    """Cycles of all runs together; empty where the engine does not tell."""
    lines = [
        PositionLine(row.label, kind, row.position_acceptance)
        for row, kind in rows_of(measurement, concurrency)
        if row.position_acceptance
    ]
    return PositionInfo(tuple(lines), toy_of([measurement]))


def position_figure(info: PositionInfo, palette: Palette = LIGHT) -> go.Figure:
    """One line per configuration."""
    figure = go.Figure()
    styles = styles_of([line.role for line in info.lines], palette)
    for line, style in zip(info.lines, styles, strict=True):
        figure.add_scatter(
            x=list(range(1, len(line.shares) + 1)),
            y=[100 * share for share in line.shares],
            mode="lines+markers",
            name=line.label,
            marker={"size": 9},
            line=style,
            hovertemplate="position %{x}: %{y:.1f}% of the cycles",
        )
    layout(figure, palette, height=380)
    figure.update_xaxes(title_text=f"Draft position{info.toy}", dtick=1, showgrid=False)
    figure.update_yaxes(title_text="Accepted, share of cycles", ticksuffix="%", range=[0, 102])
    return figure
