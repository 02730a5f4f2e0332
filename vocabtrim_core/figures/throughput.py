"""Measured tokens per second, and gains over a baseline.

Intervals are the 95 % ones of `serving.statistics`; a single run has none, and none is drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, layout
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.serving.measurement import Configuration, Measurement
from vocabtrim_core.serving.statistics import RatioInterval, interval
from vocabtrim_core.serving.summary import Row, drafts_nothing, summary
from vocabtrim_core.wording import EARLIER_DEMO, signed

NONE, FULL, SHIPPED, DRAFT = "none", "full", "shipped", "draft"  # roles of a configuration
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def role(measurement: Measurement, configuration: Configuration) -> str:
    """Classify a configuration as one of the baselines or as a draft.

    Args:
        measurement: Its measurement.
        configuration: The configuration.

    Returns:
        `NONE` (no speculation), `FULL` (V tokens), `SHIPPED` (32,000 tokens) or `DRAFT`.
    """
    if drafts_nothing(configuration):
        return NONE
    if configuration.k is not None and configuration.k == measurement.vocab_size:
        return FULL
    return SHIPPED if configuration.k == SHIPPED_K else DRAFT


def ordered(measurement: Measurement) -> list[Configuration]:
    """Order the configurations: no speculation, then from the largest size to the smallest.

    Args:
        measurement: The measurement.

    Returns:
        The configurations; those of unknown size come last.
    """
    return sorted(
        measurement.configurations, key=lambda c: (not drafts_nothing(c), -(c.k or 0), c.label)
    )


def _colour(kind: str, palette: Palette) -> str:
    return {NONE: palette.parts[0], FULL: palette.parts[2], SHIPPED: palette.parts[1]}.get(
        kind, palette.accent
    )


def styles_of(roles: Sequence[str], palette: Palette) -> list[dict[str, Any]]:
    """Choose line styles: baselines in grey as in the bars, drafts told apart by dashes.

    Args:
        roles: The role of each line.
        palette: The colours.

    Returns:
        Plotly's `line`, one per role.
    """
    dashes = itertools.cycle(DASHES)
    return [
        {
            "color": _colour(kind, palette),
            "width": 2.5,
            "dash": next(dashes) if kind == DRAFT else "solid",
        }
        for kind in roles
    ]


def baseline_name(measurement: Measurement, kind: str) -> str:
    """Name a baseline as `serving.statistics` does.

    Args:
        measurement: The measurement.
        kind: Its role.

    Returns:
        The name.
    """
    size = measurement.vocab_size
    return {NONE: "no speculation", SHIPPED: f"{SHIPPED_K:,}"}.get(kind, f"{size or 0:,}")


def rows_of(measurement: Measurement, concurrency: int) -> list[tuple[Row, str]]:
    """Summarise the configurations with a run that did not fail.

    Args:
        measurement: The measurement.
        concurrency: Requests at once.

    Returns:
        (row, role) of each, in the order of `ordered`.
    """
    rows = {row.label: row for row in summary(measurement, concurrency) if row.runs}
    candidates = [(rows.get(c.label), role(measurement, c)) for c in ordered(measurement)]
    return [(row, kind) for row, kind in candidates if row]


def names_of(measurements: Sequence[Measurement]) -> list[str]:
    """Name measurements so that they can be told apart.

    Args:
        measurements: The measurements.

    Returns:
        Their prompts, else prompts and device, else prompts and key.
    """
    tags = [f", {EARLIER_DEMO}" if m.target == EARLIER_DEMO else "" for m in measurements]
    for names in (
        [measurement.prompts for measurement in measurements],
        [
            f"{measurement.prompts}, {measurement.device or measurement.engine}"
            for measurement in measurements
        ],
    ):
        if len(set(names)) == len(names):
            return [f"{name}{tag}" for name, tag in zip(names, tags, strict=True)]
    names = [f"{measurement.prompts}, {measurement.key[:6]}" for measurement in measurements]
    return [f"{name}{tag}" for name, tag in zip(names, tags, strict=True)]


def error_bars(intervals: Sequence[RatioInterval], colour: str) -> dict[str, Any]:
    """Make error bars from intervals.

    Args:
        intervals: The values with their intervals.
        colour: The colour.

    Returns:
        Plotly's error bars, invisible where no value has an interval.
    """
    return {
        "type": "data",
        "array": [ratio.half or 0 for ratio in intervals],
        "color": colour,
        "thickness": 1.6,
        "width": 5,
        "visible": any(ratio.half for ratio in intervals),
    }


def interval_text(ratio: RatioInterval, digits: int = 1) -> str:
    """Write a value with its interval for hover texts, such as '172.5 ± 0.7'.

    Args:
        ratio: The value.
        digits: Digits after the decimal point.

    Returns:
        The text.
    """
    half = f" ± {ratio.half:,.{digits}f}" if ratio.half is not None else ", one run"
    return f"{ratio.mean:,.{digits}f}{half}"


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
        marker={"color": [_colour(bar.role, palette) for bar in info.bars]},
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


class Gain(NamedTuple):
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

    gains: tuple[Gain, ...]
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
                gains.append(Gain(where, row.label, against.ratio, against.distinguishable))
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
