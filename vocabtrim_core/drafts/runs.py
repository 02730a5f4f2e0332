"""Training runs on disk, as pages and commands read them; this module starts nothing.

<workspace>/runs/<name>/run.json     what is trained: target, features, plan, vocabularies
                        state.json   the stages and how far each is
                        k-<k>/       one training (see `specforge_run`), draft/ and result.json
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import filelock

from vocabtrim_core import workspace
from vocabtrim_core.drafts import metrics as metrics_
from vocabtrim_core.drafts.metrics import Metrics
from vocabtrim_core.drafts.run_files import SPEC, STATE, read_result, read_spec
from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import EARLIER_DEMO
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.records import DamagedError

DRAFT = "draft"
PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"
STATE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a run.

    Attributes:
        name: target, regenerate, capture, train, evaluate or export.
        k: The training it belongs to; None for the stages that all share.
        state: PENDING, RUNNING, DONE or FAILED.
        done: Units done.
        total: Units in all; None while unknown.
        message: What happens, or happened, for people.
        began: Seconds since the epoch.
        ended: Seconds since the epoch.
    """

    name: str
    k: int | None = None
    state: str = PENDING
    done: int = 0
    total: int | None = None
    message: str = ""
    began: float | None = None
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """Duration so far, 0 before it begins."""
        return ((self.ended or time.time()) - self.began) if self.began else 0.0


@dataclass(frozen=True, slots=True)
class _State:
    """The content of state.json."""

    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class TrainedDraft:
    """One k of a run.

    Attributes:
        k: Tokens of its vocabulary.
        folder: The folder of its training.
        vocabulary_sha256: Fingerprint of its tokens.
        steps: Optimizer steps of its training.
        result: The content of result.json; {} while there is none.
    """

    k: int
    folder: Path
    vocabulary_sha256: str
    steps: int
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def draft(self) -> Path | None:
        """The draft directory that engines load; None until it is exported."""
        path = self.folder / DRAFT
        return path if (path / "config.json").is_file() else None

    def metrics(self) -> list[Metrics]:
        """Return the metrics so far, for live charts."""
        return metrics_.read_metrics(self.folder / metrics_.FILE)

    @property
    def best(self) -> Metrics | None:
        """The best held-out evaluation so far."""
        return metrics_.best(self.metrics())

    @property
    def tensorboard(self) -> Path:
        """The folder for `tensorboard --logdir`."""
        return self.folder / "out" / "runs"


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The current state of a run, as its folder shows it.

    Attributes:
        folder: The run's folder.
        spec: The content of run.json.
        stages: Its stages, in order.
        drafts: Its trainings, the largest k first.
    """

    folder: Path
    spec: Mapping[str, Any]
    stages: tuple[Stage, ...]
    drafts: tuple[TrainedDraft, ...]

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def vocab_size(self) -> int:
        """The target's V."""
        return int(self.spec["target"]["vocab_size"])

    @property
    def finished(self) -> bool:
        """Whether every stage is done."""
        return bool(self.stages) and all(stage.state == DONE for stage in self.stages)


