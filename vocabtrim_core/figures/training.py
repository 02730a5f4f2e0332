"""Curves of a training: loss, accuracy by draft position, acceptance length, rate and speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, layout
from vocabtrim_core.figures.training_curves import TrainingCurves, colours, dashes

HEIGHT = 270
LABEL_SHARE = 0.085  # of the height of a figure, which one label takes


def acceptance_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw the acceptance length on held-out conversations; 1 is that of no draft.

    Args:
        runs: The trainings.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = _lines(runs, lambda c: c.length, "%{y:.3f} tokens per cycle", palette, marks=True)
    for line, colour in zip(runs, colours(runs, palette), strict=True):
        if line.length:
            step, value = max(line.length, key=lambda point: point[1])
            figure.add_scatter(
                x=[step],
                y=[value],
                mode="markers",
                showlegend=False,
                hoverinfo="skip",
                marker={
                    "size": 15,
                    "color": "rgba(0,0,0,0)",
                    "line": {"color": colour, "width": 2},
                },
            )
    figure.add_hline(y=1, line={"color": palette.muted, "dash": "dot", "width": 1})
    top = max((v for c in runs for _, v in c.length), default=1.5)
    low, high = 0.95, 1 + 1.15 * max(top - 1, 0.2)
    figure.update_yaxes(title_text="Tokens per cycle", range=[low, high])
    _label_ends(figure, runs, lambda c: c.length, palette, low, high)
    return figure


def loss_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw the loss as SpecForge weighs draft positions: single steps, faint, and held-out.

    Args:
        runs: The trainings.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = _lines(runs, lambda c: c.held_out, "held-out loss %{y:.4f}", palette, marks=True)
    for line, colour in zip(runs, colours(runs, palette), strict=True):
        figure.add_scatter(
            x=[step for step, _ in line.loss],
            y=[value for _, value in line.loss],
            mode="lines",
            showlegend=False,
            opacity=0.4,
            line={"color": colour, "width": 1.5},
            hovertemplate=f"<b>{line.name}</b>, step %{{x}}<br>loss of the step %{{y:.4f}}"
            "<extra></extra>",
        )
    figure.update_yaxes(title_text="Loss", rangemode="tozero")
    most = max((v for c in runs for _, v in (*c.loss, *c.held_out)), default=1.0)
    _label_ends(figure, runs, lambda c: c.held_out or c.loss, palette, 0, most)
    return figure


def rate_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw the learning rate, which usually is the same for every k.

    Args:
        runs: The trainings.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = _lines(runs, lambda c: c.rate, "learning rate %{y:.2e}", palette)
    figure.update_yaxes(title_text="Learning rate", rangemode="tozero", exponentformat="e")
    return figure


def speed_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw optimizer steps per second.

    Args:
        runs: The trainings.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = _lines(runs, lambda c: c.speed, "%{y:.2f} steps/s", palette)
    figure.update_yaxes(title_text="Steps per second", rangemode="tozero")
    most = max((v for c in runs for _, v in c.speed), default=1.0)
    _label_ends(figure, runs, lambda c: c.speed, palette, 0, most)
    return figure


def accuracy_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw held-out accuracy by draft position, the sizes side by side on one scale.

    Sizes without an evaluation yet have no panel.

    Args:
        runs: The trainings.
        palette: The colours.

    Returns:
        The figure.
    """
    from plotly.subplots import make_subplots

    pairs = zip(runs, colours(runs, palette), strict=True)
    panels = [(line, colour) for line, colour in pairs if line.accuracy]
    figure = make_subplots(
        1,
        max(len(panels), 1),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[line.name for line, _ in panels],
    )
    for column, (line, colour) in enumerate(panels, 1):
        for i, points in enumerate(line.accuracy):
            figure.add_scatter(
                x=[step for step, _ in points],
                y=[100 * value for _, value in points],
                mode="lines+markers",
                name=f"Position {i + 1}",
                showlegend=False,
                line={"color": colour, "width": 2.5},
                opacity=max(1 - 0.25 * i, 0.25),
                marker={"size": 6},
                row=1,
                col=column,
                hovertemplate=f"position {i + 1}: %{{y:.1f}}% at step %{{x}}<extra></extra>",
            )
        for i, height in _apart(line.accuracy).items():
            figure.add_annotation(
                x=line.accuracy[i][-1][0],
                y=height,
                text=str(i + 1),
                showarrow=False,
                xanchor="left",
                xshift=7,
                font={"color": colour, "size": 12},
                row=1,
                col=column,
            )
    layout(figure, palette, height=HEIGHT)
    figure.update_annotations(font_color=palette.ink)
    for column, (line, _) in enumerate(panels, 1):
        figure.update_xaxes(range=[0, 1.08 * line.steps], title_text="Step", col=column)
    figure.update_yaxes(title_text="Correct", ticksuffix="%", rangemode="tozero", col=1)
    figure.update_yaxes(ticksuffix="%", rangemode="tozero")
    return figure


