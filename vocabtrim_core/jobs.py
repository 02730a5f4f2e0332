"""Long work in its own process: a job is a command of ours and a folder that tells its story.

    <workspace>/jobs/<id>/spec.json     what was asked: argv, title, created, resources, folder
                          process.json  which process does it: pid and when it began
                          status.json   how far it is (written by the process, see `progress`)
                          log.txt       its stderr         result.json   its stdout: one JSON object
                          cancel        present once somebody asked it to stop

The folder is the only state, so jobs outlive the browser, the app and this module. A job that is
active on disk without a living process is `lost`; commands keep what they finished, so `resume`
runs the same command again and it continues.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from vocabtrim_core import processes, workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.processes import Process
from vocabtrim_core.progress import Status

# -P: a file in the caller's folder that is named like a module must not be imported.
COMMAND = (sys.executable, "-P", "-m", "vocabtrim_core")
ACTIVE = frozenset({"queued", "running"})
TERM_SECONDS = 5.0  # between the request to stop and SIGTERM
KILL_SECONDS = 20.0  # between the request to stop and SIGKILL
BIRTH_SECONDS = 10.0  # a job without a process after this long was never born
POLL_SECONDS = 0.25


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


# --- the folder ---------------------------------------------------------------------------------


def start(argv: Sequence[str], title: str, *, resources: Sequence[str] = ()) -> Job:
    """Run `python -m vocabtrim_core ARGV --json` as a job, or return the active job that does so.

    Jobs that name the same resource ("gpu", "train") run one after the other (see `turns`).
    """
    with _registry() as root:
        for job in list_jobs():
            if job.active and job.argv == tuple(argv):
                return job
        verb = re.sub(r"[^a-z0-9]+", "-", argv[0].lower())
        folder = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{verb}-{secrets.token_hex(2)}"
        folder.mkdir(mode=0o700)
        spec = {
            "argv": list(argv),
            "title": title,
            "created": time.time(),
            "resources": sorted(set(resources)),
            "folder": str(Path.cwd()),  # relative paths in argv start here
        }
        try:
            workspace.write_atomic(folder / "spec.json", json.dumps(spec, indent=1).encode())
            _spawn(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return get(folder.name)


def resume(job_id: str) -> Job:
    """Run a failed, cancelled or lost job's command again in its folder; it continues."""
    with _registry():
        job = get(job_id)
        if job.active:
            return job
        if not job.resumable:
            raise InputError(f"The job {job.title!r} is {job.state}; there is nothing to resume.")
        if job.process:  # what a killed parent may have left behind
            job.process.signal_group(signal.SIGKILL)
        _spawn(job.folder)
    return get(job_id)


def get(job_id: str) -> Job:
    """One job by its id; InputError when there is none."""
    # The id may come from a link: it has to be a name of ours, not a path.
    if re.fullmatch(r"[0-9]{8}-[0-9]{6}-[a-z0-9-]+", job_id):
        with suppress(FileNotFoundError):
            return _read(workspace.folder("jobs") / job_id)
    raise InputError(f"There is no job {job_id!r} in this workspace.")


def list_jobs() -> list[Job]:
    """All jobs, newest first."""
    jobs = []
    for spec in workspace.folder("jobs").glob("*/spec.json"):
        with suppress(FileNotFoundError):  # removed a moment ago
            jobs.append(_read(spec.parent))
    return sorted(jobs, key=lambda job: (-job.created, job.id))


def remove(job_id: str) -> None:
    """Delete the folder of a job that has ended; what the job wrote elsewhere stays."""
    with _registry():
        job = get(job_id)
        if job.active:
            raise InputError(f"The job {job.title!r} is {job.state}; cancel it before removing it.")
        shutil.rmtree(job.folder, ignore_errors=True)


def wait(job_id: str, timeout: float) -> Job:
    """The job once it has ended, or as it is after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while (job := get(job_id)).active and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 5)
    return job


@contextmanager
def _registry() -> Iterator[Path]:
    """One starter at a time, across tabs and processes; the lock dies with its holder."""
    root = workspace.folder("jobs")
    with filelock.FileLock(root / ".lock"):
        yield root


def _read(folder: Path) -> Job:
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


def _spawn(folder: Path) -> None:
    spec = json.loads((folder / "spec.json").read_text("utf-8"))
    for leftover in ("process.json", "cancel"):
        (folder / leftover).unlink(missing_ok=True)
    Status(updated=time.time()).write(folder)
    package_parent = str(Path(__file__).resolve().parents[1])
    search = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "VOCABTRIM_JOB": str(folder),
        "VOCABTRIM_HOME": str(workspace.home()),
        "PYTHONPATH": os.pathsep.join(search),
        "PYTHONUNBUFFERED": "1",
    }
    processes.start(
        [*COMMAND, *spec["argv"], "--json"],
        folder=spec["folder"],
        environment=environment,
        stdout=folder / "result.json",
        stderr=folder / "log.txt",
        note=folder / "process.json",
    )


# --- stopping -----------------------------------------------------------------------------------


def cancel(job_id: str) -> threading.Thread | None:
    """Ask a job to stop: at its next report, by SIGTERM after 5 s, by SIGKILL after 20 s.

    Returns at once; the job stays active, `stopping`, until its processes are gone. The thread
    that presses on is returned for callers that wait; None when the job has ended already.
    """
    job = get(job_id)
    if not job.active:
        return None
    (job.folder / "cancel").touch()
    thread = threading.Thread(target=_press, args=(job_id,), daemon=True)
    thread.start()
    return thread


def _press(job_id: str) -> None:
    began, sent = time.monotonic(), set()
    with suppress(InputError):  # the folder was removed
        while (job := get(job_id)).active:
            waited = time.monotonic() - began
            for after, number in ((TERM_SECONDS, signal.SIGTERM), (KILL_SECONDS, signal.SIGKILL)):
                if job.process and waited >= after and number not in sent:
                    sent.add(number)
                    job.process.signal_group(number)
            if waited > 2 * KILL_SECONDS:
                return
            time.sleep(POLL_SECONDS)
