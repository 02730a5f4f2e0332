"""Experiments on disk: <workspace>/experiments/<key>/experiment.json, with every finished stage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.experiment.plan import (
    ANSWERS,
    CHOOSE,
    COUNT,
    MEASURE,
    STAGES,
    TITLES,
    TRAIN,
    ExperimentPlan,
    argv_of,
)
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.records import DamagedError

FILE = "experiment.json"
Run = Callable[[list[str], Any], Mapping[str, Any]]


# What is read of the result of each stage.


@dataclass(frozen=True, slots=True)
class _Answered:
    answers: int


@dataclass(frozen=True, slots=True)
class _Counted:
    key: str


@dataclass(frozen=True, slots=True)
class _Chosen:
    k: int


@dataclass(frozen=True, slots=True)
class _TrainedDraft:
    k: int
    coverage: float | None = None
    acceptance_length: float | None = None


@dataclass(frozen=True, slots=True)
class _Trained:
    run: str
    drafts: tuple[_TrainedDraft, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    k: int | None
    acceptance_length: float | None
    position_acceptance: tuple[float, ...]
    throughput: dict[str, Any] | None
    ratios: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Measured:
    key: str
    rows: tuple[_Row, ...]
    unpaid: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    best_steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


RESULTS: Mapping[str, type] = {
    ANSWERS: _Answered,
    COUNT: _Counted,
    CHOOSE: _Chosen,
    TRAIN: _Trained,
    MEASURE: _Measured,
}


@dataclass(frozen=True, slots=True)
class FinishedStage:
    """What a stage did.

    Attributes:
        name: One of STAGES.
        argv: Words of its command line.
        seconds: How long its last attempt took.
        result: What the command gave.
    """

    name: str
    argv: tuple[str, ...]
    seconds: float
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment, as far as it is.

    Attributes:
        plan: Its settings.
        stages: Its finished stages, in order.
        created: Seconds since the epoch.
        estimated: Seconds by stage, as they were estimated before the first one began.
    """

    plan: ExperimentPlan
    stages: tuple[FinishedStage, ...] = ()
    created: float = field(default_factory=time.time)
    estimated: Mapping[str, float] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Its folder in the workspace, which may not exist."""
        return workspace.folder("experiments") / self.plan.key

    @property
    def results(self) -> dict[str, Mapping[str, Any]]:
        """Results of the finished stages, by name."""
        return {stage.name: stage.result for stage in self.stages}

    @property
    def next_stage(self) -> str | None:
        """The stage that comes next; None where all are finished."""
        finished = self.results
        return next((name for name in STAGES if name not in finished), None)

    def save(self) -> None:
        """Write the record.

        Raises:
            InputError: The disk is full, or the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / FILE, json.dumps(asdict(self), indent=1, default=str).encode())


def load(key: str) -> Experiment:
    """Read an experiment.

    Args:
        key: Its key.

    Returns:
        The experiment.

    Raises:
        InputError: There is none, or its file is damaged.
    """
    path = workspace.folder("experiments") / workspace.checked_key(key) / FILE
    try:
        return read_record(path)
    except FileNotFoundError as error:
        raise InputError(f"There is no experiment {key!r} in this workspace.") from error


def read_record(path: Path) -> Experiment:
    """Read the record of an experiment.

    Args:
        path: Its experiment.json.

    Returns:
        The experiment.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It cannot be read.
    """
    values = records.read_value(path)
    plan = values.get("plan") if isinstance(values, dict) else None
    if isinstance(plan, dict) and isinstance(steps := plan.get("draft_steps"), int):
        plan["draft_steps"] = [steps]  # of earlier versions
    experiment = records.convert(values, Experiment, path)
    if experiment.plan.key != path.parent.name:
        raise DamagedError(path, "its settings are not those that its folder is named by")
    for stage in experiment.stages:
        if stage.name not in RESULTS:
            raise DamagedError(path, f"{stage.name!r} is no stage of an experiment")
        records.convert(stage.result, RESULTS[stage.name], path)
    return experiment


def list_experiments() -> list[Experiment]:
    """All experiments that can be read, the newest first."""
    paths = workspace.folder("experiments").glob(f"*/{FILE}")
    experiments = records.readable(paths, read_record)
    return sorted(experiments, key=lambda experiment: -experiment.created)


def begun(plan: ExperimentPlan) -> Experiment:
    """The experiment with these settings, as far as it is.

    Args:
        plan: The settings.

    Returns:
        The experiment, without stages where it did not begin.
    """
    experiment = Experiment(plan)
    return load(plan.key) if (experiment.folder / FILE).is_file() else experiment


def carry_out(
    plan: ExperimentPlan, run: Run, progress: Any, estimated: Mapping[str, float] | None = None
) -> Experiment:
    """Run the stages that are not finished, and keep each result.

    Args:
        plan: The settings.
        run: Runs a command line, called as run(argv, progress); gives the command's result.
        progress: The progress of the whole; `Progress.within` gives that of a stage.
        estimated: Seconds by stage, as they were estimated; kept where no stage is finished.

    Returns:
        The finished experiment.

    Raises:
        InputError: A stage failed; what was finished is kept.
        Cancelled: The user asked to stop; what was finished is kept.
    """
    experiment = begun(plan)
    if not experiment.stages:
        experiment = replace(experiment, estimated=dict(estimated or {}))
    experiment.save()
    while name := experiment.next_stage:
        number = STAGES.index(name) + 1
        argv = argv_of(name, plan, experiment.folder, experiment.results)
        began = time.monotonic()
        result = run(argv, progress.within(f"{number} of {len(STAGES)}: {TITLES[name]}"))
        stage = FinishedStage(name, tuple(argv), time.monotonic() - began, result)
        experiment = replace(experiment, stages=(*experiment.stages, stage))
        experiment.save()
    return experiment
