"""The curves of a training: what is read from the log, and what the figures draw."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vocabtrim_core.drafts.metrics import Metrics
from vocabtrim_core.figures import training as figures
from vocabtrim_core.figures.style import DARK, LIGHT
from vocabtrim_core.figures.training_curves import (
    TrainingCurves,
    begun,
    colours,
    dashes,
    training_curves,
)


def logged(steps: int, top: float) -> list[Metrics]:
    """Two positions, an evaluation every second step; the best one is the last but one."""
    found = []
    for step in range(1, steps + 1):
        values = {"loss": 9.0 / step, "lr": 1e-3, "perf/optimizer_step_time_s": 0.25}
        found.append(Metrics(step, "train", values))
        if step % 2 == 0:
            length = top if step == steps - 2 else top / 2
            held = {
                "eval/simulated_acc_len": length,
                "eval/avg_loss": 5.0,
                "eval/per_position_acc/0": 0.5,
                "eval/per_position_acc/1": 0.4,
            }
            found.append(Metrics(step, "eval", held))
    return found


@pytest.fixture
def runs() -> list[TrainingCurves]:
    return [training_curves(700, 700, 8, logged(8, 0.9)), training_curves(100, 700, 8, [])]


def test_curves_are_the_log(runs) -> None:
    full, waiting = runs
    assert full.full
    assert not waiting.full
    assert [step for step, _ in full.loss] == list(range(1, 9))
    assert dict(full.length)[6] == pytest.approx(1.9)  # the token of the target itself included
    assert full.speed[0] == (1, 4.0)
    assert [len(curve) for curve in full.accuracy] == [4, 4]
    assert full.held_out[-1] == (8, 5.0)
    assert waiting.loss == waiting.length == waiting.accuracy == ()


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_best_checkpoint_is_ringed_and_sizes_keep_their_colour(runs, palette) -> None:
    both = [runs[0], training_curves(100, 700, 8, logged(6, 0.7))]
    figure = figures.acceptance_figure(both, palette)
    lines = [trace for trace in figure.data if trace.name]
    rings = [trace for trace in figure.data if not trace.name]
    assert [trace.name for trace in lines] == ["k = 700 (full)", "k = 100"]
    assert [(ring.x[0], round(ring.y[0], 6)) for ring in rings] == [(6, 1.9), (4, 1.7)]
    assert lines[0].line.dash == "dash"
    assert [trace.line.color for trace in lines] == colours(both, palette)
    assert lines[0].line.color == palette.ink
    assert figure.layout.yaxis.range[1] > 1.9


def test_sizes_that_have_not_begun_have_no_panel_and_no_line(runs) -> None:
    figure = figures.accuracy_figure(runs)
    titles = [note.text for note in figure.layout.annotations if note.text.startswith("k")]
    assert titles == ["k = 700 (full)"]
    assert {trace.xaxis for trace in figure.data} == {"x"}
    assert list(figure.data[0].y) == [50.0] * 4
    for name in ("acceptance", "loss", "rate", "speed"):
        drawn = getattr(figures, f"{name}_figure")(runs)
        assert {trace.name for trace in drawn.data if trace.name} == {"k = 700 (full)"}
    assert begun(runs) == runs[:1]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("name", ["acceptance", "loss", "speed"])
def test_lines_that_lie_together_are_told_apart(palette, name) -> None:
    """Eight sizes with the very same curve: no two look alike, no two labels overlap."""
    sizes = [700, 600, 500, 400, 300, 200, 100, 50]
    alike = [training_curves(k, 700, 8, logged(8, 0.9)) for k in sizes]
    figure = getattr(figures, f"{name}_figure")(alike, palette)
    lines = [trace for trace in figure.data if trace.name]
    assert len({(trace.line.color, trace.line.dash) for trace in lines}) == len(sizes)
    assert dashes(alike).count("dash") == 1
    labels = {note.text: note for note in figure.layout.annotations}
    assert {str(k) for k in sizes} <= set(labels)
    heights = sorted(labels[str(k)].y for k in sizes)
    low, high = figure.layout.yaxis.range or (0, max(max(t.y) for t in figure.data if t.y))
    assert min(b - a for a, b in pairwise(heights)) > 0.05 * (high - low)
    assert max(heights) <= high + 1e-9  # Plotly draws no label above the axis
    for trace in lines:
        assert labels[trace.name.removeprefix("k = ").removesuffix(" (full)")].font.color == (
            trace.line.color
        )


@pytest.mark.parametrize("name", ["acceptance", "loss", "accuracy", "rate", "speed"])
def test_nothing_logged_yet_draws_an_empty_frame(runs, name) -> None:
    figure = getattr(figures, f"{name}_figure")(runs[1:])
    assert figure.layout.height == figures.HEIGHT
