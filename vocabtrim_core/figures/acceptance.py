"""Acceptance as measured: its length against k, and its share by draft position."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.measurements import (
    DASHES,
    error_bars,
    interval_text,
    names_of,
    rows_of,
    styles_of,
)
from vocabtrim_core.figures.style import LIGHT, Palette, layout, log_ticks
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.statistics import RatioInterval

# --- acceptance length --------------------------------------------------------------------------


class LengthLine(NamedTuple):
    """Acceptance lengths of the drafts of one measurement with one number of draft steps.

    Attributes:
        where: Name of the measurement, with the steps (n) where it has several.
        ks: Sizes, ascending.
        lengths: Tokens per cycle at each size, with intervals over the runs.
    """

    where: str
    ks: tuple[int, ...]
    lengths: tuple[RatioInterval, ...]


class LengthInfo(NamedTuple):
    """Acceptance lengths of several measurements.

    Attributes:
        lines: One per measurement and number of steps that has any.
    """

    lines: tuple[LengthLine, ...]


def length_info(measurements: Sequence[Measurement], concurrency: int) -> LengthInfo:
    """Gather the measured acceptance lengths: ratios of sums, with intervals over the runs.

    Args:
        measurements: The measurements.
        concurrency: Requests at once.

    Returns:
        The lines; measurements of engines that do not report the length are left out.
    """
    lines = []
    for where, measurement in zip(names_of(measurements), measurements, strict=True):
        by_steps: dict[int, dict[int, RatioInterval]] = {}
        for row, _ in reversed(rows_of(measurement, concurrency)):
            if row.k and row.acceptance_length and row.acceptance:
                half, runs = row.acceptance.half, row.acceptance.n
                lengths = by_steps.setdefault(row.steps, {})
                lengths.setdefault(row.k, RatioInterval(row.acceptance_length, half, runs))
        for steps, lengths in sorted(by_steps.items()):
            name = f"{where}, n = {steps}" if len(by_steps) > 1 else where
            lines.append(LengthLine(name, tuple(lengths), tuple(lengths.values())))
    return LengthInfo(tuple(lines))


def length_figure(info: LengthInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw acceptance lengths over a log axis of k.

    Args:
        info: The lines.
        palette: The colours.

    Returns:
        The figure.
    """
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
            customdata=[interval_text(length, 3) for length in line.lengths],
            hovertemplate="<b>%{x:,} tokens</b><br>acceptance length %{customdata}",
        )
    layout(figure, palette, height=380, showlegend=len(info.lines) > 1)
    ks = sorted({k for line in info.lines for k in line.ks})
    title = "Draft vocabulary size k, tokens"
    figure.update_xaxes(title_text=title, **log_ticks(ks))
    figure.update_yaxes(title_text="Acceptance length, tokens per cycle")
    return figure


# --- acceptance by position ---------------------------------------------------------------------


class PositionLine(NamedTuple):
    """Acceptance of one configuration by draft position.

    Attributes:
        label: Name of the configuration.
        role: Its role, see `throughput.role`.
        shares: Share of the cycles in which the token at position 1, 2, ... was accepted.
    """

    label: str
    role: str
    shares: tuple[float, ...]


class PositionInfo(NamedTuple):
    """Acceptance by draft position.

    Attributes:
        lines: One per configuration that has any.
    """

    lines: tuple[PositionLine, ...]


def position_info(measurement: Measurement, concurrency: int) -> PositionInfo:
    """Gather acceptance by draft position, over the cycles of all runs together.

    Args:
        measurement: The measurement.
        concurrency: Requests at once.

    Returns:
        The lines; none where the engine does not report positions.
    """
    lines = [
        PositionLine(row.label, kind, row.position_acceptance)
        for row, kind in rows_of(measurement, concurrency)
        if row.position_acceptance
    ]
    return PositionInfo(tuple(lines))


def position_figure(info: PositionInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw acceptance by draft position, one line per configuration.

    Args:
        info: The lines.
        palette: The colours.

    Returns:
        The figure.
    """
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
    figure.update_xaxes(title_text="Draft position", dtick=1, showgrid=False)
    figure.update_yaxes(title_text="Accepted, share of cycles", ticksuffix="%", range=[0, 102])
    return figure
