"""Measurements under load: throughput against requests at once, and what one request waits."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, clear, layout
from vocabtrim_core.figures.throughput import (
    error_bars,
    ordered,
    role,
    rows_of,
    said,
    styles_of,
    toy_of,
)
from vocabtrim_core.serving.measurement import Latency, Measurement
from vocabtrim_core.serving.statistics import RatioInterval, interval

# --- concurrency --------------------------------------------------------------------------------


class ConcurrencyLine(NamedTuple):
    label: str
    role: str
    concurrencies: tuple[int, ...]
    rates: tuple[RatioInterval, ...]


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
                    configuration.label,
                    role(measurement, configuration),
                    tuple(found),
                    tuple(found.values()),
                )
            )
    return ConcurrencyInfo(tuple(lines), toy_of([measurement]))


def concurrency_figure(info: ConcurrencyInfo, palette: Palette = LIGHT) -> go.Figure:
    """One line per configuration over a log axis of the requests at once."""
    figure = go.Figure()
    styles = styles_of([line.role for line in info.lines], palette)
    for line, style in zip(info.lines, styles, strict=True):
        figure.add_scatter(
            x=line.concurrencies,
            y=[rate.mean for rate in line.rates],
            mode="lines+markers",
            name=line.label,
            line=style,
            marker={"size": 9},
            error_y=error_bars(line.rates, style["color"]),
            customdata=[said(rate) for rate in line.rates],
            hovertemplate="%{x} at once: %{customdata} tokens/s",
        )
    layout(figure, palette, height=380)
    ticks = sorted({at for line in info.lines for at in line.concurrencies})
    figure.update_xaxes(
        type="log",
        title_text=f"Requests at once{info.toy}",
        tickvals=ticks,
        ticktext=[f"{tick:,}" for tick in ticks],
    )
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
        for row, kind in rows_of(measurement, concurrency)
        if row.latency or row.first_token
    ]
    return LatencyInfo(tuple(rows), toy_of([measurement]))


def latency_figure(
    info: LatencyInfo, palette: Palette = LIGHT, *, first_token: bool = False
) -> go.Figure:
    """From the median to the 95th percentile, with the mean; of whole requests or first tokens."""
    rows = [(row.label, row.first if first_token else row.whole) for row in info.rows]
    rows = [(label, found) for label, found in rows if found]
    figure = go.Figure()
    for label, found in rows:
        figure.add_scatter(
            x=[1e3 * found.p50, 1e3 * found.p95],
            y=[label, label],
            mode="lines",
            hoverinfo="skip",
            line={"color": clear(palette.accent, 0.35), "width": 8},
            showlegend=False,
        )
    for name, symbol in (("p50", "circle"), ("mean", "diamond-open"), ("p95", "line-ns-open")):
        figure.add_scatter(
            x=[1e3 * getattr(found, name) for _, found in rows],
            y=[label for label, _ in rows],
            mode="markers",
            name={"p50": "Median", "mean": "Mean", "p95": "95th percentile"}[name],
            marker={
                "size": 11,
                "symbol": symbol,
                "color": palette.accent,
                "line": {"width": 2.5, "color": palette.accent},
            },
            hovertemplate="%{x:,.1f} ms",
        )
    layout(figure, palette, height=120 + 46 * max(len(rows), 1))
    what = "Time to the first token" if first_token else "Latency of a request"
    figure.update_xaxes(title_text=f"{what}, ms{info.toy}", rangemode="tozero", tickformat=",")
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return figure
