"""Detached processes: start one, see whether it still lives, signal it and what it started.

A process is known by its pid *and* the moment it began, because pids are used again.
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
from vocabtrim_core.workspace.files import write_atomic

CLOCK_SECONDS = 2.0  # clock corrections move the boot time that start times are counted from


@dataclass(frozen=True, slots=True)
class Process:
    """One detached process, leader of its own session and group."""

    pid: int
    began: float  # seconds since the epoch

    @classmethod
    def read(cls, path: Path) -> Process:
        """What `start` noted at `path`; FileNotFoundError when it noted nothing."""
        return cls(**json.loads(path.read_text("utf-8")))

    def lives(self) -> bool:
        """Whether this very process runs; a zombie does not, nor does a later owner of its pid."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.began) < CLOCK_SECONDS
            return same and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True

    def orphans(self) -> list[int]:
        """Living members of its group that a dead leader left behind."""
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return []  # there is no such group (of ours), which is the common case and cheap
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE:
                return []  # the leader lives, or the pid belongs to somebody else by now
        members = []
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                zombie = process.status() == psutil.STATUS_ZOMBIE
                if not zombie and os.getpgid(process.pid) == self.pid:
                    members.append(process.pid)
        return members

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the process and what it started in its group, if any of it is left."""
        if self.lives() or self.orphans():
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
    """Start `argv` in `folder`, detached; `note` gets its pid, `note`.exit its exit code.

    Its own session keeps Ctrl-C and the end of this process away from it. stdout is written
    anew, stderr appended to. The exit code is noted only while this process lives to see it.
    InputError when the system cannot start it (a folder that is gone, a full disk).
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
    process = Process(child.pid, psutil.Process(child.pid).create_time())
    try:
        write_atomic(note, json.dumps(asdict(process)).encode())
    except InputError:  # a process that nobody could find again must not run
        child.kill()
        child.wait()
        raise

    def collect() -> None:  # or the child would stay as a zombie until this process ends
        code = child.wait()
        with suppress(OSError):  # the folder may be gone
            note.with_suffix(".exit").write_text(f"{child.pid} {code}", "ascii")

    threading.Thread(target=collect, daemon=True).start()
    return process


def exit_code(process: Process, note: Path) -> int | None:
    """How it ended, when somebody saw it: its exit code, or minus the signal that ended it."""
    with suppress(OSError, ValueError):
        pid, code = note.with_suffix(".exit").read_text("ascii").split()
        if int(pid) == process.pid:
            return int(code)
    return None
