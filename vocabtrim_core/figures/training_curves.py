"""The curves of a training, read from its log, and how each size is told apart in figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vocabtrim_core.drafts.metrics import LENGTH, Metrics
from vocabtrim_core.figures.style import Palette

POSITION = "eval/per_position_acc/"
SECONDS = "perf/optimizer_step_time_s"
DASHES = ("solid", "dot", "dashdot", "longdash")  # not as many as colours: no pair repeats soon


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
        runs: The trainings.
        palette: The colours.

    Returns:
        A colour per training; ink for the full vocabulary.
    """
    shades = iter(palette.series * len(runs))
    return [palette.ink if line.full else next(shades) for line in runs]


def dashes(runs: Sequence[TrainingCurves]) -> list[str]:
    """Assign a dash to each training, so that lines differ without colours too.

    Args:
        runs: The trainings.

    Returns:
        A dash of Plotly per training; "dash" for the full vocabulary alone.
    """
    patterns = iter(DASHES * len(runs))
    return ["dash" if line.full else next(patterns) for line in runs]


def begun(runs: Sequence[TrainingCurves]) -> list[TrainingCurves]:
    """Leave out the trainings that nothing is logged of yet.

    Args:
        runs: The trainings.

    Returns:
        Those with a curve, in the same order.
    """
    return [line for line in runs if line.loss or line.held_out or line.length or line.accuracy]
