"""Start, list, cancel, resume and remove jobs: commands of this program in separate processes.

A job's folder (see `job`) is the only state, so a job does not depend on the browser or the app.
Commands store finished parts: `resume` runs the same command again, and it continues from them.
"""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs import processes
from vocabtrim_core.jobs.job import PROCESS, RESULT, SPEC, Job, Spec, read_job
from vocabtrim_core.jobs.progress import Status
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import remove_scratch, write_atomic

__all__ = ["Job", "cancel", "get", "list_jobs", "remove", "resume", "start", "wait"]

# -P: a file in the caller's folder that is named like a module must not be imported.
COMMAND = (sys.executable, "-P", "-m", "vocabtrim_core")
TERM_SECONDS = 5.0  # between the request to stop and SIGTERM
KILL_SECONDS = 20.0  # between the request to stop and SIGKILL
POLL_SECONDS = 0.25


def start(argv: Sequence[str], title: str, *, resources: Sequence[str] = ()) -> Job:
    """Run `python -m vocabtrim_core ARGV --json` as a job, or return the active job that does so.

    Args:
        argv: Arguments of the command; the first is its name. Relative paths start at the current
            folder.
        title: Title of the job for people.
        resources: Names such as "gpu" or "train". Jobs that share one run one after the other (see
            `turns`).

    Returns:
        The job, queued or running.

    Raises:
        InputError: The process cannot be started, or the disk is full.
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
            write_atomic(folder / SPEC, json.dumps(spec, indent=1).encode())
            _spawn(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return get(folder.name)


def resume(job_id: str) -> Job:
    """Run the command of a failed, cancelled or lost job again, in the same folder.

    Args:
        job_id: Id of the job.

    Returns:
        The job, active again. An active job is returned as it is.

    Raises:
        InputError: There is no such job, it is done, or the process cannot be started.
    """
    with _registry():
        job = get(job_id)
        if job.active:
            return job
        if not job.resumable:
            raise InputError(f"The job {job.title!r} is {job.state}; there is nothing to resume.")
        if job.process:  # its children may still run
            job.process.signal_group(signal.SIGKILL)
        _spawn(job.folder)
    return get(job_id)


def get(job_id: str) -> Job:
    """One job by its id.

    Args:
        job_id: Name of its folder.

    Returns:
        The job as it is now.

    Raises:
        InputError: There is no such job, or its request is damaged.
    """
    # The id may come from the address of a page: it must be a job's name, not a path.
    if re.fullmatch(r"[0-9]{8}-[0-9]{6}-[a-z0-9-]+", job_id):
        with suppress(FileNotFoundError):
            return read_job(workspace.folder("jobs") / job_id)
    raise InputError(f"There is no job {job_id!r} in this workspace.")


def list_jobs() -> list[Job]:
    """All jobs that can be read, newest first."""
    folders = (spec.parent for spec in workspace.folder("jobs").glob(f"*/{SPEC}"))
    jobs = records.readable(folders, read_job)
    return sorted(jobs, key=lambda job: (-job.created, job.id))


def remove(job_id: str) -> None:
    """Delete the folder of a job that has ended. Files the job wrote elsewhere stay.

    Args:
        job_id: Id of the job.

    Raises:
        InputError: There is no such job, or it is active.
    """
    with _registry():
        job = get(job_id)
        if job.active:
            raise InputError(f"The job {job.title!r} is {job.state}; cancel it before removing it.")
        shutil.rmtree(job.folder, ignore_errors=True)


def wait(job_id: str, timeout: float) -> Job:
    """Wait until a job has ended.

    Args:
        job_id: Id of the job.
        timeout: Seconds to wait at most.

    Returns:
        The job, still active where the time ran out.

    Raises:
        InputError: There is no such job.
    """
    deadline = time.monotonic() + timeout
    while (job := get(job_id)).active and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 5)
    return job


@contextmanager
def _registry() -> Generator[Path]:
    """The folder of jobs, under a lock: one process at a time starts or removes jobs."""
    root = workspace.folder("jobs")
    with filelock.FileLock(root / ".lock"):
        yield root


@functools.cache
def _require_package() -> None:
    """Raise InputError unless a new process can import this package; checked once."""
    code = (
        "import importlib.util, sys; sys.exit(importlib.util.find_spec('vocabtrim_core') is None)"
    )
    if subprocess.run([*COMMAND[:2], "-c", code], check=False).returncode:
        raise InputError(
            f"vocabtrim-explorer is not installed for {sys.executable}, so jobs cannot start; run "
            "`make setup` in the checkout, or `pip install --editable .`."
        )


def _spawn(folder: Path) -> None:
    _require_package()
    spec = Spec.read(folder)
    for leftover in (PROCESS, "cancel"):
        with suppress(IsADirectoryError, PermissionError):  # writing it then says so
            (folder / leftover).unlink(missing_ok=True)
    remove_scratch(folder)
    Status(updated=time.time()).write(folder)
    environment = {
        **os.environ,
        processes.JOB: str(folder),
        "VOCABTRIM_HOME": str(workspace.home()),
        "PYTHONUNBUFFERED": "1",
    }
    processes.start(
        [*COMMAND, *spec.argv, "--json"],
        folder=spec.folder,
        environment=environment,
        stdout=folder / RESULT,
        stderr=folder / "log.txt",
        note=folder / PROCESS,
    )


def cancel(job_id: str) -> threading.Thread | None:
    """Stop a job: at its next report of progress, by SIGTERM after 5 s, by SIGKILL after 20 s.

    This returns at once. The job stays active, with `stopping` set, until its processes are gone.

    Args:
        job_id: Id of the job.

    Returns:
        The thread that sends the signals, for callers that wait; None where the job has ended.

    Raises:
        InputError: There is no such job.
    """
    job = get(job_id)
    if not job.active:
        return None
    (job.folder / "cancel").touch()
    thread = threading.Thread(target=_send_signals, args=(job_id,), daemon=True)
    thread.start()
    return thread


def _send_signals(job_id: str) -> None:
    began, sent, process = time.monotonic(), set(), None
    with suppress(InputError):  # the folder was removed
        # A job resumed in the meantime is another process, which must not be stopped.
        while (job := get(job_id)).stopping and process in (None, job.process):
            process = job.process
            waited = time.monotonic() - began
            for after, number in ((TERM_SECONDS, signal.SIGTERM), (KILL_SECONDS, signal.SIGKILL)):
                if process and waited >= after and number not in sent:
                    sent.add(number)
                    process.signal_group(number)
            if waited > 2 * KILL_SECONDS:
                return
            time.sleep(POLL_SECONDS)
