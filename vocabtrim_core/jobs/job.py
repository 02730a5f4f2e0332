"""The state of a job, read from its folder and from its process.

    <workspace>/jobs/<id>/spec.json     the request: argv, title, created, resources, folder
                          process.json  its process: pid and start time
                          status.json   progress, written by the process (see `progress`)
                          log.txt       stderr
                          result.json   stdout: one JSON object
                          cancel        present once a stop was requested

A job whose status file says queued or running while its process is gone is `lost`.
"""

from __future__ import annotations

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
from vocabtrim_core.jobs.progress import STATUS, Status
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.records import DamagedError

ACTIVE = frozenset({"queued", "running"})
BIRTH_SECONDS = 10.0  # a job without a process after this time never started
SPEC, PROCESS, RESULT = "spec.json", "process.json", "result.json"


@dataclass(frozen=True, slots=True)
class Spec:
    """The request of a job: the content of spec.json, as `Job` has it.

    Attributes:
        argv: Arguments of its command.
        title: Title for people.
        created: When it was created, seconds since the epoch.
        folder: The folder where relative paths in `argv` start.
        resources: Names of the resources it needs for itself, sorted.
    """

    argv: tuple[str, ...]
    title: str
    created: float
    folder: str = "."
    resources: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Spec:
        """Read the request of a job.

        Args:
            folder: The job's folder.

        Returns:
            The request.

        Raises:
            FileNotFoundError: The folder holds no job.
            DamagedError: It cannot be read.
        """
        return records.read(folder / SPEC, cls)


@dataclass(frozen=True, slots=True)
class Job:
    """The state of a job at one moment. Times are seconds since the epoch.

    Attributes:
        folder: Its folder.
        argv: Arguments of its command.
        title: Title for people.
        created: When it was created.
        resources: Names of the resources it needs for itself, sorted (see `turns`).
        state: queued, running, done, failed, cancelled or lost.
        done: Units of work done.
        total: Units of work in all, None where unknown.
        message: The last message about its progress or its end.
        rates: Numbers it reports, by name, such as rows_per_s.
        eta: Seconds left, None where unknown.
        process: Its last process, None before there is one.
        started: When it first ran, None while queued.
        updated: When its status was last written.
        stopping: Whether a stop was requested and the processes are not gone yet.
    """

    folder: Path
    argv: tuple[str, ...]
    title: str
    created: float
    resources: tuple[str, ...]
    state: str
    done: int
    total: int | None
    message: str
    rates: Mapping[str, float]
    eta: float | None
    process: Process | None
    started: float | None
    updated: float
    stopping: bool

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ACTIVE

    @property
    def resumable(self) -> bool:
        """Whether `resume` may run it again."""
        return self.state in {"failed", "cancelled", "lost"}

    @property
    def share(self) -> float:
        """The part done, 0..1; where the total is unknown 0, and 1 once the job is done."""
        return min(self.done / self.total, 1.0) if self.total else float(self.state == "done")

    @property
    def elapsed(self) -> float:
        """Seconds of run time until now or until its end; 0 before it starts."""
        if self.started is None:
            return 0.0
        return max((time.time() if self.active else self.updated) - self.started, 0.0)

    @property
    def command(self) -> str:
        """The same command as a line for a shell."""
        return shlex.join(["python", "-m", "vocabtrim_core", *self.argv])

    def result(self) -> dict[str, Any] | None:
        """The JSON object the command printed; None before its end, or where it printed none."""
        return _result(self.folder)

    def log(self, lines: int = 50) -> str:
        """The end of its stderr.

        Args:
            lines: How many lines at most.

        Returns:
            The lines, joined by newlines; "" where there is no log.
        """
        with suppress(OSError), (self.folder / "log.txt").open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 256 * lines, 0))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
        return ""


def read_job(folder: Path) -> Job:
    """Read the state of a job.

    Args:
        folder: The job's folder.

    Returns:
        The job at this moment.

    Raises:
        FileNotFoundError: The folder holds no job.
        DamagedError: Its request cannot be read.
    """
    spec = Spec.read(folder)
    process, cancelling = _process(folder), (folder / "cancel").exists()
    # Look at the process before the status: if it ends in between, the status has its end.
    if process:
        alive = process.is_running() or (cancelling and bool(process.orphans()))
    else:
        alive = time.time() - folder.stat().st_mtime < BIRTH_SECONDS
    status = _status(folder)
    state, message, eta = status.state, status.message, status.eta
    if state in ACTIVE and not alive:
        state = "cancelled" if cancelling else "lost"
        message = "Stopped." if cancelling else _why_lost(folder, process)
    elif state not in ACTIVE and alive and cancelling:
        state = "running"  # its last status is written, but its processes are not gone yet
    return Job(
        folder=folder,
        argv=spec.argv,
        title=spec.title,
        created=spec.created,
        resources=spec.resources,
        state=state,
        done=status.done,
        total=status.total,
        message=message,
        rates=status.rates,
        eta=max(eta + status.updated - time.time(), 0.0) if eta and state in ACTIVE else None,
        process=process,
        started=status.started,
        updated=status.updated,
        stopping=cancelling and state in ACTIVE,
    )


def _status(folder: Path) -> Status:
    try:
        return Status.read(folder)
    except FileNotFoundError:
        return Status(updated=folder.stat().st_mtime)
    except DamagedError:  # the next report of progress, or resuming, writes it anew
        return _status_from_result(folder, (folder / STATUS).stat().st_mtime)


def _status_from_result(folder: Path, when: float) -> Status:
    result = _result(folder)
    if result is None:
        return Status("running", message="Its status cannot be read.", started=when, updated=when)
    failed = "error" in result
    message = str(result.get("error", ""))
    return Status("failed" if failed else "done", message=message, started=when, updated=when)


def _result(folder: Path) -> dict[str, Any] | None:
    path = folder / RESULT
    with suppress(OSError, DamagedError):
        # Empty while it runs, and where it was killed.
        return records.read(path, dict[str, Any]) if path.stat().st_size else None
    return None


def _process(folder: Path) -> Process | None:
    try:
        return Process.read(folder / PROCESS)
    except FileNotFoundError:
        return None
    except DamagedError:
        return Process.of_job(folder)


def _why_lost(folder: Path, process: Process | None) -> str:
    code = processes.exit_code(process, folder / PROCESS) if process else None
    reason = ""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        reason = f" ({name}{', often for lack of memory' if name == 'SIGKILL' else ''})"
    return f"The process ended without a result{reason}; resume continues from what it finished."
