"""A server process: start it, wait until it is ready, and stop it with all its children."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

import psutil

from vocabtrim_core import workspace
from vocabtrim_core.drafts.training_env import complaint
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs.processes import Process
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.workspace.files import write_atomic

STOP_SECONDS = 30.0  # SGLang's own watchdog takes up to 20 s to drain and end
DYING_SECONDS = 2.0
KILL_SECONDS = 10.0
POLL_SECONDS = 0.25
TAIL_BYTES = 20_000
OUT_OF_MEMORY = ("CUDA out of memory", "OutOfMemoryError", "Not enough memory")


def free_port() -> int:
    """A port of the loopback interface on which no process listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class ServerProcess:
    """One server. It stays in this process group, so that a signal to a job's group reaches it.

    A server of this workspace that is left from an earlier run is stopped first, because it holds
    the GPU's memory.

    Args:
        argv: The program and its arguments.
        settings: Environment variables in addition to this process's.
        log: File for its output, overwritten.

    Raises:
        InputError: The program cannot be started.
    """

    def __init__(self, argv: Sequence[str], settings: Mapping[str, str], log: Path) -> None:
        self.log, self._note = log, workspace.folder("servers") / "process.json"
        _stop_leftover(self._note)
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: IO[bytes] = log.open("wb")
        command = [*(f"{name}={value}" for name, value in settings.items()), *argv]
        self._file.write(f"$ {shlex.join(command)}\n".encode())
        self._file.flush()
        try:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self._file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **settings, "PYTHONUNBUFFERED": "1"},
            )
        except OSError as error:
            self._file.close()
            raise InputError(
                f"The interpreter {argv[0]} cannot be started ({error.strerror}); name the Python "
                "of an environment that has SGLang."
            ) from error
        with suppress(psutil.Error):
            began = psutil.Process(self._child.pid).create_time()
            process = asdict(Process(self._child.pid, began))
            write_atomic(self._note, json.dumps(process).encode())

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child.poll() is None

    def has_ended(self) -> bool:
        """Whether it has ended; waits up to 2 s, since its connections break before it ends."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(DYING_SECONDS)
        return not self.alive

    def wait(self, ready: Callable[[], bool], seconds: float, check: Callable[[], None]) -> None:
        """Wait until the server is ready.

        Args:
            ready: Whether it is ready.
            seconds: The longest time to wait.
            check: Called while waiting; raises Cancelled.

        Raises:
            EngineError: It ended, or the time ran out; with the last error of its log.
            Cancelled: From `check`.
        """
        until = time.monotonic() + seconds
        while not ready():
            check()
            if not self.alive:
                raise EngineError(
                    f"The server ended with code {self._child.returncode}: "
                    f"{self.last_error()} Its log is {self.log}."
                )
            if time.monotonic() > until:
                raise EngineError(
                    f"The server was not ready after {seconds:g} s: "
                    f"{self.last_error()} Its log is {self.log}."
                )
            time.sleep(POLL_SECONDS)

    def last_error(self) -> str:
        """The last error in its log, or the last lines, as a sentence."""
        with self.log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
            tail = file.read().decode("utf-8", "replace")
        if any(text in tail for text in OUT_OF_MEMORY):
            return "the GPU is out of memory; lower --mem-fraction or close what else uses it."
        error = complaint("\n".join(line for line in tail.splitlines() if line[:2] != "$ "))
        return f"{error[-400:].rstrip('.')}."

    def stop(self) -> None:
        """Send SIGTERM, wait up to 30 s, then send SIGKILL to it and all its children."""
        processes = _process_tree(self._child.pid)
        if self.alive:
            self._child.terminate()
        _kill(_wait_for_end(processes, STOP_SECONDS))
        self._child.kill()
        self._child.wait()
        self._file.close()
        self._note.unlink(missing_ok=True)


def _process_tree(pid: int) -> list[psutil.Process]:
    """A process and all its children."""
    with suppress(psutil.Error):
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    return []


def _wait_for_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all have ended, or for so long; those that still run (zombies do not)."""
    until = time.monotonic() + seconds
    while True:
        running = [process for process in processes if _runs(process)]
        if not running or time.monotonic() > until:
            return running
        time.sleep(POLL_SECONDS / 5)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _kill(processes: list[psutil.Process]) -> None:
    """Send SIGKILL, and wait until they are gone and their GPU memory is free."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    _wait_for_end(processes, KILL_SECONDS)


def _stop_leftover(note: Path) -> None:
    """Kill a server that still runs after the process that started it has ended."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        server = Process.read(note)
        if server.is_running():
            _kill(_process_tree(server.pid))
