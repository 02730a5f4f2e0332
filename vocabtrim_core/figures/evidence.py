"""Public measurements beside their forecasts, the gain over streams, and bytes of the head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import (
    LIGHT,
    Palette,
    add_band,
    layout,
    log_ticks,
    mark_size,
    size_axis,
    translucent,
    whiskers,
)
from vocabtrim_core.forecast.concurrency import StreamGain
from vocabtrim_core.forecast.evidence_check import Checked
from vocabtrim_core.forecast.head_format import HeadBytes


def evidence_figure(rows: Sequence[Checked], palette: Palette = LIGHT) -> go.Figure:
    """Measured gain against the forecast with its 90 % band; on the diagonal both agree.

    Args:
        rows: Measurements; those without a forecast or a gain are left out.
        palette: Colours.

    Returns:
        One point per measurement, those outside the band apart.
    """
    figure = go.Figure()
    pairs = [row for row in rows if row.inside is not None and row.forecast]
    values = [
        100 * value
        for row in pairs
        for value in (row.evidence.observed or 0.0, row.forecast.middle if row.forecast else 0.0)
    ]
    ends = [min(values, default=0) - 5, max(values, default=1) + 5]
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": palette.muted, "width": 1, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    for inside, name, colour, symbol in (
        (True, "inside the band", palette.accent, "circle"),
        (False, "outside the band", palette.ink, "x"),
    ):
        of_kind = [row for row in pairs if row.inside is inside and row.forecast]
        bands = [row.forecast for row in of_kind if row.forecast]
        figure.add_scatter(
            x=[100 * (row.evidence.observed or 0.0) for row in of_kind],
            y=[100 * band.middle for band in bands],
            error_y=whiskers(
                [100 * (band.high - band.middle) for band in bands],
                [100 * (band.middle - band.low) for band in bands],
                colour=translucent(colour, 0.45),
                width=0,
            ),
            mode="markers",
            name=name,
            marker={"size": 10, "color": colour, "symbol": symbol},
            customdata=[
                [
                    row.evidence.id,
                    f"{row.evidence.k:,} of {row.evidence.k_base:,}",
                    100 * band.low,
                    100 * band.high,
                ]
                for row, band in zip(of_kind, bands, strict=True)
            ],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} tokens<br>measured "
            "%{x:+.1f}%<br>forecast %{y:+.1f}% (%{customdata[2]:+.1f} to %{customdata[3]:+.1f})"
            "<extra></extra>",
        )
    layout(figure, palette, height=430, hovermode="closest")
    figure.update_xaxes(title_text="Measured gain in tokens per second", ticksuffix="%", range=ends)
    figure.update_yaxes(title_text="Forecast made without it", ticksuffix="%")
    return figure


def streams_figure(points: Sequence[StreamGain], palette: Palette = LIGHT) -> go.Figure:
    """The expected gain with its band over sequences decoded together.

    Args:
        points: By number of sequences; those without a gain are left out.
        palette: Colours.

    Returns:
        A line with a band, streams on a logarithmic axis.
    """
    known = [(point.streams, point.gain) for point in points if point.gain]
    streams = [n for n, _ in known]
    figure = go.Figure()
    low, middle, high = 100 * np.array([gain for _, gain in known]).reshape(-1, 3).T
    add_band(figure, streams, low, high, translucent(palette.accent, 0.25), "90 % band")
    figure.add_scatter(
        x=streams,
        y=middle,
        mode="lines+markers",
        name="Expected",
        line={"color": palette.accent, "width": 3},
        customdata=np.stack([low, high], axis=1),
        hovertemplate="<b>%{x} sequences at once</b><br>%{y:+.1f}% (%{customdata[0]:+.1f} to "
        "%{customdata[1]:+.1f})<extra></extra>",
    )
    layout(figure, palette, height=320)
    figure.update_xaxes(title_text="Sequences decoded together", **log_ticks(streams))
    figure.update_yaxes(title_text="Gain in tokens per second", ticksuffix="%", zeroline=True)
    return figure


def head_bytes_figure(
    head_bytes: HeadBytes, k: int, served: Sequence[int] = (), palette: Palette = LIGHT
) -> go.Figure:
    """Share of the full bf16 head's bytes that each format saves, over k.

    Args:
        head_bytes: Bytes per cycle by format.
        k: The size that is marked.
        served: Sizes of public lists, marked on the line of an untouched format.
        palette: Colours.

    Returns:
        One line per format.
    """
    figure = go.Figure()
    styles = {"bf16": "solid", "fp8": "dash", "int4": "dot"}
    for name, step_bytes in head_bytes.by_format.items():
        figure.add_scatter(
            x=head_bytes.k,
            y=100 * (1 - step_bytes / head_bytes.full),
            mode="lines",
            name=f"{name} head",
            line={"color": palette.accent, "width": 3, "dash": styles.get(name, "solid")},
            customdata=(head_bytes.full - step_bytes) / 1e9,
            hovertemplate=f"<b>%{{x:,}} tokens, {name}</b><br>%{{y:.1f}}% of the bytes saved, "
            "%{customdata:.2f} GB a cycle<extra></extra>",
        )
    if served:
        saved = 1 - np.asarray(served) / head_bytes.k[-1]
        figure.add_scatter(
            x=list(served),
            y=100 * saved,
            mode="markers+text",
            name="sizes of public lists",
            text=[f"{size:,} " for size in served],
            textposition="middle left",
            textfont={"color": palette.ink, "size": 12},
            marker={"size": 10, "color": palette.ink, "symbol": "diamond"},
            hovertemplate="<b>%{x:,} tokens</b>, the size of public lists<extra></extra>",
        )
    layout(figure, palette, height=360)
    size_axis(figure, int(head_bytes.k[-1]))
    mark_size(figure, k, f"{k:,}", palette)
    figure.update_yaxes(title_text="Head bytes saved per cycle", ticksuffix="%", range=[0, 102])
    return figure
