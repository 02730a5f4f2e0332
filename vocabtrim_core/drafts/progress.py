"""Progress of a training: the stages on disk, and one progress over all k."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vocabtrim_core.drafts.metrics import Metrics
from vocabtrim_core.drafts.runs import StageLog
from vocabtrim_core.drafts.specforge_run import SpecForgeRun

Progress = Callable[..., Any]


class Overall:
    """Progress over all trainings of a run, so that one ETA covers them.

    Args:
        runs: The trainings, in order.
        i: The one that runs.
        progress: Called as progress(done, total, message, **rates).
    """

    def __init__(self, runs: Sequence[SpecForgeRun], i: int, progress: Progress) -> None:
        self.before = sum(run.steps for run in runs[:i])
        self.total = sum(run.steps for run in runs)
        self.progress = progress
        self.step, self.message = 0, ""
        self.rates: dict[str, float] = {}

    def __call__(self, step: int, message: str, **rates: float) -> None:
        """Report the progress of the current training.

        Args:
            step: Its optimizer step.
            message: What happens, for people.
            **rates: Rates such as steps_per_s, for the reader.
        """
        self.step, self.message, self.rates = step, message, rates
        self.repeat()

    def repeat(self) -> None:
        """Report the last state again, so that the reader sees that the training is alive."""
        self.progress(self.before + self.step, self.total, self.message, **self.rates)


def metrics_watcher(
    run: SpecForgeRun, log: StageLog, overall: Overall
) -> Callable[[Metrics | None], None]:
    """Make the function that reports a training's metrics as they arrive.

    Args:
        run: The training.
        log: The stages on disk.
        overall: The progress over all trainings.

    Returns:
        watch(metrics), called with the metrics of each line, or with None when nothing came.
    """
    length: float | None = None
    rates: dict[str, float] = {}

    def watch(metrics: Metrics | None) -> None:
        nonlocal length, rates
        if metrics is None:
            overall.repeat()
            return
        length = metrics.acceptance_length or length
        values = metrics.values
        parts = [f"k = {run.k:,}"]
        if "loss" in values:
            parts.append(f"loss {values['loss']:.3f}")
            seconds = values.get("perf/optimizer_step_time_s")
            rates = {"steps_per_s": 1 / seconds} if seconds else rates
        if length is not None:
            parts.append(f"held-out acceptance length {length:.2f}")
        message = ", ".join(parts)
        log.update("train", run.k, metrics.step, run.steps, message)
        overall(metrics.step, message, **rates)

    if run.checkpoints():
        overall(run.checkpoints()[-1], f"k = {run.k:,}: continuing")
    else:
        overall(0, f"k = {run.k:,}: starting SpecForge")
    return watch
