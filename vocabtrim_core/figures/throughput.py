"""Measurements drawn: tokens per second, and gains over a baseline.

Intervals are the 95 % ones of `serving.statistics`; with one run there is none and none is drawn.
The figures of a toy target say so in their axes, because a saved figure travels alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, layout
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.serving.measurement import Configuration, Measurement
from vocabtrim_core.serving.statistics import RatioInterval, Row, drafts_nothing, interval, summary
from vocabtrim_core.wording import signed

TOY = ", toy target"
NONE, FULL, SHIPPED, DRAFT = "none", "full", "shipped", "draft"  # roles of a configuration
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def role(measurement: Measurement, configuration: Configuration) -> str:
    """Which of the baselines a configuration is: no speculation, V, 32,000; else a draft."""
    if drafts_nothing(configuration):
        return NONE
    if configuration.k is not None and configuration.k == measurement.vocab_size:
        return FULL
    return SHIPPED if configuration.k == SHIPPED_K else DRAFT


def ordered(measurement: Measurement) -> list[Configuration]:
    """No speculation first, then the largest draft vocabulary to the smallest, unknown last."""
    return sorted(
        measurement.configurations, key=lambda c: (not drafts_nothing(c), -(c.k or 0), c.label)
    )


def _colour(kind: str, palette: Palette) -> str:
    return {NONE: palette.parts[0], FULL: palette.parts[2], SHIPPED: palette.parts[1]}.get(
        kind, palette.accent
    )


def styles_of(roles: Sequence[str], palette: Palette) -> list[dict[str, Any]]:
    """Lines told apart: the baselines grey as in the bars, drafts in the accent by their dashes."""
    dashes = itertools.cycle(DASHES)
    return [
        {
            "color": _colour(kind, palette),
            "width": 2.5,
            "dash": next(dashes) if kind == DRAFT else "solid",
        }
        for kind in roles
    ]


def toy_of(measurements: Sequence[Measurement]) -> str:
    """For the axis of a figure that is all about toys; among others the toy's name says it."""
    return TOY if measurements and all(each.toy for each in measurements) else ""


def baseline_name(measurement: Measurement, kind: str) -> str:
    """What `statistics` calls the baseline of this role."""
    size = measurement.vocab_size
    return {NONE: "no speculation", SHIPPED: f"{SHIPPED_K:,}"}.get(kind, f"{size or 0:,}")


def rows_of(measurement: Measurement, concurrency: int) -> list[tuple[Row, str]]:
    """Configurations with a run that did not fail, in order, with their roles."""
    rows = {row.label: row for row in summary(measurement, concurrency) if row.runs}
    found = [(rows.get(c.label), role(measurement, c)) for c in ordered(measurement)]
    return [(row, kind) for row, kind in found if row]


def names_of(measurements: Sequence[Measurement]) -> list[str]:
    """What tells the measurements apart: their prompts, else prompts and device, else the key."""
    mixed = len({each.toy for each in measurements}) > 1
    tags = [TOY if each.toy and mixed else "" for each in measurements]
    for names in (
        [each.prompts for each in measurements],
        [f"{each.prompts}, {each.device or each.engine}" for each in measurements],
    ):
        if len(set(names)) == len(names):
            return [f"{name}{tag}" for name, tag in zip(names, tags, strict=True)]
    names = [f"{each.prompts}, {each.key[:6]}" for each in measurements]
    return [f"{name}{tag}" for name, tag in zip(names, tags, strict=True)]


def error_bars(found: Sequence[RatioInterval], colour: str) -> dict[str, Any]:
    """Plotly's error bars; nothing where there is no interval."""
    return {
        "type": "data",
        "array": [each.half or 0 for each in found],
        "color": colour,
        "thickness": 1.6,
        "width": 5,
        "visible": any(each.half for each in found),
    }


def said(found: RatioInterval, digits: int = 1) -> str:
    """'172.5 ± 0.7', for hover texts."""
    half = f" ± {found.half:,.{digits}f}" if found.half is not None else ", one run"
    return f"{found.mean:,.{digits}f}{half}"


