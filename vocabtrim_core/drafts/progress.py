"""What a training says while it goes on: stages on disk, and one progress over all k."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vocabtrim_core.drafts.metrics import Metrics
from vocabtrim_core.drafts.runs import StageLog
from vocabtrim_core.drafts.specforge_run import SpecForgeRun

Progress = Callable[..., Any]


class Overall:
    """Progress over all trainings together, so that one ETA covers them."""

    def __init__(self, runs: Sequence[SpecForgeRun], i: int, progress: Progress) -> None:
        self.before = sum(run.steps for run in runs[:i])
        self.total = sum(run.steps for run in runs)
        self.progress = progress
        self.step, self.message = 0, ""
        self.rates: dict[str, float] = {}

    def __call__(self, step: int, message: str, **rates: float) -> None:
        self.step, self.message, self.rates = step, message, rates
        self.again()

    def again(self) -> None:
        self.progress(self.before + self.step, self.total, self.message, **self.rates)


def watching(run: SpecForgeRun, log: StageLog, tell: Overall) -> Callable[[Metrics | None], None]:
    length: float | None = None
    rates: dict[str, float] = {}

    def watch(found: Metrics | None) -> None:
        nonlocal length, rates
        if found is None:
            tell.again()
            return
        length = found.acceptance_length or length
        values = found.values
        words = [f"k = {run.k:,}"]
        if "loss" in values:
            words.append(f"loss {values['loss']:.3f}")
            seconds = values.get("perf/optimizer_step_time_s")
            rates = {"steps_per_s": 1 / seconds} if seconds else rates
        if length is not None:
            words.append(f"held-out acceptance length {length:.2f}")
        message = ", ".join(words)
        log.tell("train", run.k, found.step, run.steps, message)
        tell(found.step, message, **rates)

    if run.checkpoints():
        tell(run.checkpoints()[-1], f"k = {run.k:,}: continuing")
    else:
        tell(0, f"k = {run.k:,}: starting SpecForge")
    return watch
