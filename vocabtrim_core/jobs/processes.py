"""Detached processes: start one, check whether it is alive, signal it and its children.

A process is identified by its pid and its start, because the system reuses pids (see
`process_identity`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from vocabtrim_core.errors import InputError
from vocabtrim_core.process_identity import ProcessIdentity
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic

JOB = "VOCABTRIM_JOB"  # environment variable of a job's process: the job's folder


@dataclass(frozen=True, slots=True)
class Process(ProcessIdentity):
    """One detached process, leader of its own session and process group, whose id is its pid."""

    @classmethod
    def read(cls, path: Path) -> Process:
        """Read the file that `start` wrote.

        Args:
            path: The `note` given to `start`.

        Returns:
            The process, alive or not.

        Raises:
            FileNotFoundError: There is no such file.
            DamagedError: It cannot be read.
        """
        return records.read(path, cls)

    @classmethod
    def of_job(cls, folder: Path) -> Process | None:
        """Find the process of a job by its environment, where its note is lost.

        Args:
            folder: The job's folder.

        Returns:
            The leader of its group; None where none runs.
        """
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                named = process.environ().get(JOB) == str(folder)
                if named and os.getpgid(process.pid) == process.pid:
                    return cls.of(process.pid)
        return None

    def is_running(self) -> bool:
        """Whether this process runs. A zombie does not; another process with the pid is not it."""
        try:
            return self.exists() and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True

    def orphans(self) -> list[int]:
        """Pids of running members of its group, where the leader has ended; else empty."""
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return []  # there is no such group, or it belongs to another user
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE:
                return []  # the leader runs, or another process has the pid by now
        members = []
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                zombie = process.status() == psutil.STATUS_ZOMBIE
                if not zombie and os.getpgid(process.pid) == self.pid:
                    members.append(process.pid)
        return members

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to every process of the group, where any is left.

        Args:
            number: The signal.
        """
        if self.is_running() or self.orphans():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


def start(
    argv: Sequence[str],
    *,
    folder: str | Path,
    environment: Mapping[str, str],
    stdout: Path,
    stderr: Path,
    note: Path,
) -> Process:
    """Start a process in a session of its own, so that Ctrl-C or the end of this one spares it.

    Args:
        argv: The program and its arguments.
        folder: Its working folder.
        environment: Its environment variables.
        stdout: File for its standard output, overwritten.
        stderr: File for its standard error, appended to.
        note: File for its pid and start time (see `Process.read`). The same name with the suffix
            .exit gets the exit code, if this process is still there when the new one ends.

    Returns:
        The process.

    Raises:
        InputError: It cannot be started, or `note` cannot be written.
    """
    note.with_suffix(".exit").unlink(missing_ok=True)
    try:
        with stdout.open("wb") as out, stderr.open("ab") as log:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        raise InputError(f"The process cannot be started ({reason}).") from error
    process = Process.of(child.pid)
    try:
        write_atomic(note, json.dumps(asdict(process)).encode())
    except InputError:  # without its note nobody could find the process again
        child.kill()
        child.wait()
        raise

    def collect() -> None:  # otherwise the child stays a zombie until this process ends
        code = child.wait()
        with suppress(OSError):  # the folder may be gone
            note.with_suffix(".exit").write_text(f"{child.pid} {code}", "ascii")

    threading.Thread(target=collect, daemon=True).start()
    return process


def exit_code(process: Process, note: Path) -> int | None:
    """The exit code that `start` recorded.

    Args:
        process: The process.
        note: The `note` given to `start`.

    Returns:
        The exit code, negative for the number of the signal that ended it; None where it was not
        recorded.
    """
    with suppress(OSError, ValueError):
        pid, code = note.with_suffix(".exit").read_text("ascii").split()
        if int(pid) == process.pid:
            return int(code)
    return None