# --- tokens per second --------------------------------------------------------------------------


class Bar(NamedTuple):
    """One configuration of one measurement. rate: tokens/s over the runs, which are in `runs`."""

    where: str
    label: str
    role: str
    rate: RatioInterval
    runs: tuple[float, ...]


class RateInfo(NamedTuple):
    bars: tuple[Bar, ...]
    toy: str


def rate_info(measurements: Sequence[Measurement], concurrency: int) -> RateInfo:
    """Every configuration with a run that did not fail."""
    bars = []
    for where, each in zip(names_of(measurements), measurements, strict=True):
        for row, kind in rows_of(each, concurrency):
            runs = tuple(run.throughput for run in each.good(row.label, concurrency))
            bars.append(Bar(where, row.label, kind, interval(runs), runs))
    return RateInfo(tuple(bars), toy_of(measurements))


def rate_figure(info: RateInfo, palette: Palette = LIGHT) -> go.Figure:
    """Bars from zero with error bars."""
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
            [said(bar.rate), ", ".join(f"{rate:,.1f}" for rate in bar.runs)] for bar in info.bars
        ],
        hovertemplate="<b>%{x}</b><br>%{customdata[0]} tokens/s<br>runs: %{customdata[1]}"
        "<extra></extra>",
    )
    highest = max((bar.rate.high for bar in info.bars), default=1)
    figure.add_scatter(  # a text trace, so that the numbers stand above the error bars
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
        title_text=f"Output tokens per second{info.toy}", range=[0, 1.14 * highest], tickformat=","
    )
    figure.update_xaxes(showgrid=False, type="multicategory" if several else "category")
    return figure


# --- gain over a baseline -----------------------------------------------------------------------


class Gain(NamedTuple):
    """Throughput of a configuration over the baseline's, 1.0 = as fast; runs paired by index."""

    where: str
    label: str
    ratio: RatioInterval
    distinguishable: bool | None


class GainInfo(NamedTuple):
    gains: tuple[Gain, ...]
    baseline: str
    toy: str


def gain_info(measurements: Sequence[Measurement], baseline: str, concurrency: int) -> GainInfo:
    """Every draft against the configuration whose role is `baseline`, where both were measured."""
    gains = []
    for where, each in zip(names_of(measurements), measurements, strict=True):
        name = baseline_name(each, baseline)
        for row, kind in rows_of(each, concurrency):
            if kind != NONE and (against := row.ratios.get(name)):
                gains.append(Gain(where, row.label, against.ratio, against.distinguishable))
    return GainInfo(tuple(gains), baseline, toy_of(measurements))


def gain_figure(info: GainInfo, baseline: str, palette: Palette = LIGHT) -> go.Figure:
    """A dot with its interval per configuration; zero is the baseline, hollow: not told apart."""
    several = len({gain.where for gain in info.gains}) > 1
    names = [f"{g.label}<br>{g.where}" if several else g.label for g in info.gains]
    percents = [
        RatioInterval(100 * (g.ratio.mean - 1), g.ratio.half and 100 * g.ratio.half, g.ratio.n)
        for g in info.gains
    ]
    figure = go.Figure()
    figure.add_vline(x=0, line={"color": palette.muted, "width": 1.5})
    figure.add_scatter(
        x=[each.mean for each in percents],
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
        customdata=[said(each) for each in percents],
        hovertemplate="<b>%{y}</b><br>%{customdata} % against " + baseline + "<extra></extra>",
    )
    layout(figure, palette, height=max(220, 120 + 56 * len(names)))
    ends = [0.0, *(each.low for each in percents), *(each.high for each in percents)]
    room = 0.12 * (max(ends) - min(ends) or 1)  # for the numbers above the outer dots
    figure.update_xaxes(
        title_text=f"Throughput against {baseline}{info.toy}",
        ticksuffix="%",
        zeroline=False,
        range=[min(ends) - room, max(ends) + room],
    )
    figure.update_yaxes(range=[len(names) - 0.5, -0.7], showgrid=False, type="category")
    return figure
