"""Measurements drawn: tokens per second, gains, acceptance, concurrency and latency.

Intervals are the 95 % ones of `serving.statistics`; with one run there is none and none is drawn.
The figures of a toy target say so in their axes, because a saved figure travels alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, clear, layout
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.serving.measurement import Configuration, Latency, Measurement
from vocabtrim_core.serving.statistics import Interval, Row, drafts_nothing, interval, summary

TOY = ", toy target"
NONE, FULL, SHIPPED, DRAFT = "none", "full", "shipped", "draft"  # roles of a configuration
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def role(measurement: Measurement, configuration: Configuration) -> str:
    """Which of the baselines a configuration is: no speculation, V, 32,000; else a draft."""
    if drafts_nothing(configuration):
        return NONE
    if configuration.k == measurement.vocab_size:
        return FULL
    return SHIPPED if configuration.k == SHIPPED_K else DRAFT


def ordered(measurement: Measurement) -> list[Configuration]:
    """No speculation first, then the largest draft vocabulary to the smallest."""
    return sorted(measurement.configurations, key=lambda c: (c.k is not None, -(c.k or 0), c.label))


def _colour(kind: str, palette: Palette) -> str:
    return {NONE: palette.parts[0], FULL: palette.parts[2], SHIPPED: palette.parts[1]}.get(
        kind, palette.accent
    )


def _styles(roles: Sequence[str], palette: Palette) -> list[dict]:
    """Lines told apart: the baselines grey as in the bars, drafts in the accent by their dashes."""
    dashes = itertools.cycle(DASHES)
    return [
        {"color": _colour(kind, palette), "width": 2.5,
         "dash": next(dashes) if kind == DRAFT else "solid"}
        for kind in roles
    ]  # fmt: skip


def _toy(measurements: Sequence[Measurement]) -> str:
    """For the axis of a figure that is all about toys; among others the toy's name says it."""
    return TOY if measurements and all(each.toy for each in measurements) else ""


def baseline_name(measurement: Measurement, kind: str) -> str:
    """What `statistics` calls the baseline of this role."""
    size = measurement.vocab_size
    return {NONE: "no speculation", SHIPPED: f"{SHIPPED_K:,}"}.get(kind, f"{size or 0:,}")


def _rows(measurement: Measurement, concurrency: int) -> list[tuple[Row, str]]:
    """Configurations with a run that did not fail, in order, with their roles."""
    rows = {row.label: row for row in summary(measurement, concurrency) if row.runs}
    found = [(rows.get(c.label), role(measurement, c)) for c in ordered(measurement)]
    return [(row, kind) for row, kind in found if row]


def _where(measurements: Sequence[Measurement]) -> list[str]:
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


def _errors(found: Sequence[Interval], colour: str) -> dict:
    """Plotly's error bars; nothing where there is no interval."""
    return {"type": "data", "array": [each.half or 0 for each in found], "color": colour,
            "thickness": 1.6, "width": 5, "visible": any(each.half for each in found)}  # fmt: skip


def _said(found: Interval, digits: int = 1) -> str:
    half = f" ± {found.half:,.{digits}f}" if found.half is not None else ", one run"
    return f"{found.mean:,.{digits}f}{half}"


# --- tokens per second --------------------------------------------------------------------------


class Bar(NamedTuple):
    """One configuration of one measurement. rate: tokens/s over the runs, which are in `runs`."""

    where: str
    label: str
    role: str
    rate: Interval
    runs: tuple[float, ...]


class RateInfo(NamedTuple):
    bars: tuple[Bar, ...]
    toy: str


def rate_info(measurements: Sequence[Measurement], concurrency: int) -> RateInfo:
    """Every configuration with a run that did not fail."""
    bars = []
    for where, each in zip(_where(measurements), measurements, strict=True):
        for row, kind in _rows(each, concurrency):
            runs = tuple(run.throughput for run in each.good(row.label, concurrency))
            bars.append(Bar(where, row.label, kind, interval(runs), runs))
    return RateInfo(tuple(bars), _toy(measurements))


