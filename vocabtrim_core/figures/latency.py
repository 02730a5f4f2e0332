"""Measured time of a draft step against k, beside the predictions from FLOPs and bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import (
    LIGHT,
    Palette,
    add_band,
    layout,
    log_sizes,
    size_axis,
    translucent,
    whiskers,
)
from vocabtrim_core.serving.latency_probe import Probe


class StepLatencyInfo(NamedTuple):
    """Times of one batch size in seconds. The predictions pass through the time at the largest k.

    Attributes:
        batch: The batch size.
        device: Device and dtype.
        rows: float64[n, 8]: k, median, low, high, head alone, layer, fusion, pick.
        smooth: int64[m], sizes of the predictions.
        flops: float64[m], prediction from FLOPs.
        moved: float64[m], prediction from the bytes of weights, cache and logits.
    """

    batch: int
    device: str
    rows: np.ndarray
    smooth: np.ndarray
    flops: np.ndarray
    moved: np.ndarray


def latency_info(probe: Probe, batch: int) -> StepLatencyInfo:
    """Gather the rows of a batch size and both predictions.

    Args:
        probe: The probe.
        batch: The batch size.

    Returns:
        Times in seconds.

    Raises:
        InputError: The batch size was not probed.
    """
    rows = probe.at(batch)
    full, shape = rows[-1], probe.architecture
    sizes = log_sizes(full.k, *(row.k for row in rows))
    return StepLatencyInfo(
        batch,
        f"{probe.device}, {probe.dtype}",
        np.array(
            [
                (
                    r.k,
                    r.step.seconds,
                    r.step.low,
                    r.step.high,
                    r.head.seconds,
                    r.layer.seconds,
                    r.fusion.seconds,
                    r.pick.seconds,
                )
                for r in rows
            ]
        ),
        sizes,
        full.step.seconds * shape.flops(sizes) / shape.flops(full.k),
        full.step.seconds * probe.moved_bytes(sizes, batch) / probe.moved_bytes(full.k, batch),
    )


def latency_figure(info: StepLatencyInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw the measured step with intervals, and the two predictions as lines.

    Args:
        info: Times in seconds.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = go.Figure()
    for name, values, dash in (
        ("FLOPs, and bytes of the weights", info.flops, "dash"),
        ("Bytes with cache and logits", info.moved, "dot"),
    ):
        figure.add_scatter(
            x=info.smooth,
            y=1e3 * values,
            mode="lines",
            name=f"{name}, estimated",
            line={"color": palette.muted, "width": 2, "dash": dash},
            hovertemplate=f"{name.lower()}: %{{y:.3f}} ms<extra></extra>",
        )
    k, *times = info.rows.T
    step, low, high, head, layer, fusion, pick = (1e3 * column for column in times)
    add_band(figure, k, low, high, translucent(palette.accent, 0.2))
    figure.add_scatter(
        x=k,
        y=step,
        mode="lines+markers",
        name="Draft step, measured",
        line={"color": palette.accent, "width": 3},
        marker={"size": 9, "color": palette.accent},
        error_y=whiskers(high - step, step - low, colour=palette.accent),
        customdata=np.stack([low, high, head, layer, fusion, pick], axis=1),
        hovertemplate="<b>%{x:,} tokens</b><br>step %{y:.3f} ms (95 % interval %{customdata[0]:.3f}"
        " to %{customdata[1]:.3f})<br>head %{customdata[2]:.3f}, layer %{customdata[3]:.3f}, "
        "fusion %{customdata[4]:.3f}, pick %{customdata[5]:.3f} ms, each alone<extra></extra>",
    )
    layout(figure, palette, height=400, hovermode="closest")
    size_axis(figure, int(k[-1]))
    start = max(1.0, k[0] / 2)
    figure.update_xaxes(range=[float(np.log10(start)), float(np.log10(k[-1] * 1.08))])
    title = f"Milliseconds per draft step, batch {info.batch}"
    figure.update_yaxes(title_text=title, rangemode="tozero")
    return figure


def latency_alt(info: StepLatencyInfo) -> str:
    """Describe the figure for those who cannot see it.

    Args:
        info: Times in seconds.

    Returns:
        A sentence without its full stop.
    """
    small, full = info.rows[0], info.rows[-1]
    return (
        f"Time of a draft step against draft vocabulary size at batch {info.batch} on "
        f"{info.device}: {1e3 * small[1]:.3f} ms at {small[0]:,.0f} tokens, "
        f"{1e3 * full[1]:.3f} ms at {full[0]:,.0f}, beside what FLOPs and bytes predict"
    )
