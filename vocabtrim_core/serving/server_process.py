"""A server that is started here, watched until it is ready, and stopped with all it started."""

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
    """A port of the loopback that nobody listens at now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class ServerProcess:
    """One server. It stays in our process group, so whatever ends a job's group ends it too.

    log: everything it says.  InputError when the command cannot be started at all.
    """

    def __init__(self, argv: Sequence[str], settings: Mapping[str, str], log: Path) -> None:
        self.log, self._note = log, workspace.folder("servers") / "process.json"
        _stop_leftover(self._note)
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: IO[bytes] = log.open("wb")
        words = [*(f"{name}={value}" for name, value in settings.items()), *argv]
        self._file.write(f"$ {shlex.join(words)}\n".encode())
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
            known = asdict(Process(self._child.pid, began))
            write_atomic(self._note, json.dumps(known).encode())

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def died(self) -> bool:
        """Whether it ended; the connections of one that dies break a moment before it is gone."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(DYING_SECONDS)
        return not self.alive

    def wait(self, ready: Callable[[], bool], seconds: float, check: Callable[[], None]) -> None:
        """Until it is ready. EngineError with its last words when it ends or takes too long."""
        until = time.monotonic() + seconds
        while not ready():
            check()
            if not self.alive:
                raise EngineError(
                    f"The server ended with code {self._child.returncode}: "
                    f"{self.last_words()} Its log is {self.log}."
                )
            if time.monotonic() > until:
                raise EngineError(
                    f"The server was not ready after {seconds:g} s: "
                    f"{self.last_words()} Its log is {self.log}."
                )
            time.sleep(POLL_SECONDS)

    def last_words(self) -> str:
        """What its log ends with: the last error, or the last lines."""
        with self.log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
            said = file.read().decode("utf-8", "replace")
        if any(words in said for words in OUT_OF_MEMORY):
            return "the GPU is out of memory; lower --mem-fraction or close what else uses it."
        found = complaint("\n".join(line for line in said.splitlines() if line[:2] != "$ "))
        return f"{found[-400:].rstrip('.')}."

    def stop(self) -> None:
        """SIGTERM, 30 s to drain, then SIGKILL to it and everything it started."""
        family = _family(self._child.pid)
        if self.alive:
            self._child.terminate()
        left = _living(family, STOP_SECONDS)
        _kill(left)
        self._child.kill()
        self._child.wait()
        self._file.close()
        self._note.unlink(missing_ok=True)


def _family(pid: int) -> list[psutil.Process]:
    """A process and all it started."""
    with suppress(psutil.Error):
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    return []


def _living(family: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Who still lives after so long; zombies, which nobody may ever bury, do not."""
    until = time.monotonic() + seconds
    while True:
        left = [process for process in family if _lives(process)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(POLL_SECONDS / 5)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _kill(family: list[psutil.Process]) -> None:
    """SIGKILL, until they are gone and their GPU memory is free."""
    for process in family:
        with suppress(psutil.Error):
            process.kill()
    _living(family, KILL_SECONDS)


def _stop_leftover(note: Path) -> None:
    """A server of this workspace that outlived whoever started it still holds the GPU."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        found = Process.read(note)
        if found.lives():
            _kill(_family(found.pid))
