"""Measurements under load: throughput against requests at once, and the time of a request."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.measurements import (
    error_bars,
    interval_text,
    ordered,
    role,
    rows_of,
    styles_of,
)
from vocabtrim_core.figures.style import LIGHT, Palette, dot, layout, log_ticks, translucent
from vocabtrim_core.serving.measurement import Latency, Measurement
from vocabtrim_core.serving.statistics import RatioInterval, interval

# --- concurrency --------------------------------------------------------------------------------


class ConcurrencyLine(NamedTuple):
    """Throughput of one configuration by the number of requests at once.

    Attributes:
        label: Name of the configuration.
        role: Its role, see `throughput.role`.
        concurrencies: Requests at once, ascending.
        rates: Tokens per second of all requests together, with intervals.
    """

    label: str
    role: str
    concurrencies: tuple[int, ...]
    rates: tuple[RatioInterval, ...]


class ConcurrencyInfo(NamedTuple):
    """Throughput by the number of requests at once.

    Attributes:
        lines: One per configuration.
    """

    lines: tuple[ConcurrencyLine, ...]


def concurrency_info(measurement: Measurement) -> ConcurrencyInfo:
    """Gather the tokens per second of all requests together.

    Args:
        measurement: The measurement.

    Returns:
        The lines, in the order of `throughput.ordered`.
    """
    lines = []
    for configuration in ordered(measurement):
        rates = {}
        for concurrency in measurement.concurrencies:
            if runs := measurement.good(configuration.label, concurrency):
                rates[concurrency] = interval([run.throughput for run in runs])
        if rates:
            lines.append(
                ConcurrencyLine(
                    configuration.label,
                    role(measurement, configuration),
                    tuple(rates),
                    tuple(rates.values()),
                )
            )
    return ConcurrencyInfo(tuple(lines))


def concurrency_figure(info: ConcurrencyInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw one line per configuration over a log axis of the requests at once.

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
            x=line.concurrencies,
            y=[rate.mean for rate in line.rates],
            mode="lines+markers",
            name=line.label,
            line=style,
            marker={"size": 9},
            error_y=error_bars(line.rates, style["color"]),
            customdata=[interval_text(rate) for rate in line.rates],
            hovertemplate="%{x} at once: %{customdata} tokens/s",
        )
    layout(figure, palette, height=380)
    ticks = sorted({at for line in info.lines for at in line.concurrencies})
    figure.update_xaxes(title_text="Requests at once", **log_ticks(ticks))
    figure.update_yaxes(title_text="Output tokens per second", rangemode="tozero", tickformat=",")
    return figure


# --- latency ------------------------------------------------------------------------------------


class LatencyRow(NamedTuple):
    """Times of a request in seconds, means of the runs' own statistics.

    Attributes:
        label: Name of the configuration.
        role: Its role, see `throughput.role`.
        whole: Until its last token, None where it was not timed.
        first: Until its first token, None where it was not timed.
    """

    label: str
    role: str
    whole: Latency | None
    first: Latency | None


class RequestLatencyInfo(NamedTuple):
    """Times of a request.

    Attributes:
        rows: One per configuration whose requests were timed.
    """

    rows: tuple[LatencyRow, ...]


def latency_info(measurement: Measurement, concurrency: int) -> RequestLatencyInfo:
    """Gather the configurations whose requests were timed.

    Args:
        measurement: The measurement.
        concurrency: Requests at once.

    Returns:
        The rows.
    """
    rows = [
        LatencyRow(row.label, kind, row.latency, row.first_token)
        for row, kind in rows_of(measurement, concurrency)
        if row.latency or row.first_token
    ]
    return RequestLatencyInfo(tuple(rows))


def latency_figure(
    info: RequestLatencyInfo, palette: Palette = LIGHT, *, first_token: bool = False
) -> go.Figure:
    """Draw median, mean and 95th percentile of the requests' times.

    Args:
        info: The rows.
        palette: The colours.
        first_token: Until the first token instead of the last.

    Returns:
        The figure.
    """
    rows = [(row.label, row.first if first_token else row.whole) for row in info.rows]
    rows = [(label, latency) for label, latency in rows if latency]
    figure = go.Figure()
    for label, latency in rows:
        figure.add_scatter(
            x=[1e3 * latency.p50, 1e3 * latency.p95],
            y=[label, label],
            mode="lines",
            hoverinfo="skip",
            line={"color": translucent(palette.accent, 0.35), "width": 8},
            showlegend=False,
        )
    for name, symbol in (("p50", "circle"), ("mean", "diamond-open"), ("p95", "line-ns-open")):
        figure.add_scatter(
            x=[1e3 * getattr(latency, name) for _, latency in rows],
            y=[label for label, _ in rows],
            mode="markers",
            name={"p50": "Median", "mean": "Mean", "p95": "95th percentile"}[name],
            marker=dot(11, symbol, palette.accent, 2.5),
            hovertemplate="%{x:,.1f} ms",
        )
    layout(figure, palette, height=120 + 46 * max(len(rows), 1))
    title = "Time to the first token" if first_token else "Latency of a request"
    figure.update_xaxes(title_text=f"{title}, ms", rangemode="tozero", tickformat=",")
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return figure