def _apart(curves: Sequence[tuple[tuple[int, float], ...]]) -> dict[int, float]:
    """Place each curve's number beside its end, in percent, without overlap."""
    ends = sorted((100 * curve[-1][1], i) for i, curve in enumerate(curves) if curve)
    gap = 0.07 * max((100 * value for curve in curves for _, value in curve), default=0)
    placed: dict[int, float] = {}
    for height, i in ends:
        placed[i] = max(height, max(placed.values(), default=height - gap) + gap)
    return placed


def _lines(
    runs: Sequence[TrainingCurves],
    pick: Callable[[TrainingCurves], tuple[tuple[int, float], ...]],
    hover: str,
    palette: Palette,
    *,
    marks: bool = False,
) -> go.Figure:
    """One line over the steps per k that has begun."""
    figure = go.Figure()
    for line, colour, dash in zip(runs, colours(runs, palette), dashes(runs), strict=True):
        if not (points := pick(line)):
            continue
        figure.add_scatter(
            x=[step for step, _ in points],
            y=[value for _, value in points],
            name=line.name,
            mode="lines+markers" if marks or len(points) < 3 else "lines",
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"size": 7},
            hovertemplate=f"<b>{line.name}</b>, step %{{x}}<br>{hover}<extra></extra>",
        )
    layout(figure, palette, height=HEIGHT)
    steps = max((line.steps for line in runs), default=1)
    figure.update_xaxes(title_text="Step", range=[0, 1.02 * steps])
    return figure


def _label_ends(
    figure: go.Figure,
    runs: Sequence[TrainingCurves],
    pick: Callable[[TrainingCurves], tuple[tuple[int, float], ...]],
    palette: Palette,
    low: float,
    high: float,
) -> None:
    """Write each size beside the end of its line, moved apart where ends lie close together.

    Args:
        figure: The figure, which is changed.
        runs: The trainings.
        pick: The line of a training.
        palette: The colours.
        low: The lowest value of the y axis.
        high: The highest one; a label above it would not be drawn.
    """
    lines = [
        (pick(line), line, colour)
        for line, colour in zip(runs, colours(runs, palette), strict=True)
    ]
    ends = sorted((points[-1][1], i) for i, (points, *_) in enumerate(lines) if points)
    heights = _stacked([value for value, _ in ends], LABEL_SHARE * (high - low), high)
    for height, (_, i) in zip(heights, ends, strict=True):
        points, line, colour = lines[i]
        figure.add_annotation(
            x=points[-1][0],
            y=height,
            text=f"{line.k:,}",
            showarrow=False,
            xanchor="left",
            xshift=8,
            font={"color": colour, "size": 12},
        )
    if ends:
        figure.update_layout(margin={"r": 64})


def _stacked(values: Sequence[float], gap: float, top: float) -> list[float]:
    """Move ascending values apart by `gap` at least: upwards, and down from `top` where it ends."""
    heights: list[float] = []
    for value in values:
        heights.append(max(value, heights[-1] + gap) if heights else value)
    limit = top
    for i in reversed(range(len(heights))):
        heights[i] = min(heights[i], limit)
        limit = heights[i] - gap
    return heights
