"""Experiments on disk: <workspace>/experiments/<key>/experiment.json, with every finished stage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.experiment.plan import STAGES, TITLES, ExperimentPlan, argv_of
from vocabtrim_core.workspace.files import write_atomic

FILE = "experiment.json"
Run = Callable[[list[str], Any], Mapping[str, Any]]


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
        values = msgspec.json.decode(path.read_bytes())
        steps = values["plan"]["draft_steps"]
        values["plan"]["draft_steps"] = [steps] if isinstance(steps, int) else steps  # as before
        return msgspec.convert(values, Experiment)
    except FileNotFoundError as error:
        raise InputError(f"There is no experiment {key!r} in this workspace.") from error
    except (msgspec.DecodeError, LookupError, TypeError, OSError) as error:
        raise InputError(
            f"{path} is damaged ({error}); delete its folder to start anew."
        ) from error


def list_experiments() -> list[Experiment]:
    """All experiments that can be read, the newest first."""
    experiments: list[Experiment] = []
    for path in workspace.folder("experiments").glob(f"*/{FILE}"):
        try:
            experiments.append(load(path.parent.name))
        except InputError:
            continue
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
