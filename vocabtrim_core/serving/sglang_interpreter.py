"""The Python that has SGLang: a command of the workspace, known by a name (see `programs`)."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence

from vocabtrim_core import programs
from vocabtrim_core.errors import InputError

VARIABLE = "VOCABTRIM_SGLANG"
PROBE_SECONDS = 120
VERSION = "import importlib.metadata as m; print(m.version('sglang'))"


def sglang_command(asked: str | None = None) -> tuple[str, ...]:
    """The interpreter: the engine of this name (or, in a shell, this command).

    None: $VOCABTRIM_SGLANG, else the engine that is configured, else this interpreter. InputError
    where several are and none is named.
    """
    if asked:
        return programs.command_of(programs.ENGINE, asked)
    if chosen := os.environ.get(VARIABLE):
        return programs.words(chosen)
    known = programs.configured(programs.ENGINE)
    if len(known) > 1:
        raise InputError(f"Name the engine with --interpreter: {', '.join(known)}.")
    return next(iter(known.values()), (sys.executable,))


def add_engine(name: str, command: str) -> str:
    """Keep an interpreter under a name, once it is shown to have SGLang; its version."""
    version = sglang_version(programs.words(command))
    programs.add(programs.ENGINE, name, command)
    return version


def sglang_version(command: Sequence[str]) -> str:
    """The SGLang of an interpreter. InputError when it does not start, or has none."""
    name = shlex.join(command)
    try:
        done = subprocess.run(
            [*command, "-c", VERSION],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"The interpreter {name} does not start ({type(error).__name__}); name the Python of "
            "an environment that has SGLang."
        ) from error
    if done.returncode or not done.stdout.strip():
        raise InputError(
            f"The interpreter {name} has no SGLang; name another one, or run `pip install "
            "sglang` in its environment."
        )
    return done.stdout.strip().splitlines()[-1]
