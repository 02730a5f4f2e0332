"""What a child process prints, line by line, with pauses in which its parent can act."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Iterator

POLL_SECONDS = 0.5


def lines_of(child: subprocess.Popen[str]) -> Iterator[str | None]:
    """Follow a process until it has ended.

    Args:
        child: The process; its stdout is a pipe of text.

    Yields:
        The lines of its stdout; None after every POLL_SECONDS without one.
    """
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in child.stdout or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=POLL_SECONDS)
        except queue.Empty:
            yield None
            continue
        if line is None:
            child.wait()
            return
        yield line
