"""A job as its folder tells it: one immutable look at what is on disk and whether it lives.

    <workspace>/jobs/<id>/spec.json     what was asked: argv, title, created, resources, folder
                          process.json  which process does it: pid and when it began
                          status.json   how far it is (written by the process, see `progress`)
                          log.txt       its stderr         result.json   its stdout: one JSON object
                          cancel        present once somebody asked it to stop

A job that is active on disk without a living process is `lost`.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core.jobs import processes
from vocabtrim_core.jobs.processes import Process
from vocabtrim_core.jobs.progress import Status

ACTIVE = frozenset({"queued", "running"})
BIRTH_SECONDS = 10.0  # a job without a process after this long was never born


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its folder shows it now. Times are seconds since the epoch."""

    folder: Path
    argv: tuple[str, ...]
    title: str
    created: float
    resources: tuple[str, ...]
    state: str  # queued | running | done | failed | cancelled | lost
    done: int
    total: int | None
    message: str
    rates: Mapping[str, float]
    eta: float | None  # seconds left, None when unknown
    process: Process | None
    started: float | None
    updated: float
    stopping: bool  # asked to stop, still there

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def active(self) -> bool:
        """Whether its process lives (or waits for its turn)."""
        return self.state in ACTIVE

    @property
    def resumable(self) -> bool:
        """Whether `resume` may run it again."""
        return self.state in {"failed", "cancelled", "lost"}

    @property
    def share(self) -> float:
        """How much is done, 0..1 (0 while the total is unknown)."""
        return min(self.done / self.total, 1.0) if self.total else float(self.state == "done")

    @property
    def elapsed(self) -> float:
        """Seconds it has run, or ran."""
        if self.started is None:
            return 0.0
        return max((time.time() if self.active else self.updated) - self.started, 0.0)

    @property
    def command(self) -> str:
        """The line that does the same in a shell."""
        return shlex.join(["python", "-m", "vocabtrim_core", *self.argv])

    def result(self) -> dict[str, Any] | None:
        """What the command printed, once it has ended; None before, or when it printed nothing."""
        with suppress(OSError, ValueError):
            return json.loads((self.folder / "result.json").read_text("utf-8"))
        return None

    def log(self, lines: int = 50) -> str:
        """The last lines of its stderr."""
        with suppress(OSError), (self.folder / "log.txt").open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 256 * lines, 0))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
        return ""


def read_job(folder: Path) -> Job:
    """The job now; FileNotFoundError when the folder is none."""
    spec = json.loads((folder / "spec.json").read_text("utf-8"))
    process, asked = _process(folder), (folder / "cancel").exists()
    # First whether it lives, then what it said: a process that ends in between has said its end.
    if process:
        alive = process.lives() or (asked and bool(process.orphans()))
    else:
        alive = time.time() - folder.stat().st_mtime < BIRTH_SECONDS
    status = _status(folder)
    state, message, eta = status.state, status.message, status.eta
    if state in ACTIVE and not alive:
        state = "cancelled" if asked else "lost"
        message = "Stopped." if asked else _why_lost(folder, process)
    elif state not in ACTIVE and alive and asked:
        state = "running"  # it has said its last word, but is not gone yet
    return Job(
        folder=folder,
        argv=tuple(spec["argv"]),
        title=spec["title"],
        created=spec["created"],
        resources=tuple(spec["resources"]),
        state=state,
        done=status.done,
        total=status.total,
        message=message,
        rates=status.rates,
        eta=max(eta + status.updated - time.time(), 0.0) if eta and state in ACTIVE else None,
        process=process,
        started=status.started,
        updated=status.updated,
        stopping=asked and state in ACTIVE,
    )


def _status(folder: Path) -> Status:
    try:
        return Status.read(folder)
    except FileNotFoundError:
        return Status(updated=folder.stat().st_mtime)


def _process(folder: Path) -> Process | None:
    with suppress(FileNotFoundError):
        return Process.read(folder / "process.json")
    return None


def _why_lost(folder: Path, process: Process | None) -> str:
    code = processes.exit_code(process, folder / "process.json") if process else None
    reason = ""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        reason = f" ({name}{', often for lack of memory' if name == 'SIGKILL' else ''})"
    return f"The process ended without a result{reason}; resume continues from what it finished."
