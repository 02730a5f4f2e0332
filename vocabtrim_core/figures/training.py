"""Training as it goes on: loss, accuracy by draft position, acceptance length, rate and speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.drafts.metrics import LENGTH, Metrics
from vocabtrim_core.figures.base import LIGHT, Palette, layout

HEIGHT = 270
POSITION = "eval/per_position_acc/"
SECONDS = "perf/optimizer_step_time_s"
# Colours of the trimmed sizes, from the first on; the full vocabulary is drawn in ink, dashed.


class Course(NamedTuple):
    """One k: its curves as (step, value), and accuracy by draft position as one curve each.

    steps: of the whole training.  loss: of the logged steps.  held_out, length: loss and acceptance
    length of held-out conversations.
    """

    k: int
    full: bool
    steps: int
    loss: tuple[tuple[int, float], ...]
    held_out: tuple[tuple[int, float], ...]
    length: tuple[tuple[int, float], ...]
    accuracy: tuple[tuple[tuple[int, float], ...], ...]
    rate: tuple[tuple[int, float], ...]
    speed: tuple[tuple[int, float], ...]  # optimizer steps per second

    @property
    def name(self) -> str:
        return f"k = {self.k:,}" + (" (full)" if self.full else "")


def course(k: int, vocab_size: int, steps: int, logged: Sequence[Metrics]) -> Course:
    """The curves in what was logged of one training."""

    def curve(pick: Callable[[Metrics], float | None]) -> tuple[tuple[int, float], ...]:
        found = ((m.step, pick(m)) for m in logged)
        return tuple((step, value) for step, value in found if value is not None)

    def speed(m: Metrics) -> float | None:
        seconds = m.values.get(SECONDS)
        return 1 / seconds if seconds else None

    positions = sorted(
        {int(n.removeprefix(POSITION)) for m in logged for n in m.values if n.startswith(POSITION)}
    )
    return Course(
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


def colours(courses: Sequence[Course], palette: Palette) -> list[str]:
    """One colour per course, the same in every figure."""
    shades = iter(palette.series * len(courses))
    return [palette.ink if each.full else next(shades) for each in courses]


def acceptance_figure(courses: Sequence[Course], palette: Palette = LIGHT) -> go.Figure:
    """Acceptance length on held-out conversations at every evaluation; 1 is no help at all."""
    figure = _lines(courses, lambda c: c.length, "%{y:.3f} tokens per cycle", palette, marks=True)
    for each, colour in zip(courses, colours(courses, palette), strict=True):
        if each.length:
            step, value = max(each.length, key=lambda point: point[1])
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
    top = max((v for c in courses for _, v in c.length), default=1.5)
    figure.update_yaxes(title_text="Tokens per cycle", range=[0.95, 1 + 1.15 * max(top - 1, 0.2)])
    return figure


def loss_figure(courses: Sequence[Course], palette: Palette = LIGHT) -> go.Figure:
    """Loss as SpecForge weighs the draft positions: of single steps, faint, and held-out."""
    figure = _lines(courses, lambda c: c.held_out, "held-out loss %{y:.4f}", palette, marks=True)
    for each, colour in zip(courses, colours(courses, palette), strict=True):
        figure.add_scatter(
            x=[step for step, _ in each.loss],
            y=[value for _, value in each.loss],
            mode="lines",
            showlegend=False,
            opacity=0.4,
            line={"color": colour, "width": 1.5},
            hovertemplate=f"<b>{each.name}</b>, step %{{x}}<br>loss of the step %{{y:.4f}}"
            "<extra></extra>",
        )
    figure.update_yaxes(title_text="Loss", rangemode="tozero")
    return figure


def rate_figure(courses: Sequence[Course], palette: Palette = LIGHT) -> go.Figure:
    """The learning rate; usually one and the same line for every k."""
    figure = _lines(courses, lambda c: c.rate, "learning rate %{y:.2e}", palette)
    figure.update_yaxes(title_text="Learning rate", rangemode="tozero", exponentformat="e")
    return figure


def speed_figure(courses: Sequence[Course], palette: Palette = LIGHT) -> go.Figure:
    """Optimizer steps per second."""
    figure = _lines(courses, lambda c: c.speed, "%{y:.2f} steps/s", palette)
    figure.update_yaxes(title_text="Steps per second", rangemode="tozero")
    return figure


def accuracy_figure(courses: Sequence[Course], palette: Palette = LIGHT) -> go.Figure:
    """Held-out accuracy by draft position, the sizes side by side on one scale."""
    from plotly.subplots import make_subplots

    width = max(len(courses), 1)
    figure = make_subplots(
        1,
        width,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[each.name for each in courses],
    )
    for column, (each, colour) in enumerate(
        zip(courses, colours(courses, palette), strict=True), 1
    ):
        if not each.accuracy:  # an empty frame, so that the sizes stand side by side from the start
            figure.add_scatter(x=[None], y=[None], showlegend=False, row=1, col=column)
        for i, points in enumerate(each.accuracy):
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
        for i, height in _apart(each.accuracy).items():
            figure.add_annotation(
                x=each.accuracy[i][-1][0],
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
    for column, each in enumerate(courses, 1):
        figure.update_xaxes(range=[0, 1.08 * each.steps], title_text="Step", col=column)
    figure.update_yaxes(title_text="Correct", ticksuffix="%", rangemode="tozero", col=1)
    figure.update_yaxes(ticksuffix="%", rangemode="tozero")
    return figure


def _apart(curves: Sequence[tuple[tuple[int, float], ...]]) -> dict[int, float]:
    """Where each curve's number stands beside its end, in percent, none over another."""
    ends = sorted((100 * curve[-1][1], i) for i, curve in enumerate(curves) if curve)
    gap = 0.07 * max((100 * value for curve in curves for _, value in curve), default=0)
    placed: dict[int, float] = {}
    for height, i in ends:
        placed[i] = max(height, max(placed.values(), default=height - gap) + gap)
    return placed


def _lines(
    courses: Sequence[Course],
    pick: Callable[[Course], tuple[tuple[int, float], ...]],
    told: str,
    palette: Palette,
    *,
    marks: bool = False,
) -> go.Figure:
    """One line per k over the steps."""
    figure = go.Figure()
    for each, colour in zip(courses, colours(courses, palette), strict=True):
        points = pick(each)
        figure.add_scatter(
            x=[step for step, _ in points],
            y=[value for _, value in points],
            name=each.name,
            mode="lines+markers" if marks or len(points) < 3 else "lines",
            line={"color": colour, "width": 2.5, "dash": "dash" if each.full else "solid"},
            marker={"size": 7},
            hovertemplate=f"<b>{each.name}</b>, step %{{x}}<br>{told}<extra></extra>",
        )
    layout(figure, palette, height=HEIGHT)
    steps = max((each.steps for each in courses), default=1)
    figure.update_xaxes(title_text="Step", range=[0, 1.02 * steps])
    return figure