def rate_figure(info: RateInfo, palette: Palette = LIGHT) -> go.Figure:
    """Bars from zero with error bars."""
    several = len({bar.where for bar in info.bars}) > 1

    def places(bars: Sequence[Bar]) -> list:
        labels = [bar.label for bar in bars]
        return [[bar.where for bar in bars], labels] if several else labels

    figure = go.Figure()
    figure.add_bar(
        x=places(info.bars), y=[bar.rate.mean for bar in info.bars], showlegend=False,
        marker={"color": [_colour(bar.role, palette) for bar in info.bars]},
        error_y=_errors([bar.rate for bar in info.bars], palette.ink),
        customdata=[
            [_said(bar.rate), ", ".join(f"{rate:,.1f}" for rate in bar.runs)] for bar in info.bars
        ],
        hovertemplate="<b>%{x}</b><br>%{customdata[0]} tokens/s<br>runs: %{customdata[1]}"
        "<extra></extra>",
    )  # fmt: skip
    highest = max((bar.rate.high for bar in info.bars), default=1)
    figure.add_scatter(  # a text trace, so that the numbers stand above the error bars
        x=places(info.bars),
        y=[bar.rate.high + 0.01 * highest for bar in info.bars],
        mode="text", text=[f"{bar.rate.mean:,.1f}" for bar in info.bars],
        textposition="top center", textfont={"color": palette.ink, "size": 13},
        showlegend=False, hoverinfo="skip",
    )  # fmt: skip
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
    ratio: Interval
    distinguishable: bool | None


class GainInfo(NamedTuple):
    gains: tuple[Gain, ...]
    baseline: str
    toy: str


def gain_info(measurements: Sequence[Measurement], baseline: str, concurrency: int) -> GainInfo:
    """Every draft against the configuration whose role is `baseline`, where both were measured."""
    gains = []
    for where, each in zip(_where(measurements), measurements, strict=True):
        name = baseline_name(each, baseline)
        for row, kind in _rows(each, concurrency):
            if kind != NONE and (against := row.ratios.get(name)):
                gains.append(Gain(where, row.label, against.ratio, against.distinguishable))
    return GainInfo(tuple(gains), baseline, _toy(measurements))


def gain_figure(info: GainInfo, baseline: str, palette: Palette = LIGHT) -> go.Figure:
    """A dot with its interval per configuration; zero is the baseline, hollow: not told apart."""
    several = len({gain.where for gain in info.gains}) > 1
    names = [f"{g.label}<br>{g.where}" if several else g.label for g in info.gains]
    percents = [
        Interval(100 * (g.ratio.mean - 1), g.ratio.half and 100 * g.ratio.half, g.ratio.n)
        for g in info.gains
    ]
    figure = go.Figure()
    figure.add_vline(x=0, line={"color": palette.muted, "width": 1.5})
    figure.add_scatter(
        x=[each.mean for each in percents], y=names, mode="markers+text", showlegend=False,
        marker={"size": 11, "color": palette.accent, "line": {"width": 2, "color": palette.accent},
                "symbol": ["circle" if g.distinguishable else "circle-open" for g in info.gains]},
        error_x=_errors(percents, palette.accent),
        text=[f"{each.mean:+.1f}%".replace("-", "\N{MINUS SIGN}") for each in percents],
        textposition="top center", textfont={"color": palette.ink, "size": 12},
        customdata=[_said(each) for each in percents],
        hovertemplate="<b>%{y}</b><br>%{customdata} % against " + baseline + "<extra></extra>",
    )  # fmt: skip
    layout(figure, palette, height=max(220, 120 + 56 * len(names)))
    ends = [0.0, *(each.low for each in percents), *(each.high for each in percents)]
    room = 0.12 * (max(ends) - min(ends) or 1)  # for the numbers above the outer dots
    figure.update_xaxes(
        title_text=f"Throughput against {baseline}{info.toy}", ticksuffix="%", zeroline=False,
        range=[min(ends) - room, max(ends) + room],
    )  # fmt: skip
    figure.update_yaxes(range=[len(names) - 0.5, -0.7], showgrid=False, type="category")
    return figure


