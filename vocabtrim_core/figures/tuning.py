"""A measured-objective study: every trial a real measurement, and the best so far."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, layout
from vocabtrim_core.serving.tuning import Tuning


class TuningInfo(NamedTuple):
    """Trials from 1 on. rates: tokens/s with half their 95 % interval; failed: number and why."""

    numbers: tuple[int, ...]
    labels: tuple[str, ...]
    rates: tuple[float, ...]
    halves: tuple[float | None, ...]
    lengths: tuple[float | None, ...]
    best_so_far: tuple[float, ...]  # of all trials, the failed ones included
    best: int | None  # index into the trials that went well
    failed: tuple[tuple[int, str, str], ...]


def tuning_info(found: Tuning) -> TuningInfo:
    """What a study has measured so far."""
    good = [trial for trial in found.trials if trial.value is not None]
    bad = [trial for trial in found.trials if trial.value is None]
    return TuningInfo(
        tuple(trial.number + 1 for trial in good),
        tuple(trial.configuration.label for trial in good),
        tuple(trial.value or 0.0 for trial in good),
        tuple(trial.half for trial in good),
        tuple(trial.acceptance_length for trial in good),
        tuple(found.best_so_far),
        good.index(found.best) if found.best else None,
        tuple((trial.number + 1, trial.configuration.label, trial.error) for trial in bad),
    )


def tuning_figure(info: TuningInfo, palette: Palette = LIGHT, toy: str = "") -> go.Figure:
    """Dots with error bars by trial, a step line of the best so far, crosses where one failed."""
    figure = go.Figure()
    count = len(info.best_so_far)
    figure.add_scatter(
        x=list(range(1, count + 1)),
        y=info.best_so_far,
        mode="lines",
        name="Best so far",
        line={"color": palette.muted, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=info.numbers,
        y=info.rates,
        mode="markers",
        name="Trial",
        text=info.labels,
        marker={"size": 9, "color": palette.accent},
        error_y={
            "type": "data",
            "array": [half or 0 for half in info.halves],
            "visible": any(info.halves),
            "color": palette.accent,
            "thickness": 1.5,
        },
        hovertemplate="trial %{x}: <b>%{text}</b><br>%{y:,.1f} tokens/s<extra></extra>",
    )
    if info.failed:
        figure.add_scatter(
            x=[number for number, _, _ in info.failed],
            y=[0] * len(info.failed),
            mode="markers",
            name="Failed",
            text=[label for _, label, _ in info.failed],
            marker={"size": 10, "symbol": "x", "color": palette.warn},
            hovertemplate="trial %{x} failed: <b>%{text}</b><extra></extra>",
        )
    if info.best is not None:
        figure.add_scatter(
            x=[info.numbers[info.best]],
            y=[info.rates[info.best]],
            mode="markers",
            name="Best",
            marker={
                "size": 17,
                "symbol": "circle-open",
                "color": palette.warn,
                "line": {"width": 3},
            },
            hoverinfo="skip",
        )
    layout(figure, palette, height=400)
    figure.update_xaxes(title_text="Trial", dtick=max(1, count // 20), showgrid=False)
    highs = (rate + (half or 0) for rate, half in zip(info.rates, info.halves, strict=True))
    figure.update_yaxes(
        title_text=f"Output tokens per second{toy}", range=[0, 1.1 * max(highs, default=1)]
    )
    return figure
