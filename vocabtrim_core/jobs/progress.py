"""Reports of progress, and requests to stop.

A command calls `progress(done, total, message, **rates)` as often as it likes. That writes a line
to stderr and, inside a job, `status.json` in the job's folder, both at a limited rate. It raises
Cancelled once the folder holds a file named `cancel` or the process got SIGTERM.
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
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic

STATUS = "status.json"
STATUS_SECONDS = 0.25  # at most four status files a second
LINE_SECONDS = 2.0  # at most one stderr line in two seconds, four a second on a terminal


@dataclass(frozen=True, slots=True)
class Status:
    """The content of `status.json`. Times are seconds since the epoch.

    Attributes:
        state: queued, running, done, failed or cancelled.
        done: Units of work done.
        total: Units of work in all, None where unknown.
        message: What the command does now, or how it ended.
        rates: Numbers the command reports, by name, such as rows_per_s.
        eta: Seconds left, counted from `updated`; None where unknown.
        started: When it first ran, None while queued.
        updated: When this status was made.
    """

    state: str = "queued"
    done: int = 0
    total: int | None = None
    message: str = ""
    rates: Mapping[str, float] = field(default_factory=dict)
    eta: float | None = None
    started: float | None = None
    updated: float = 0.0

    def write(self, folder: Path) -> None:
        """Replace the status file of a job.

        Args:
            folder: The job's folder.

        Raises:
            InputError: The file cannot be written.
        """
        # Four a second: after a power cut the job is lost anyway.
        write_atomic(folder / STATUS, json.dumps(asdict(self)).encode(), durable=False)

    @classmethod
    def read(cls, folder: Path) -> Status:
        """Read the status file of a job.

        Args:
            folder: The job's folder.

        Returns:
            The status as last written.

        Raises:
            FileNotFoundError: There is none yet.
            DamagedError: It cannot be read.
        """
        return records.read(folder / STATUS, cls)

    def line(self) -> str:
        """The status as a line of plain text."""
        if self.total:
            share = f"{self.done:,} of {self.total:,} ({self.done / self.total:.0%})"
        else:
            share = f"{self.done:,}" if self.done else ""
        rates = [rate(name, value) for name, value in self.rates.items() if value]
        eta = f"{duration(self.eta)} left" if self.eta else ""
        return ", ".join(filter(None, [self.message, share, *rates, eta]))


def rate(name: str, value: float) -> str:
    """A number that a command reports, as text.

    Args:
        name: Its name; "_per_" marks a rate.
        value: The number.

    Returns:
        '1,200 rows/s' for rows_per_s; 'regret 0.000004' for a name without "_per_".
    """
    if "_per_" in name:
        return f"{value:,.{0 if value >= 10 else 1}f} {name.replace('_per_', '/')}"
    return f"{name} {value:,.6f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """A number of seconds as text: '8 s', '3 min 20 s' or '2 h 05 min'."""
    minutes, remainder = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{remainder} s"
    if minutes < 60:
        return f"{minutes} min {remainder:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """The callable with which commands report progress. Safe to call from several threads.

    Args:
        folder: The job's folder, None outside a job.
        stream: Where lines are printed, None for nowhere.

    Attributes:
        status: The last status.
        stopped: Whether a signal to stop has arrived.
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
        """Report progress.

        Args:
            done: Units of work done.
            total: Units of work in all, None where unknown.
            message: What the command does now.
            **rates: Numbers to show, such as rows_per_s=1200.0.

        Raises:
            Cancelled: The user asked to stop.
        """
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
        """Raise Cancelled where a stop was requested.

        Raises:
            Cancelled: The job's folder holds a file named `cancel`, or SIGTERM arrived.
        """
        if self.stopped or (self.folder and (self.folder / "cancel").exists()):
            raise Cancelled("Stopped; what was finished is kept.")

    def enter(self, state: str, message: str = "") -> None:
        """Change the state and write it without delay.

        Args:
            state: queued, running, done, failed or cancelled.
            message: The message that goes with it.
        """
        with self._lock:
            now = time.time()
            started = self.status.started or (now if state == "running" else None)
            self.status = replace(
                self.status, state=state, message=message, eta=None, started=started, updated=now
            )
            self._write()

    def within(self, stage: str) -> Progress:
        """The progress of a part of this command.

        Args:
            stage: Name of the part, which every message of the part begins with.

        Returns:
            A progress whose reports are reports of this one.
        """
        return _Part(self, stage)

    def clear(self) -> None:
        """Remove the progress line from the terminal, before other output is printed there."""
        if self._terminal and self._printed > 0:
            print("\r\x1b[K", end="", file=self.stream, flush=True)

    def _eta(self, now: float, done: int, total: int | None) -> float | None:
        """Seconds left at the mean rate since the first report of this stage."""
        # A stage is a run of reports with one total and no fall in `done`. A resumed command may
        # start above 0, so time and work are counted from the first report, not from 0.
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
            # The disk is full. The command reports that where it matters. The state is written
            # over the old file, whose blocks are allocated already.
            text = json.dumps(asdict(self.status)).encode()
            with suppress(OSError), (self.folder / STATUS).open("r+b") as file:
                file.write(text)
                file.truncate()

    @property
    def _terminal(self) -> bool:
        return bool(self.stream and self.stream.isatty())

    def _print(self, line: str) -> None:
        if not self.stream:
            return
        with suppress(OSError, ValueError):  # a closed terminal must not end the command
            if self._terminal:
                print(f"\r\x1b[K{line}", end="", file=self.stream, flush=True)
            else:
                print(line, file=self.stream, flush=True)


class _Part(Progress):
    """See `Progress.within`."""

    def __init__(self, whole: Progress, stage: str) -> None:
        super().__init__(whole.folder)
        self._whole, self._stage = whole, stage

    def __call__(
        self, done: int, total: int | None = None, message: str = "", **rates: float
    ) -> None:
        self._whole(done, total, f"{self._stage}. {message}", **rates)

    def check(self) -> None:
        self._whole.check()

    def enter(self, state: str, message: str = "") -> None:
        self._whole.enter(state, f"{self._stage}. {message}")


def of_this_process() -> Progress:
    """The progress of a command: on stderr, and in the job's folder if $VOCABTRIM_JOB names one."""
    job = os.environ.get("VOCABTRIM_JOB")
    return Progress(Path(job) if job else None, sys.stderr)


@contextmanager
def stopping_on_sigterm(progress: Progress) -> Generator[None]:
    """Turn the first SIGTERM within the block into Cancelled; later ones are ignored.

    Outside the main thread this does nothing, because Python sets handlers only there.

    Args:
        progress: Its `stopped` is set when the signal arrives.

    Raises:
        Cancelled: SIGTERM arrived.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        if not progress.stopped:
            progress.stopped = True
            raise Cancelled("Stopped by a termination signal; what was finished is kept.")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
