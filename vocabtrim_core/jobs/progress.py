"""How long work tells where it is, and hears that it should stop.

A command calls `progress(done, total, message, **rates)` as often as it likes. That writes a
throttled line to stderr and, inside a job, `status.json` in the job's folder; it raises Cancelled
once the folder holds a file named `cancel` or the process got SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TextIO

from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.workspace.files import write_atomic

STATUS_SECONDS = 0.25  # at most four status files a second
LINE_SECONDS = 2.0  # at most one stderr line in two seconds, four a second on a terminal


@dataclass(frozen=True, slots=True)
class Status:
    """What `status.json` says. Times are seconds since the epoch, `eta` seconds from `updated`."""

    state: str = "queued"  # queued | running | done | failed | cancelled
    done: int = 0
    total: int | None = None
    message: str = ""
    rates: Mapping[str, float] = field(default_factory=dict)
    eta: float | None = None
    started: float | None = None
    updated: float = 0.0

    def write(self, folder: Path) -> None:
        """Replace the job's status file."""
        write_atomic(folder / "status.json", json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, folder: Path) -> Status:
        """The job's status as last written; FileNotFoundError when there is none yet."""
        return cls(**json.loads((folder / "status.json").read_text("utf-8")))

    def line(self) -> str:
        """The status as a line of plain text."""
        if self.total:
            share = f"{self.done:,} of {self.total:,} ({self.done / self.total:.0%})"
        else:
            share = f"{self.done:,}" if self.done else ""
        rates = [rate(name, value) for name, value in self.rates.items() if value]
        left = [f"{duration(self.eta)} left"] if self.eta else []
        return ", ".join(filter(None, [self.message, share, *rates, *left]))


def rate(name: str, value: float) -> str:
    """A number a command reports: '1,200 rows/s' for rows_per_s, else 'regret 0.000004'."""
    if "_per_" in name:
        return f"{value:,.{0 if value >= 10 else 1}f} {name.replace('_per_', '/')}"
    return f"{name} {value:,.6f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """'8 s', '3 min 20 s', '2 h 05 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """The callable that commands get. Safe to call from several threads.

    folder: the job's folder, None outside a job.  stream: where lines go, None for nowhere.
    """

    def __init__(self, folder: Path | None = None, stream: TextIO | None = None) -> None:
        self.folder, self.stream = folder, stream
        self.status = Status()
        self.stopped = False
        self._lock = threading.Lock()
        self._written = self._printed = float("-inf")
        self._anchor: tuple[float, int, int | None] | None = None  # monotonic time, done, total

    def __call__(
        self, done: int, total: int | None = None, message: str = "", **rates: float
    ) -> None:
        """Report `done` of `total` (None: unknown) and any rates, such as rows_per_s=1200.0."""
        self.check()
        with self._lock:
            now = time.monotonic()
            status = replace(
                self.status, state="running", done=done, total=total, message=message, rates=rates
            )
            self.status = replace(status, eta=self._eta(now, done, total), updated=time.time())
            if now - self._written >= STATUS_SECONDS:
                self._written = now
                self._write()
            if now - self._printed >= (STATUS_SECONDS if self._terminal else LINE_SECONDS):
                self._printed = now
                self._print(self.status.line())

    def check(self) -> None:
        """Raise Cancelled when the user asked to stop."""
        if self.stopped or (self.folder and (self.folder / "cancel").exists()):
            raise Cancelled("Stopped; what was finished is kept.")

    def enter(self, state: str, message: str = "") -> None:
        """Write a state at once: queued, running, or one of the ends."""
        with self._lock:
            now = time.time()
            started = self.status.started or (now if state == "running" else None)
            self.status = replace(
                self.status, state=state, message=message, eta=None, started=started, updated=now
            )
            self._write()

    def clear(self) -> None:
        """Take the progress line off the terminal, before anything else is printed there."""
        if self._terminal and self._printed > 0:
            print("\r\x1b[K", end="", file=self.stream, flush=True)

    def _eta(self, now: float, done: int, total: int | None) -> float | None:
        """Seconds left at the mean rate since this stage (a total, counted upwards) began.

        The stage's first report is the zero: a resumed command starts above nothing done.
        """
        anchor = self._anchor
        if anchor is None or anchor[2] != total or done < anchor[1]:
            self._anchor = (now, done, total)
            return None
        if total is None or done <= anchor[1] or now <= anchor[0]:
            return None
        return max(total - done, 0) * (now - anchor[0]) / (done - anchor[1])

    def _write(self) -> None:
        if not self.folder:
            return
        try:
            self.status.write(self.folder)
        except InputError:
            # The disk is full. Work reports that itself where it matters; the state still has to
            # reach the reader, so it goes over the old file, whose blocks are ours already.
            text = json.dumps(asdict(self.status)).encode()
            with suppress(OSError), (self.folder / "status.json").open("r+b") as file:
                file.write(text)
                file.truncate()

    @property
    def _terminal(self) -> bool:
        return bool(self.stream and self.stream.isatty())

    def _print(self, line: str) -> None:
        if not self.stream:
            return
        with suppress(OSError, ValueError):  # a closed terminal must not end the work
            if self._terminal:
                print(f"\r\x1b[K{line}", end="", file=self.stream, flush=True)
            else:
                print(line, file=self.stream, flush=True)


def of_this_process() -> Progress:
    """The progress of a command: on stderr, and in the job's folder if $VOCABTRIM_JOB names one."""
    job = os.environ.get("VOCABTRIM_JOB")
    return Progress(Path(job) if job else None, sys.stderr)


@contextmanager
def stopping_on_sigterm(progress: Progress) -> Generator[None]:
    """Within the block the first SIGTERM raises Cancelled; later ones leave the clean-up alone."""

    def stop(signum: int, frame: FrameType | None) -> None:
        if not progress.stopped:
            progress.stopped = True
            raise Cancelled("Stopped by a termination signal; what was finished is kept.")

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; `check` still sees the cancel file
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
