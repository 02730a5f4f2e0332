"""Training runs on disk, as pages and commands read them; nothing here starts anything.

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
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

SPEC, STATE, RESULT, DRAFT = "run.json", "state.json", "result.json", "draft"
PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"
STATE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a run. name: target, regenerate, capture, train, evaluate or export.

    k: of which training, None for the stages all share.  Times: seconds since the epoch.
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
        return ((self.ended or time.time()) - self.began) if self.began else 0.0


@dataclass(frozen=True, slots=True)
class TrainedDraft:
    """One k of a run. folder: of its training.  result: what came out, {} while there is none."""

    k: int
    folder: Path
    vocabulary_sha256: str
    steps: int
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def draft(self) -> Path | None:
        """The draft directory that engines load, once it is exported."""
        path = self.folder / DRAFT
        return path if (path / "config.json").is_file() else None

    def metrics(self) -> list[Metrics]:
        """What was logged so far, for live charts."""
        return metrics_.read_metrics(self.folder / metrics_.FILE)

    @property
    def best(self) -> Metrics | None:
        """The best held-out evaluation so far."""
        return metrics_.best(self.metrics())

    @property
    def tensorboard(self) -> Path:
        """The folder `tensorboard --logdir` opens."""
        return self.folder / "out" / "runs"


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A run as its folder shows it now."""

    folder: Path
    spec: Mapping[str, Any]
    stages: tuple[Stage, ...]
    drafts: tuple[TrainedDraft, ...]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def toy(self) -> bool:
        """Whether its target only demonstrates the mechanism."""
        return bool(self.spec.get("target", {}).get("toy"))

    @property
    def vocab_size(self) -> int:
        """The target's V."""
        return int(self.spec["target"]["vocab_size"])

    @property
    def finished(self) -> bool:
        return bool(self.stages) and all(stage.state == DONE for stage in self.stages)


def run_folder(name: str) -> Path:
    """Where the run of this name lies; InputError when the name is not a plain one."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}", name):
        raise InputError(
            f"A run cannot be named {name!r}; use letters, digits, dots, dashes and underscores."
        )
    return workspace.folder("runs") / name


def run_lock(name: str, timeout: float) -> filelock.FileLock:
    """What whoever trains the run of this name holds; the system frees it when they are gone."""
    return filelock.FileLock(run_folder(name) / ".lock", timeout=timeout)


def being_trained(name: str) -> bool:
    """Whether a process trains the run now, from wherever it was started."""
    if not run_folder(name).is_dir():
        return False
    try:
        with run_lock(name, 0):
            return False
    except filelock.Timeout:
        return True


def read_run(name: str) -> TrainingRun:
    """One run; InputError when there is none of this name."""
    folder = run_folder(name)
    try:
        spec = json.loads((folder / SPEC).read_text("utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise InputError(f"There is no training run {name!r} in this workspace.") from error
    drafts = []
    for k, known in sorted(spec["vocabularies"].items(), key=lambda item: -int(item[0])):
        home, result = folder / f"k-{k}", {}
        with suppress(FileNotFoundError, ValueError):
            result = json.loads((home / RESULT).read_text("utf-8"))
        drafts.append(TrainedDraft(int(k), home, known["sha256"], known["steps"], result))
    return TrainingRun(folder, spec, read_stages(folder), tuple(drafts))


def list_runs() -> list[TrainingRun]:
    """All runs, newest first."""
    specs = sorted(workspace.folder("runs").glob(f"*/{SPEC}"), key=lambda p: -p.stat().st_mtime)
    return [read_run(path.parent.name) for path in specs]


def list_drafts() -> list[TrainedDraft]:
    """Every exported draft of every run, newest run first."""
    return [draft for run in list_runs() for draft in run.drafts if draft.draft]


def read_stages(folder: Path) -> tuple[Stage, ...]:
    """The stages of a run as last written."""
    try:
        found = json.loads((folder / STATE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return ()
    return tuple(Stage(**stage) for stage in found["stages"])


class StageLog:
    """Writes state.json while a run goes on; one stage runs at a time, finished ones stay so."""

    def __init__(self, folder: Path, stages: list[Stage]) -> None:
        before = {(s.name, s.k): s for s in read_stages(folder) if s.state == DONE}
        self.folder = folder
        self.stages = [before.get((stage.name, stage.k), stage) for stage in stages]
        self._written = 0.0
        self._write()

    def enter(self, name: str, k: int | None = None) -> None:
        """A stage begins."""
        self._set(name, k, state=RUNNING, began=time.time(), ended=None, message="")
        self._write()

    def tell(self, name: str, k: int | None, done: int, total: int | None, message: str) -> None:
        """How far it is; written at most twice a second."""
        self._set(name, k, done=done, total=total, message=message)
        if time.monotonic() - self._written >= STATE_SECONDS:
            self._write()

    def leave(self, name: str, k: int | None = None, message: str = "") -> None:
        """A stage is done."""
        self._set(name, k, state=DONE, ended=time.time(), message=message)
        self._write()

    def fail(self, message: str) -> None:
        """Whatever runs has failed, or was stopped."""
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
        write_atomic(self.folder / STATE, json.dumps(content).encode())
