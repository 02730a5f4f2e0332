"""A few answers of a target, and a few steps of training on them, before an experiment starts.

They are kept in <workspace>/trials/answers-<key> by what the speed of answers depends on, so that
every experiment with the same target, engine and prompts is estimated from them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vocabtrim_core import workspace
from vocabtrim_core.experiment.plan import ANSWERS, ExperimentPlan, argv_of
from vocabtrim_core.jobs.progress import Progress
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.records import DamagedError

ASKED = 12  # prompts of a trial
FILE = "trial.json"
Run = Callable[[list[str], Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class AnswersTrial:
    """What a target did with a few prompts.

    Attributes:
        folder: Where its answers are.
        asked: Prompts.
        kept: Answers that were not cut by the length limit.
        start_seconds: Until the first prompt was sent: imports, conversion, start of the engine.
        seconds: From the first prompt to the last answer.
    """

    folder: Path
    asked: int
    kept: int
    start_seconds: float
    seconds: float

    @property
    def corpus(self) -> Path:
        """The conversations with these answers."""
        return self.folder / "answers.jsonl"


def known_answers(plan: ExperimentPlan) -> AnswersTrial | None:
    """Read the trial of a plan.

    Args:
        plan: The settings of an experiment.

    Returns:
        The trial; None where there was none.
    """
    folder = _folder(plan)
    try:
        record = records.read(folder / FILE, dict[str, Any])
        return records.convert({**record, "folder": folder}, AnswersTrial, folder / FILE)
    except (FileNotFoundError, DamagedError):
        return None


def try_answers(plan: ExperimentPlan, run: Run, progress: Progress) -> AnswersTrial:
    """Let the target answer a few prompts, unless that was done.

    Args:
        plan: The settings of an experiment.
        run: Runs a command line, called as run(argv, progress).
        progress: Takes reports.

    Returns:
        The trial.

    Raises:
        InputError: The target or the engine failed.
    """
    if known := known_answers(plan):
        return known
    folder = _folder(plan)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():  # of a stopped trial: what is there would take no time
        left.unlink()
    few = replace(plan, answers=min(ASKED, plan.answers))
    clock, began = _Clock(progress), time.monotonic()
    result = run(argv_of(ANSWERS, few, folder, {}), clock)
    ended = time.monotonic()
    asking = clock.asking or began
    trial = AnswersTrial(
        folder, few.answers, int(result["answers"]), asking - began, max(ended - asking, 0.1)
    )
    record = {name: value for name, value in asdict(trial).items() if name != "folder"}
    write_atomic(folder / FILE, json.dumps(record).encode())
    return trial


def _folder(plan: ExperimentPlan) -> Path:
    parts = [plan.target, plan.engine, plan.program, plan.prompts, plan.answer_tokens]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return workspace.folder("trials") / f"answers-{key}"


class _Clock(Progress):
    """Passes reports on, and notes when the first prompt was sent."""

    def __init__(self, whole: Progress) -> None:
        super().__init__(whole.folder)
        self._whole, self.asking = whole, 0.0

    def __call__(
        self, done: int, total: int | None = None, message: str = "", **rates: float
    ) -> None:
        if "answers" in rates and not self.asking:
            self.asking = time.monotonic()
        self._whole(done, total, f"Trial. {message}", **rates)

    def check(self) -> None:
        self._whole.check()

    def enter(self, state: str, message: str = "") -> None:
        self._whole.enter(state, f"Trial. {message}")