def run_folder(name: str) -> Path:
    """Return the folder of a run, which may not exist.

    Args:
        name: The run's name.

    Returns:
        The folder in the workspace.

    Raises:
        InputError: The name has other characters than letters, digits, dots, dashes, underscores.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}", name):
        raise InputError(
            f"A run cannot be named {name!r}; use letters, digits, dots, dashes and underscores."
        )
    return workspace.folder("runs") / name


def run_lock(name: str, timeout: float) -> filelock.FileLock:
    """Make the lock that a process holds while it trains a run; the system frees it when it ends.

    Args:
        name: The run's name.
        timeout: Seconds to wait for it.

    Returns:
        The lock, not yet acquired.
    """
    return filelock.FileLock(run_folder(name) / ".lock", timeout=timeout)


def being_trained(name: str) -> bool:
    """Return whether any process trains the run `name` now."""
    if not run_folder(name).is_dir():
        return False
    try:
        with run_lock(name, 0):
            return False
    except filelock.Timeout:
        return True


def read_run(name: str) -> TrainingRun:
    """Read a run.

    Args:
        name: The run's name.

    Returns:
        The run.

    Raises:
        InputError: There is no run of this name, or its run.json is damaged.
    """
    folder = run_folder(name)
    try:
        spec = read_spec(folder)
    except FileNotFoundError as error:
        raise InputError(f"There is no training run {name!r} in this workspace.") from error
    if spec["target"].pop("toy", None):
        spec["target"]["name"] = EARLIER_DEMO
    drafts = []
    for k, entry in sorted(spec["vocabularies"].items(), key=lambda item: -int(item[0])):
        k_folder, result = folder / f"k-{k}", {}
        with suppress(FileNotFoundError, DamagedError):
            result = read_result(k_folder)
        drafts.append(TrainedDraft(int(k), k_folder, entry["sha256"], entry["steps"], result))
    return TrainingRun(folder, spec, read_stages(folder), tuple(drafts))


def list_runs() -> list[TrainingRun]:
    """Return all runs that can be read, newest first."""
    folders = (path.parent for path in workspace.folder("runs").glob(f"*/{SPEC}"))
    runs = records.readable(folders, lambda folder: read_run(folder.name))
    return sorted(runs, key=lambda run: -(run.folder / SPEC).stat().st_mtime)


def read_stages(folder: Path) -> tuple[Stage, ...]:
    """Read the stages of a run, as last written.

    Args:
        folder: The run's folder.

    Returns:
        The stages; () where there are none yet.
    """
    try:
        return read_states(folder / STATE)
    except (FileNotFoundError, DamagedError):
        return ()


def read_states(path: Path) -> tuple[Stage, ...]:
    """Read the file of the stages of a run.

    Args:
        path: Its state.json.

    Returns:
        The stages.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It cannot be read.
    """
    return records.read(path, _State).stages


class StageLog:
    """Writes state.json while a run goes on. One stage runs at a time; finished ones stay finished.

    Args:
        folder: The run's folder.
        stages: The stages of this call, in order.
    """

    def __init__(self, folder: Path, stages: list[Stage]) -> None:
        finished = {(s.name, s.k): s for s in read_stages(folder) if s.state == DONE}
        self.folder = folder
        asked = {stage.k for stage in stages}
        shared = [stage for stage in stages if stage.k is None]
        sizes = [stage for stage in stages if stage.k is not None]
        earlier = [stage for stage in finished.values() if stage.k not in asked]
        this_call = [finished.get((stage.name, stage.k), stage) for stage in (*shared, *sizes)]
        self.stages = [*this_call[: len(shared)], *earlier, *this_call[len(shared) :]]
        self._written = 0.0
        self._write()

    def enter(self, name: str, k: int | None = None) -> None:
        """Record that a stage begins.

        Args:
            name: The stage.
            k: Its training; None for shared stages.
        """
        self._set(name, k, state=RUNNING, began=time.time(), ended=None, message="")
        self._write()

    def update(self, name: str, k: int | None, done: int, total: int | None, message: str) -> None:
        """Record how far a stage is; written at most twice a second.

        Args:
            name: The stage.
            k: Its training; None for shared stages.
            done: Units done.
            total: Units in all; None while unknown.
            message: What happens, for people.
        """
        self._set(name, k, done=done, total=total, message=message)
        if time.monotonic() - self._written >= STATE_SECONDS:
            self._write()

    def leave(self, name: str, k: int | None = None, message: str = "") -> None:
        """Record that a stage is done.

        Args:
            name: The stage.
            k: Its training; None for shared stages.
            message: The result, for people.
        """
        self._set(name, k, state=DONE, ended=time.time(), message=message)
        self._write()

    def fail(self, message: str) -> None:
        """Record that the running stage failed, or was stopped, with the reason `message`."""
        for stage in self.stages:
            if stage.state == RUNNING:
                now = time.time()
                self._set(stage.name, stage.k, state=FAILED, ended=now, message=message)
        self._write()

    def _set(self, name: str, k: int | None, **changes: Any) -> None:
        for i, stage in enumerate(self.stages):
            if (stage.name, stage.k) == (name, k):
                self.stages[i] = replace(stage, **changes)

    def _write(self) -> None:
        self._written = time.monotonic()
        content = {"stages": [asdict(stage) for stage in self.stages], "updated": time.time()}
        # Twice a second: what is lost with it is written by the next stage.
        write_atomic(self.folder / STATE, json.dumps(content).encode(), durable=False)