# --- acceptance length --------------------------------------------------------------------------


class LengthLine(NamedTuple):
    """Acceptance length of the drafts of one measurement, by ascending k."""

    where: str
    ks: tuple[int, ...]
    lengths: tuple[Interval, ...]


class LengthInfo(NamedTuple):
    lines: tuple[LengthLine, ...]
    toy: str


def length_info(measurements: Sequence[Measurement], concurrency: int) -> LengthInfo:
    """Where acceptance lengths were told: ratios of sums, their intervals over the runs."""
    lines = []
    for where, each in zip(_where(measurements), measurements, strict=True):
        found: dict[int, Interval] = {}
        for row, _ in reversed(_rows(each, concurrency)):
            if row.k and row.acceptance_length and row.acceptance:
                half, runs = row.acceptance.half, row.acceptance.n
                found.setdefault(row.k, Interval(row.acceptance_length, half, runs))
        if found:
            lines.append(LengthLine(where, tuple(found), tuple(found.values())))
    return LengthInfo(tuple(lines), _toy(measurements))


def length_figure(info: LengthInfo, palette: Palette = LIGHT) -> go.Figure:
    """Lines over a log axis of k."""
    figure = go.Figure()
    colours = itertools.cycle((palette.accent, palette.warn, palette.ink, palette.muted))
    for line, colour, dash in zip(info.lines, colours, itertools.cycle(DASHES), strict=False):
        figure.add_scatter(
            x=line.ks, y=[length.mean for length in line.lengths], mode="lines+markers",
            name=line.where, line={"color": colour, "width": 2.5, "dash": dash},
            marker={"size": 9}, error_y=_errors(line.lengths, colour),
            customdata=[_said(length, 3) for length in line.lengths],
            hovertemplate="<b>%{x:,} tokens</b><br>acceptance length %{customdata}",
        )  # fmt: skip
    layout(figure, palette, height=380, showlegend=len(info.lines) > 1)
    ks = sorted({k for line in info.lines for k in line.ks})
    figure.update_xaxes(
        type="log", title_text=f"Draft vocabulary size k, tokens{info.toy}", tickvals=ks,
        ticktext=[f"{k:,}" for k in ks],
    )  # fmt: skip
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
        for row, kind in _rows(measurement, concurrency)
        if row.position_acceptance
    ]
    return PositionInfo(tuple(lines), _toy([measurement]))


def position_figure(info: PositionInfo, palette: Palette = LIGHT) -> go.Figure:
    """One line per configuration."""
    figure = go.Figure()
    styles = _styles([line.role for line in info.lines], palette)
    for line, style in zip(info.lines, styles, strict=True):
        figure.add_scatter(
            x=list(range(1, len(line.shares) + 1)), y=[100 * share for share in line.shares],
            mode="lines+markers", name=line.label, marker={"size": 9},
            line=style,
            hovertemplate="position %{x}: %{y:.1f}% of the cycles",
        )  # fmt: skip
    layout(figure, palette, height=380)
    figure.update_xaxes(title_text=f"Draft position{info.toy}", dtick=1, showgrid=False)
    figure.update_yaxes(title_text="Accepted, share of cycles", ticksuffix="%", range=[0, 102])
    return figure


# --- concurrency --------------------------------------------------------------------------------


class ConcurrencyLine(NamedTuple):
    label: str
    role: str
    concurrencies: tuple[int, ...]
    rates: tuple[Interval, ...]


class ConcurrencyInfo(NamedTuple):
    lines: tuple[ConcurrencyLine, ...]
    toy: str


