"""A forecast made from measurements beside these measurements: tokens per second for every k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import (
    LIGHT,
    Palette,
    add_band,
    layout,
    log_sizes,
    mark_size,
    size_axis,
    translucent,
    whiskers,
)
from vocabtrim_core.forecast.throughput import Forecast
from vocabtrim_core.serving.calibration import CalibrationCheck


class MeasuredInfo(NamedTuple):
    """Output tokens per second over sampled sizes, and at the measured sizes.

    Attributes:
        k: int64[n], sampled sizes.
        low: float64[n], lower end of the forecast.
        high: float64[n], upper end of the forecast.
        middle: float64[n], the expected rate.
        at: The measured sizes.
        measured: Measured rates.
        half: Half of their 95 % intervals, 0 for a single run.
        predicted: Rates predicted from the other sizes; fitted ones where `fitted` says so.
        least: Lower ends of these predictions.
        most: Upper ends of these predictions.
        fitted: Whether the size was part of its own fit.
        fastest: The fastest size of the decision.
    """

    k: np.ndarray
    low: np.ndarray
    high: np.ndarray
    middle: np.ndarray
    at: tuple[int, ...]
    measured: tuple[float, ...]
    half: tuple[float, ...]
    predicted: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]
    fitted: tuple[bool, ...]
    fastest: int


def measured_info(
    predicted: Forecast,
    checks: Sequence[CalibrationCheck],
    concurrency: int,
    fastest: int,
) -> MeasuredInfo:
    """Gather the forecast from all measured sizes and the check of each size.

    Args:
        predicted: The forecast.
        checks: The checks, one per measured size.
        concurrency: Requests at once, by which rates are multiplied.
        fastest: The fastest size of the decision.

    Returns:
        Rates in tokens per second.
    """
    k = log_sizes(len(predicted.low), fastest, *(check.k for check in checks))
    low, middle, high = (concurrency * rates for rates in predicted.rates(k))
    return MeasuredInfo(
        k,
        low,
        high,
        middle,
        tuple(c.k for c in checks),
        tuple(c.measured.mean for c in checks),
        tuple(c.measured.half or 0.0 for c in checks),
        tuple(c.predicted for c in checks),
        tuple(c.low for c in checks),
        tuple(c.high for c in checks),
        tuple(c.fitted for c in checks),
        fastest,
    )


def measured_figure(info: MeasuredInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw the forecast's band, the measured sizes, and the prediction of each.

    Args:
        info: Rates in tokens per second.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = go.Figure()
    fill = translucent(palette.accent, 0.18)
    add_band(figure, info.k, info.low, info.high, fill, "Forecast from all sizes")
    figure.add_scatter(
        x=info.k,
        y=info.middle,
        mode="lines",
        name="Its middle",
        line={"color": palette.accent, "width": 2.5},
        hovertemplate="<b>%{x:,} tokens</b><br>forecast %{y:,.1f} tokens/s<extra></extra>",
    )
    for fitted, name, symbol in (
        (False, "Predicted from the other sizes", "diamond-open"),
        (True, "In the fit", "circle-open"),
    ):
        rows = [i for i, in_fit in enumerate(info.fitted) if in_fit == fitted]
        if not rows:
            continue
        predicted = np.array(info.predicted)[rows]
        figure.add_scatter(
            x=np.array(info.at)[rows],
            y=predicted,
            mode="markers",
            name=name,
            marker={"size": 13, "symbol": symbol, "color": palette.warn, "line": {"width": 2}},
            error_y=whiskers(
                np.array(info.most)[rows] - predicted,
                predicted - np.array(info.least)[rows],
                colour=palette.warn,
                thickness=1.2,
                width=7,
            ),
            hovertemplate="%{x:,} tokens<br>predicted %{y:,.1f} tokens/s<extra></extra>",
        )
    figure.add_scatter(
        x=info.at,
        y=info.measured,
        mode="markers",
        name="Measured, 95 % interval",
        marker={"size": 10, "color": palette.ink},
        error_y=whiskers(info.half, colour=palette.ink, width=5),
        hovertemplate="%{x:,} tokens<br>measured %{y:,.1f} tokens/s<extra></extra>",
    )
    layout(figure, palette, height=420, hovermode="closest")
    size_axis(figure, int(info.k[-1]))
    mark_size(figure, info.fastest, f"fastest {info.fastest:,}", palette)
    # Sizes far below the measured ones would stretch the axis.
    middle = info.middle[info.k >= min(info.at) / 4]
    values = [*info.least, *info.most, *info.measured, float(middle.min()), float(middle.max())]
    pad = 0.08 * (max(values) - min(values))
    figure.update_xaxes(range=[np.log10(max(min(info.at) / 4, 1)), np.log10(1.08 * info.k[-1])])
    figure.update_yaxes(
        title_text="Output tokens/s",
        range=[min(values) - pad, max(values) + pad],
    )
    return figure
