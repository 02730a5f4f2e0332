"""Which process it was: by pid, boot and start, so that a step of the clock changes nothing.

A pid alone is reused. The start time in seconds since the epoch, as psutil gives it, moves with the
clock, because Linux counts it from a boot time that it computes from the clock.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROC = Path("/proc")
CLOCK_SECONDS = 2.0  # between two readings of one start time, where only the clock tells it
OLD_SECONDS = 86_400.0  # a scratch name whose owner cannot be told is left alone for so long


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, now or earlier.

    Attributes:
        pid: Its process id.
        began: Its start, seconds since the epoch by the clock of then.
        boot: The id of the system's boot; "" where there is none to read.
        ticks: Its start in clock ticks since that boot; None without `boot`.
    """

    pid: int
    began: float
    boot: str = ""
    ticks: int | None = None

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify a process that is there now.

        Args:
            pid: Its process id.

        Returns:
            Its identity.

        Raises:
            psutil.NoSuchProcess: There is no such process.
        """
        import psutil

        began = psutil.Process(pid).create_time()
        ticks = start_ticks(pid)
        return cls(pid, began, boot_id() if ticks is not None else "", ticks)

    def exists(self) -> bool:
        """Whether this process is there, as a zombie too; another one with its pid is not it."""
        import psutil

        if self.boot and self.ticks is not None and boot_id():
            return self.boot == boot_id() and start_ticks(self.pid) == self.ticks
        try:
            return abs(psutil.Process(self.pid).create_time() - self.began) < CLOCK_SECONDS
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def boot_id() -> str:
    """The id of the system's boot; "" where the system has none."""
    return _first_line(PROC / "sys" / "kernel" / "random" / "boot_id")


def start_ticks(pid: int) -> int | None:
    """The start of a process in clock ticks since boot; None without /proc or such a process."""
    # The name of the program is in brackets and may hold anything; fields are counted behind it.
    fields = _first_line(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[19].isdigit() else None


@functools.lru_cache(maxsize=4)
def _own(pid: int) -> str:
    ticks, host = start_ticks(pid) or 0, zlib.crc32(platform.node().encode())
    return f"{pid}-{ticks:x}-{host & 0xFFFF:04x}{zlib.crc32(boot_id().encode()) & 0xFFFF:04x}"


def owner_mark() -> str:
    """A mark of this process for names of scratch files, such as "4711-1f3a-09c2b7e4"."""
    return _own(os.getpid())


def owner_is_gone(name: str, modified: float) -> bool:
    """Whether the process that made a scratch file or folder is certainly gone.

    Args:
        name: The name of the file, with a mark of its owner or, from earlier versions, its pid.
        modified: When it was last changed, seconds since the epoch.

    Returns:
        True for an owner of this host that has ended; for any other owner, which may be on
        another host that shares the folder, only where it has not been changed for a day.
    """
    old = time.time() - modified > OLD_SECONDS
    marks = re.findall(r"\.(\d+)-([0-9a-f]+)-([0-9a-f]{4})([0-9a-f]{4})\.", name)
    if not marks:
        return old
    pid, ticks, host, boot = marks[-1]
    own_host, own_boot = owner_mark()[-8:-4], owner_mark()[-4:]
    if host != own_host or not boot_id():
        return old
    return boot != own_boot or (start_ticks(int(pid)) or 0) != int(ticks, 16)


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
