"""Curves of a training: loss, accuracy by draft position, acceptance length, rate and speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.drafts.metrics import LENGTH, Metrics
from vocabtrim_core.figures.style import LIGHT, Palette, layout

HEIGHT = 270
POSITION = "eval/per_position_acc/"
SECONDS = "perf/optimizer_step_time_s"


class TrainingCurves(NamedTuple):
    """The curves of the training of one k, each as (step, value).

    Attributes:
        k: Size of the draft vocabulary.
        full: Whether it is all of V.
        steps: Steps of the whole training.
        loss: Loss of the logged steps.
        held_out: Loss on held-out conversations.
        length: Acceptance length on held-out conversations.
        accuracy: Held-out accuracy, one curve per draft position.
        rate: Learning rate.
        speed: Optimizer steps per second.
    """

    k: int
    full: bool
    steps: int
    loss: tuple[tuple[int, float], ...]
    held_out: tuple[tuple[int, float], ...]
    length: tuple[tuple[int, float], ...]
    accuracy: tuple[tuple[tuple[int, float], ...], ...]
    rate: tuple[tuple[int, float], ...]
    speed: tuple[tuple[int, float], ...]

    @property
    def name(self) -> str:
        """The size, for legends."""
        return f"k = {self.k:,}" + (" (full)" if self.full else "")


def training_curves(
    k: int, vocab_size: int, steps: int, logged: Sequence[Metrics]
) -> TrainingCurves:
    """Read the curves from the log of one training.

    Args:
        k: Size of the draft vocabulary.
        vocab_size: V.
        steps: Steps of the whole training.
        logged: The logged metrics, in order.

    Returns:
        The curves.
    """

    def curve(pick: Callable[[Metrics], float | None]) -> tuple[tuple[int, float], ...]:
        points = ((m.step, pick(m)) for m in logged)
        return tuple((step, value) for step, value in points if value is not None)

    def speed(m: Metrics) -> float | None:
        seconds = m.values.get(SECONDS)
        return 1 / seconds if seconds else None

    positions = sorted(
        {int(n.removeprefix(POSITION)) for m in logged for n in m.values if n.startswith(POSITION)}
    )
    return TrainingCurves(
        k,
        k == vocab_size,
        steps,
        loss=curve(lambda m: m.values.get("loss")),
        held_out=curve(lambda m: m.values.get("eval/avg_loss")),
        length=curve(lambda m: m.acceptance_length if LENGTH in m.values else None),
        accuracy=tuple(curve(lambda m, i=i: m.values.get(f"{POSITION}{i}")) for i in positions),
        rate=curve(lambda m: m.values.get("lr")),
        speed=curve(speed),
    )


def colours(runs: Sequence[TrainingCurves], palette: Palette) -> list[str]:
    """Assign a colour to each training, the same in every figure.

    Args:
        courses: The trainings.
        palette: The colours.

    Returns:
        A colour per training; ink for the full vocabulary.
    """
    shades = iter(palette.series * len(runs))
    return [palette.ink if line.full else next(shades) for line in runs]


def acceptance_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw the acceptance length on held-out conversations; 1 is that of no draft.

    Args:
        courses: The trainings.
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
    figure.update_yaxes(title_text="Tokens per cycle", range=[0.95, 1 + 1.15 * max(top - 1, 0.2)])
    return figure


def loss_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw the loss as SpecForge weighs draft positions: single steps, faint, and held-out.

    Args:
        courses: The trainings.
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
    return figure


def rate_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw the learning rate, which usually is the same for every k.

    Args:
        courses: The trainings.
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
        courses: The trainings.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = _lines(runs, lambda c: c.speed, "%{y:.2f} steps/s", palette)
    figure.update_yaxes(title_text="Steps per second", rangemode="tozero")
    return figure


def accuracy_figure(runs: Sequence[TrainingCurves], palette: Palette = LIGHT) -> go.Figure:
    """Draw held-out accuracy by draft position, the sizes side by side on one scale.

    Args:
        courses: The trainings.
        palette: The colours.

    Returns:
        The figure.
    """
    from plotly.subplots import make_subplots

    width = max(len(runs), 1)
    figure = make_subplots(
        1,
        width,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[line.name for line in runs],
    )
    for column, (line, colour) in enumerate(zip(runs, colours(runs, palette), strict=True), 1):
        if not line.accuracy:  # an empty frame keeps the place of this size
            figure.add_scatter(x=[None], y=[None], showlegend=False, row=1, col=column)
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
    for column, line in enumerate(runs, 1):
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
    """One line per k over the steps."""
    figure = go.Figure()
    for line, colour in zip(runs, colours(runs, palette), strict=True):
        points = pick(line)
        figure.add_scatter(
            x=[step for step, _ in points],
            y=[value for _, value in points],
            name=line.name,
            mode="lines+markers" if marks or len(points) < 3 else "lines",
            line={"color": colour, "width": 2.5, "dash": "dash" if line.full else "solid"},
            marker={"size": 7},
            hovertemplate=f"<b>{line.name}</b>, step %{{x}}<br>{hover}<extra></extra>",
        )
    layout(figure, palette, height=HEIGHT)
    steps = max((line.steps for line in runs), default=1)
    figure.update_xaxes(title_text="Step", range=[0, 1.02 * steps])
    return figure
