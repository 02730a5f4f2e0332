"""Measured tokens per second, and gains over a baseline.

Intervals are the 95 % ones of `serving.statistics`; a single run has none, and none is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.measurements import (
    NONE,
    baseline_name,
    colour_of,
    error_bars,
    interval_text,
    names_of,
    rows_of,
)
from vocabtrim_core.figures.style import LIGHT, Palette, layout
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.statistics import RatioInterval, interval
from vocabtrim_core.wording import signed

# --- tokens per second --------------------------------------------------------------------------


class Bar(NamedTuple):
    """Throughput of one configuration of one measurement.

    Attributes:
        where: Name of the measurement.
        label: Name of the configuration.
        role: Its role.
        rate: Tokens per second, with its interval over the runs.
        runs: Tokens per second of each run.
    """

    where: str
    label: str
    role: str
    rate: RatioInterval
    runs: tuple[float, ...]


class RateInfo(NamedTuple):
    """Throughput of several measurements.

    Attributes:
        bars: One per configuration with a run that did not fail.
    """

    bars: tuple[Bar, ...]


def rate_info(measurements: Sequence[Measurement], concurrency: int) -> RateInfo:
    """Gather the throughput of every configuration with a run that did not fail.

    Args:
        measurements: The measurements.
        concurrency: Requests at once.

    Returns:
        The bars.
    """
    bars = []
    for where, measurement in zip(names_of(measurements), measurements, strict=True):
        for row, kind in rows_of(measurement, concurrency):
            runs = tuple(run.throughput for run in measurement.good(row.label, concurrency))
            bars.append(Bar(where, row.label, kind, interval(runs), runs))
    return RateInfo(tuple(bars))


def rate_figure(info: RateInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw bars from zero with error bars.

    Args:
        info: The bars.
        palette: The colours.

    Returns:
        The figure.
    """
    several = len({bar.where for bar in info.bars}) > 1

    def places(bars: Sequence[Bar]) -> list[Any]:
        labels = [bar.label for bar in bars]
        return [[bar.where for bar in bars], labels] if several else labels

    figure = go.Figure()
    figure.add_bar(
        x=places(info.bars),
        y=[bar.rate.mean for bar in info.bars],
        showlegend=False,
        marker={"color": [colour_of(bar.role, palette) for bar in info.bars]},
        error_y=error_bars([bar.rate for bar in info.bars], palette.ink),
        customdata=[
            [interval_text(bar.rate), ", ".join(f"{rate:,.1f}" for rate in bar.runs)]
            for bar in info.bars
        ],
        hovertemplate="<b>%{x}</b><br>%{customdata[0]} tokens/s<br>runs: %{customdata[1]}"
        "<extra></extra>",
    )
    highest = max((bar.rate.high for bar in info.bars), default=1)
    figure.add_scatter(  # a text trace puts the numbers above the error bars
        x=places(info.bars),
        y=[bar.rate.high + 0.01 * highest for bar in info.bars],
        mode="text",
        text=[f"{bar.rate.mean:,.1f}" for bar in info.bars],
        textposition="top center",
        textfont={"color": palette.ink, "size": 13},
        showlegend=False,
        hoverinfo="skip",
    )
    layout(figure, palette, height=380, bargap=0.42)
    figure.update_yaxes(
        title_text="Output tokens per second", range=[0, 1.14 * highest], tickformat=","
    )
    figure.update_xaxes(showgrid=False, type="multicategory" if several else "category")
    return figure


# --- gain over a baseline -----------------------------------------------------------------------


class MeasuredGain(NamedTuple):
    """Throughput of a configuration relative to the baseline.

    Attributes:
        where: Name of the measurement.
        label: Name of the configuration.
        ratio: The ratio, 1.0 where both are as fast, from runs paired by index.
        distinguishable: Whether its interval excludes 1.0, None without an interval.
    """

    where: str
    label: str
    ratio: RatioInterval
    distinguishable: bool | None


class GainInfo(NamedTuple):
    """Gains over one baseline.

    Attributes:
        gains: One per draft.
        baseline: Role of the baseline.
    """

    gains: tuple[MeasuredGain, ...]
    baseline: str


def gain_info(measurements: Sequence[Measurement], baseline: str, concurrency: int) -> GainInfo:
    """Gather the gain of every draft over a baseline, where both were measured.

    Args:
        measurements: The measurements.
        baseline: Role of the baseline.
        concurrency: Requests at once.

    Returns:
        The gains.
    """
    gains = []
    for where, measurement in zip(names_of(measurements), measurements, strict=True):
        name = baseline_name(measurement, baseline)
        for row, kind in rows_of(measurement, concurrency):
            if kind != NONE and (against := row.ratios.get(name)):
                gains.append(MeasuredGain(where, row.label, against.ratio, against.distinguishable))
    return GainInfo(tuple(gains), baseline)


def gain_figure(info: GainInfo, baseline: str, palette: Palette = LIGHT) -> go.Figure:
    """Draw a dot with its interval per draft; hollow ones cannot be told from the baseline.

    Args:
        info: The gains.
        baseline: Name of the baseline, for the axis title.
        palette: The colours.

    Returns:
        The figure.
    """
    several = len({gain.where for gain in info.gains}) > 1
    names = [f"{g.label}<br>{g.where}" if several else g.label for g in info.gains]
    percents = [
        RatioInterval(100 * (g.ratio.mean - 1), g.ratio.half and 100 * g.ratio.half, g.ratio.n)
        for g in info.gains
    ]
    figure = go.Figure()
    figure.add_vline(x=0, line={"color": palette.muted, "width": 1.5})
    figure.add_scatter(
        x=[ratio.mean for ratio in percents],
        y=names,
        mode="markers+text",
        showlegend=False,
        marker={
            "size": 11,
            "color": palette.accent,
            "line": {"width": 2, "color": palette.accent},
            "symbol": ["circle" if g.distinguishable else "circle-open" for g in info.gains],
        },
        error_x=error_bars(percents, palette.accent),
        text=[signed(gain.ratio.mean - 1) for gain in info.gains],
        textposition="top center",
        textfont={"color": palette.ink, "size": 12},
        customdata=[interval_text(ratio) for ratio in percents],
        hovertemplate="<b>%{y}</b><br>%{customdata} % against " + baseline + "<extra></extra>",
    )
    layout(figure, palette, height=max(220, 120 + 56 * len(names)))
    ends = [0.0, *(ratio.low for ratio in percents), *(ratio.high for ratio in percents)]
    room = 0.12 * (max(ends) - min(ends) or 1)  # for the numbers above the outer dots
    figure.update_xaxes(
        title_text=f"Throughput against {baseline}",
        ticksuffix="%",
        zeroline=False,
        range=[min(ends) - room, max(ends) + room],
    )
    figure.update_yaxes(range=[len(names) - 0.5, -0.7], showgrid=False, type="category")
    return figure
