"""A stand-in for a long command, run by the jobs tests: `steps N SECONDS [--file F] [--stubborn]`.

It appends a line to F per step and continues after the lines that are there, as real commands do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from vocabtrim_core.cli.command import Command
from vocabtrim_core.cli.run import run


def _arguments(parser):
    parser.add_argument("steps", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--stubborn", action="store_true", help="deaf to everything but SIGKILL")
    parser.add_argument("--child", action="store_true", help="start a process that sleeps")
    parser.add_argument("--die", type=int, help="kill itself at this step")
    parser.add_argument("--bug", action="store_true")


def _steps(arguments, progress):
    if arguments.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if arguments.child:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        arguments.file.with_suffix(".child").write_text(str(child.pid))
    if arguments.bug:
        raise RuntimeError("a bug")
    arguments.file.touch()
    first = len(arguments.file.read_text().splitlines())
    for step in range(first, arguments.steps):
        if step == arguments.die and first == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if not arguments.stubborn:
            progress(step, arguments.steps, f"step {step}", steps_per_s=1.0)
        with arguments.file.open("a") as file:
            file.write(f"{time.time()} {os.getpid()}\n")
        time.sleep(arguments.seconds)
    progress(arguments.steps, arguments.steps, "finished")
    return {"steps": arguments.steps, "first": first}


COMMAND = Command("steps", "count steps", _steps, _arguments, str)

if __name__ == "__main__":
    sys.exit(run([COMMAND]))