def concurrency_info(measurement: Measurement) -> ConcurrencyInfo:
    """Tokens per second of all requests together, for every number of them at once."""
    lines = []
    for configuration in ordered(measurement):
        found = {}
        for at_once in measurement.concurrencies:
            if runs := measurement.good(configuration.label, at_once):
                found[at_once] = interval([run.throughput for run in runs])
        if found:
            lines.append(
                ConcurrencyLine(
                    configuration.label, role(measurement, configuration), tuple(found),
                    tuple(found.values()),
                )
            )  # fmt: skip
    return ConcurrencyInfo(tuple(lines), _toy([measurement]))


def concurrency_figure(info: ConcurrencyInfo, palette: Palette = LIGHT) -> go.Figure:
    """One line per configuration over a log axis of the requests at once."""
    figure = go.Figure()
    styles = _styles([line.role for line in info.lines], palette)
    for line, style in zip(info.lines, styles, strict=True):
        figure.add_scatter(
            x=line.concurrencies, y=[rate.mean for rate in line.rates], mode="lines+markers",
            name=line.label, line=style, marker={"size": 9},
            error_y=_errors(line.rates, style["color"]),
            customdata=[_said(rate) for rate in line.rates],
            hovertemplate="%{x} at once: %{customdata} tokens/s",
        )  # fmt: skip
    layout(figure, palette, height=380)
    ticks = sorted({at for line in info.lines for at in line.concurrencies})
    figure.update_xaxes(
        type="log", title_text=f"Requests at once{info.toy}", tickvals=ticks,
        ticktext=[f"{tick:,}" for tick in ticks],
    )  # fmt: skip
    figure.update_yaxes(title_text="Output tokens per second", rangemode="tozero", tickformat=",")
    return figure


# --- latency ------------------------------------------------------------------------------------


class LatencyRow(NamedTuple):
    """Seconds of a request, mean of the runs' own numbers; first: until its first token."""

    label: str
    role: str
    whole: Latency | None
    first: Latency | None


class LatencyInfo(NamedTuple):
    rows: tuple[LatencyRow, ...]
    toy: str


def latency_info(measurement: Measurement, concurrency: int) -> LatencyInfo:
    """Configurations whose requests were timed."""
    rows = [
        LatencyRow(row.label, kind, row.latency, row.first_token)
        for row, kind in _rows(measurement, concurrency)
        if row.latency or row.first_token
    ]
    return LatencyInfo(tuple(rows), _toy([measurement]))


def latency_figure(
    info: LatencyInfo, palette: Palette = LIGHT, *, first_token: bool = False
) -> go.Figure:
    """From the median to the 95th percentile, with the mean; of whole requests or first tokens."""
    rows = [(row.label, row.first if first_token else row.whole) for row in info.rows]
    rows = [(label, found) for label, found in rows if found]
    figure = go.Figure()
    for label, found in rows:
        figure.add_scatter(
            x=[1e3 * found.p50, 1e3 * found.p95], y=[label, label], mode="lines", hoverinfo="skip",
            line={"color": clear(palette.accent, 0.35), "width": 8}, showlegend=False,
        )  # fmt: skip
    for name, symbol in (("p50", "circle"), ("mean", "diamond-open"), ("p95", "line-ns-open")):
        figure.add_scatter(
            x=[1e3 * getattr(found, name) for _, found in rows], y=[label for label, _ in rows],
            mode="markers", name={"p50": "Median", "mean": "Mean", "p95": "95th percentile"}[name],
            marker={"size": 11, "symbol": symbol, "color": palette.accent,
                    "line": {"width": 2.5, "color": palette.accent}},
            hovertemplate="%{x:,.1f} ms",
        )  # fmt: skip
    layout(figure, palette, height=120 + 46 * max(len(rows), 1))
    what = "Time to the first token" if first_token else "Latency of a request"
    figure.update_xaxes(title_text=f"{what}, ms{info.toy}", rangemode="tozero", tickformat=",")
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return figure
