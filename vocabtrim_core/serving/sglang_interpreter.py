"""The Python interpreter that has SGLang, one of the workspace's engines (see `programs`)."""

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


def sglang_command(program: str | None = None) -> tuple[str, ...]:
    """The command that starts the interpreter.

    Args:
        program: Name of an engine, or in a shell a command. None for $VOCABTRIM_SGLANG, else the
            one engine that is configured, else this interpreter.

    Returns:
        The command as an argument list.

    Raises:
        InputError: Several engines are configured and none is named, or see `programs.command_of`.
    """
    if program:
        return programs.command_of(programs.ENGINE, program)
    if command := os.environ.get(VARIABLE):
        return programs.words(command)
    engines = programs.configured(programs.ENGINE)
    if len(engines) > 1:
        raise InputError(f"Name the engine with --interpreter: {', '.join(engines)}.")
    return next(iter(engines.values()), (sys.executable,))


def add_engine(name: str, command: str) -> str:
    """Store an interpreter as an engine of the workspace, after a check that it has SGLang.

    Args:
        name: Name of the engine.
        command: Command of the interpreter, as for a shell.

    Returns:
        Its version of SGLang.

    Raises:
        InputError: The interpreter does not start or has no SGLang, or the name is not valid.
    """
    version = sglang_version(programs.words(command))
    programs.add(programs.ENGINE, name, command)
    return version


def sglang_version(command: Sequence[str]) -> str:
    """The version of SGLang that an interpreter has.

    Args:
        command: Command of the interpreter as an argument list.

    Returns:
        The version.

    Raises:
        InputError: The interpreter does not start or has no SGLang.
    """
    name = shlex.join(command)
    try:
        result = subprocess.run(
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
    if result.returncode or not result.stdout.strip():
        raise InputError(
            f"The interpreter {name} has no SGLang; name another one, or run `pip install "
            "sglang` in its environment."
        )
    return result.stdout.strip().splitlines()[-1]
