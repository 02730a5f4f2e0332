"""Run one server so that nothing of it outlives the process that started it.

python guard.py GRACE PROGRAM ARGUMENT...

The server gets a process group of its own. It is ended, with every process of its group and every
descendant, when the standard input of this script closes: whoever holds the other end ended, by
itself or by SIGKILL. SIGTERM comes first, SIGKILL after GRACE seconds; engines such as SGLang leave
workers behind that ignore the first. This script is in a session of its own as well, and exits with
the code of the server. It imports nothing of this package, so that it starts at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

POLL_SECONDS = 0.05
SCAN_SECONDS = 2.0  # seldom: a scan reads every process, beside a server that is timed
KILL_SECONDS = 10.0
NOT_STARTED = 127


def main() -> int:
    """Run the server to its end, or to that of standard input.

    Returns:
        The server's exit code, 127 where it cannot be started.
    """
    grace, *argv = sys.argv[1:]
    try:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"OSError: {argv[0]} cannot be started ({error.strerror}).", flush=True)
        return NOT_STARTED
    asked_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.set())

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        asked_to_end.set()

    def wait() -> None:
        child.wait()
        asked_to_end.set()

    for work in (watch, wait):
        threading.Thread(target=work, daemon=True).start()
    seen: dict[int, psutil.Process] = {}
    while not asked_to_end.wait(SCAN_SECONDS):
        _descendants(child.pid, seen)  # so that those that leave the group are known
    _descendants(child.pid, seen)
    _end(child, seen.values(), float(grace))
    return child.wait()


def _descendants(pid: int, seen: dict[int, psutil.Process]) -> None:
    with suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            seen.setdefault(process.pid, process)


def _end(child: subprocess.Popen[bytes], others: Iterable[psutil.Process], grace: float) -> None:
    """SIGTERM to all that are left, SIGKILL to those that stay."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_SECONDS)):
        with suppress(OSError):
            os.killpg(child.pid, number)
        for process in others:
            with suppress(psutil.Error):
                process.send_signal(number)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            child.poll()
            if not _members(child.pid) and not any(map(_runs, others)):
                return
            time.sleep(POLL_SECONDS)


def _members(group: int) -> list[psutil.Process]:
    """Running members of a process group."""
    try:
        os.killpg(group, 0)
    except OSError:
        return []
    members = []
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if os.getpgid(process.pid) == group and _runs(process):
                members.append(process)
    return members


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


if __name__ == "__main__":
    sys.exit(main())
