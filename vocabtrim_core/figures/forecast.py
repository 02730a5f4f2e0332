"""Figures of a forecast: throughput, acceptance length, cycle time, the paper's results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.figures.style import (
    LIGHT,
    Palette,
    add_band,
    dot,
    layout,
    log_sizes,
    size_axis,
    translucent,
)
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.forecast.paper_check import PaperCheck
from vocabtrim_core.forecast.throughput import AcceptanceModel, Forecast

PAPER_TEXT_AT = {  # position of a task's name beside its dot; the seven are close together
    "MT-Bench": "top left",
    "GSM8K": "middle right",
    "HumanEval": "bottom center",
    "MATH-500": "bottom right",
    "AIME": "top left",
}


# --- throughput for every k ---------------------------------------------------------------------


class ThroughputInfo(NamedTuple):
    """Relative throughput at sampled sizes; 1.0 is the baseline.

    Attributes:
        k: int64[n], sampled sizes.
        low: float64[n], least throughput.
        middle: float64[n], its middle.
        high: float64[n], most throughput.
        length_low: float64[n], least acceptance length.
        length_high: float64[n], most.
        cycle_low: float64[n], least seconds per cycle.
        cycle_high: float64[n], most.
        coverage: float64[n], coverage, 0..1.
    """

    k: np.ndarray
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    length_low: np.ndarray
    length_high: np.ndarray
    cycle_low: np.ndarray
    cycle_high: np.ndarray
    coverage: np.ndarray


def throughput_info(predicted: Forecast, coverage: np.ndarray, *marks: int) -> ThroughputInfo:
    """Gather the forecast at sampled sizes.

    Args:
        predicted: The forecast.
        coverage: float64[V], coverage of every size.
        *marks: Sizes that are included.

    Returns:
        The numbers of the chart.
    """
    k = log_sizes(len(predicted.low), *marks)
    times = np.stack([model.cycle_s(k) for model in (predicted.cycles.fast, predicted.cycles.slow)])
    low, high = predicted.lengths
    return ThroughputInfo(
        k,
        predicted.low[k - 1],
        predicted.middle[k - 1],
        predicted.high[k - 1],
        low[k - 1],
        high[k - 1],
        times.min(axis=0),
        times.max(axis=0),
        coverage[k - 1],
    )


# --- acceptance length --------------------------------------------------------------------------


class AcceptanceInfo(NamedTuple):
    """Acceptance lengths at sampled sizes, in tokens per cycle.

    Attributes:
        k: int64[n], sampled sizes.
        ceiling: float64[n], that of a perfect draft.
        at_random: float64[n], that of a perfect draft if the missing tokens were spread evenly over
            the text. This follows from coverage alone; the ceiling lies above it as they come in
            bursts.
        low: float64[n], lower end of the model.
        high: float64[n], upper end of the model.
        coverage: float64[n], coverage, 0..1.
        measured: (k, measured length).
        depth: Tokens drafted per cycle.
    """

    k: np.ndarray
    ceiling: np.ndarray
    at_random: np.ndarray
    low: np.ndarray
    high: np.ndarray
    coverage: np.ndarray
    measured: tuple[tuple[int, float], ...]
    depth: int


def acceptance_info(model: AcceptanceModel, *marks: int) -> AcceptanceInfo:
    """Gather the model's interval and its ceiling at sampled sizes.

    Args:
        model: The model of acceptance lengths.
        *marks: Sizes that are included.

    Returns:
        The lengths.
    """
    k = log_sizes(len(model.coverage), *marks, *model.measured)
    low, high = model.interval()
    at_random = sum(model.coverage[k - 1] ** j for j in range(model.depth + 1))
    return AcceptanceInfo(
        k,
        model.ceiling[k - 1],
        np.asarray(at_random),
        low[k - 1],
        high[k - 1],
        model.coverage[k - 1],
        tuple(sorted(model.measured.items())),
        model.depth,
    )


def acceptance_figure(info: AcceptanceInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw the ceiling, the model's band and the measured lengths.

    Args:
        info: The lengths.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = go.Figure()
    fill = translucent(palette.accent, 0.25)
    add_band(figure, info.k, info.low, info.high, fill, "Acceptance length, 90 % band")
    figure.add_scatter(
        x=info.k,
        y=info.ceiling,
        mode="lines",
        name="Ceiling: a perfect draft",
        line={"color": palette.accent, "width": 3},
        customdata=np.stack([info.low, info.high, 100 * info.coverage], axis=1),
        hovertemplate="<b>%{x:,} tokens</b><br>ceiling %{y:.3f} tokens per cycle<br>model "
        "%{customdata[0]:.3f} to %{customdata[1]:.3f}<br>coverage %{customdata[2]:.2f}%"
        "<extra></extra>",
    )
    figure.add_scatter(
        x=info.k,
        y=info.at_random,
        mode="lines",
        name="The same if missing tokens fell at random",
        line={"color": palette.muted, "width": 2, "dash": "dash"},
        hovertemplate="at random %{y:.3f}<extra></extra>",
    )
    if info.measured:
        figure.add_scatter(
            x=[k for k, _ in info.measured],
            y=[length for _, length in info.measured],
            mode="markers",
            name="Measured",
            marker={"size": 12, "color": palette.ink, "symbol": "diamond"},
            hovertemplate="measured at %{x:,}: %{y:.3f}<extra></extra>",
        )
    layout(figure, palette, height=400, hovermode="closest")
    size_axis(figure, int(info.k[-1]))
    figure.update_yaxes(title_text="Tokens per cycle", rangemode="tozero")
    return figure


# --- where a cycle's time goes ------------------------------------------------------------------


class CycleRow(NamedTuple):
    """The time of a cycle at one size, in milliseconds.

    Attributes:
        label: The size, with its name.
        fixed_ms: Time outside the draft's heads, least and most.
        head_ms: Time in the draft's heads.
    """

    label: str
    fixed_ms: tuple[float, float]
    head_ms: float


def cycle_info(cycles: CycleRange, ks: Sequence[tuple[int, str]]) -> tuple[CycleRow, ...]:
    """Split the time of a cycle at some sizes.

    A measured range does not determine how much of a cycle the heads take; the fitted line is
    shown.

    Args:
        cycles: The range of cycle times.
        ks: (k, its name).

    Returns:
        A row per size.
    """
    fixed = sorted((1e3 * cycles.fast.fixed_s, 1e3 * cycles.slow.fixed_s))
    if cycles.fast.row_s != cycles.slow.row_s:
        fixed = [sum(fixed) / 2] * 2
    row_ms = 1e3 * (cycles.fast.row_s + cycles.slow.row_s) / 2
    return tuple(
        CycleRow(f"{k:,}  {name}".strip(), (fixed[0], fixed[1]), row_ms * k) for k, name in ks
    )


def cycle_figure(rows: tuple[CycleRow, ...], palette: Palette = LIGHT) -> go.Figure:
    """Draw stacked bars: verification and layers, the uncertain overhead, the draft's heads.

    Args:
        rows: The rows.
        palette: The colours.

    Returns:
        The figure.
    """
    names = [row.label for row in rows]
    least = [row.fixed_ms[0] for row in rows]
    unsure = [row.fixed_ms[1] - row.fixed_ms[0] for row in rows]
    head = [row.head_ms for row in rows]
    figure = go.Figure()
    parts = [("Verification, draft layers", least, palette.parts[1], "")]
    if max(unsure) > 1e-9:
        parts.append(("Overhead, between its least and this", unsure, palette.parts[0], "/"))
    parts.append(("LM heads of the draft", head, palette.accent, ""))
    for name, values, colour, pattern in parts:
        figure.add_bar(
            x=values,
            y=names,
            orientation="h",
            name=name,
            marker={
                "color": colour,
                "pattern": {"shape": pattern, "size": 5},
                "line": {"color": palette.ground, "width": 1},
            },
            hovertemplate=f"<b>%{{y}} tokens</b><br>{name.lower()}: %{{x:.3f}} ms<extra></extra>",
        )
    layout(figure, palette, height=130 + 40 * len(rows), barmode="stack", bargap=0.35)
    figure.update_layout(legend_traceorder="normal")
    figure.update_xaxes(title_text="Milliseconds per cycle", ticksuffix=" ms")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


# --- against the paper --------------------------------------------------------------------------


def paper_figure(checks: Sequence[PaperCheck], palette: Palette = LIGHT) -> go.Figure:
    """Draw observed against predicted throughput gains; the diagonal is a perfect prediction.

    Args:
        checks: One per result of the paper.
        palette: The colours.

    Returns:
        The figure.
    """
    ends = [0, 22]
    figure = go.Figure()
    low, high = ([end + error for end in ends] for error in (-1, 1))
    add_band(figure, ends, low, high, translucent(palette.muted, 0.16), "Within one point")
    for fitted, name, symbol in (
        (False, "Predicted", "circle"),
        (True, "Fitted on", "circle-open"),
    ):
        of_kind = [check for check in checks if check.fitted == fitted]
        figure.add_scatter(
            x=[100 * c.observed for c in of_kind],
            y=[100 * c.predicted for c in of_kind],
            mode="markers+text",
            name=name,
            text=[c.task for c in of_kind],
            textposition=[PAPER_TEXT_AT.get(c.task, "top left") for c in of_kind],
            textfont={"color": palette.ink, "size": 12},
            marker=dot(12, symbol, palette.accent, 2.5),
            customdata=[[c.k, 100 * (c.predicted - c.observed)] for c in of_kind],
            hovertemplate="<b>%{text}</b>, %{customdata[0]:,} tokens<br>observed %{x:+.2f}%"
            "<br>predicted %{y:+.2f}%<br>error %{customdata[1]:+.2f} points<extra></extra>",
        )
    layout(figure, palette, height=430, hovermode="closest")
    figure.update_xaxes(title_text="Observed throughput gain (paper)", ticksuffix="%", range=ends)
    figure.update_yaxes(title_text="Predicted gain", ticksuffix="%", range=[-1.5, 23])
    return figure
