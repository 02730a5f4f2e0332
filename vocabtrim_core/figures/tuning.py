"""A study whose trials are real measurements, and its best trial so far."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, dot, layout, whiskers
from vocabtrim_core.serving.tuning import Tuning


class TuningInfo(NamedTuple):
    """Trials of a study, numbered from 1; rates in tokens per second.

    Attributes:
        numbers: Numbers of the trials that were measured.
        labels: Their configurations.
        rates: Their rates.
        halves: Half of their 95 % intervals, None for a single run.
        lengths: Their acceptance lengths, None where they are not known.
        best_so_far: Best rate after each trial, failed ones included.
        best: Index of the best among the measured trials, None without one.
        failed: (number, configuration, reason) of each failed trial.
    """

    numbers: tuple[int, ...]
    labels: tuple[str, ...]
    rates: tuple[float, ...]
    halves: tuple[float | None, ...]
    lengths: tuple[float | None, ...]
    best_so_far: tuple[float, ...]
    best: int | None
    failed: tuple[tuple[int, str, str], ...]


def tuning_info(study: Tuning) -> TuningInfo:
    """Gather the trials of a study.

    Args:
        study: The study.

    Returns:
        The trials.
    """
    good = [trial for trial in study.trials if trial.value is not None]
    failed = [trial for trial in study.trials if trial.value is None]
    return TuningInfo(
        tuple(trial.number + 1 for trial in good),
        tuple(trial.configuration.label for trial in good),
        tuple(trial.value or 0.0 for trial in good),
        tuple(trial.half for trial in good),
        tuple(trial.acceptance_length for trial in good),
        tuple(study.best_so_far),
        good.index(study.best) if study.best else None,
        tuple((trial.number + 1, trial.configuration.label, trial.error) for trial in failed),
    )


def tuning_figure(info: TuningInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw trials with error bars, a step line of the best so far, and crosses for failed ones.

    Args:
        info: The trials.
        palette: The colours.

    Returns:
        The figure.
    """
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
            **whiskers([half or 0 for half in info.halves], colour=palette.accent),
            "visible": any(info.halves),
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
            marker=dot(17, "circle-open", palette.warn, 3),
            hoverinfo="skip",
        )
    layout(figure, palette, height=400)
    figure.update_xaxes(title_text="Trial", dtick=max(1, count // 20), showgrid=False)
    highs = (rate + (half or 0) for rate, half in zip(info.rates, info.halves, strict=True))
    figure.update_yaxes(
        title_text="Output tokens per second", range=[0, 1.1 * max(highs, default=1)]
    )
    return figure
