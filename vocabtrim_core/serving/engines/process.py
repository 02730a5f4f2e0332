"""A server process: start it, wait until it is ready, and stop it with all its children."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from vocabtrim_core.drafts.training_env import complaint
from vocabtrim_core.errors import InputError
from vocabtrim_core.server_addresses import OPENAI_KEY
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.engines import guard
from vocabtrim_core.serving.engines.recognition import KNOWN

GRACE_SECONDS = 30.0  # SGLang's own watchdog takes up to 20 s to drain and end
DYING_SECONDS = 2.0
POLL_SECONDS = 0.25
TAIL_BYTES = 20_000
OUT_OF_MEMORY = ("CUDA out of memory", "OutOfMemoryError", "Not enough memory")


def _environment() -> dict[str, str]:
    """This environment without keys, which engines would take as those that they must ask for."""
    keys = {OPENAI_KEY, *(engine.key for engine in KNOWN.values())}
    return {name: value for name, value in os.environ.items() if name not in keys}


def free_port() -> int:
    """A port of the loopback interface on which no process listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class ServerProcess:
    """One server, in a process group of its own that ends with this process (see `guard`).

    Args:
        argv: The program and its arguments.
        settings: Environment variables in addition to this process's.
        log: File for its output, overwritten.

    Raises:
        InputError: The program cannot be started.
    """

    def __init__(self, argv: Sequence[str], settings: Mapping[str, str], log: Path) -> None:
        if shutil.which(argv[0]) is None:
            raise InputError(
                f"The program {argv[0]} cannot be started: there is none at this path; name "
                "another one with --interpreter, or add it with `engine --add`."
            )
        self.log = log
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: IO[bytes] = log.open("wb")
        command = [*(f"{name}={value}" for name, value in settings.items()), *argv]
        self._file.write(f"$ {shlex.join(command)}\n".encode())
        self._file.flush()
        self._guard = subprocess.Popen(
            [sys.executable, "-P", guard.__file__, f"{GRACE_SECONDS:g}", *argv],
            stdin=subprocess.PIPE,  # its end, at the end of this process, ends the server
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env={**_environment(), **settings, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._guard.poll() is None

    @property
    def pids(self) -> list[int]:
        """The guard, the server and its descendants; empty once they have ended."""
        return [self._guard.pid, *(p.pid for p in self._processes())] if self.alive else []

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return psutil.Process(self._guard.pid).children(recursive=True)
        return []

    def listens(self, port: int) -> bool:
        """Whether it is this server that accepts connections at a port.

        Args:
            port: The port.

        Returns:
            Whether the server or one of its descendants listens there.
        """
        for process in self._processes():
            with suppress(psutil.Error):
                for c in process.net_connections("tcp"):
                    if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port:
                        return True
        return False

    def cpu_seconds(self) -> float:
        """CPU seconds, user and system, of the server and its running descendants so far."""
        seconds = 0.0
        for process in self._processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                seconds += times.user + times.system
        return seconds

    def has_ended(self) -> bool:
        """Whether it has ended; waits up to 2 s, since its connections break before it ends."""
        with suppress(subprocess.TimeoutExpired):
            self._guard.wait(DYING_SECONDS)
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
                    f"The server ended with code {self._guard.returncode}: "
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
        assert self._guard.stdin is not None
        with suppress(OSError):
            self._guard.stdin.close()
        try:
            self._guard.wait(GRACE_SECONDS + 2 * guard.KILL_SECONDS)
        except subprocess.TimeoutExpired:
            for process in self._processes():
                with suppress(psutil.Error):
                    process.kill()
            self._guard.kill()
            self._guard.wait()
        self._file.close()
