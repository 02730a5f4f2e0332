"""The Python that has SGLang: a command the user names, kept as a setting of the workspace."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError

SETTING, VARIABLE = "sglang.json", "VOCABTRIM_SGLANG"
PROBE_SECONDS = 120
VERSION = "import importlib.metadata as m; print(m.version('sglang'))"


def sglang_command() -> tuple[str, ...]:
    """The chosen interpreter: $VOCABTRIM_SGLANG, the workspace's setting, else this one."""
    chosen = os.environ.get(VARIABLE)
    path = workspace.home() / SETTING
    if not chosen and path.is_file():
        chosen = json.loads(path.read_text("utf-8")).get("command")
    return tuple(shlex.split(chosen)) if chosen else (sys.executable,)


def choose_sglang(command: str) -> str:
    """Keep an interpreter as the workspace's, once it is shown to have SGLang; its version.

    "" forgets it.
    """
    path = workspace.home() / SETTING
    if not command:
        path.unlink(missing_ok=True)
        return ""
    version = sglang_version(shlex.split(command))
    workspace.write_atomic(path, json.dumps({"command": command}).encode())
    return version


def sglang_version(command: Sequence[str]) -> str:
    """The SGLang of an interpreter. InputError when it does not start, or has none."""
    name = shlex.join(command)
    try:
        done = subprocess.run(
            [*command, "-c", VERSION], capture_output=True, text=True, timeout=PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"The interpreter {name} does not start ({type(error).__name__}); name the Python of "
            "an environment that has SGLang."
        ) from error
    if done.returncode or not done.stdout.strip():
        raise InputError(
            f"The interpreter {name} has no SGLang; name another one with --interpreter, or run "
            "`pip install sglang` in its environment."
        )
    return done.stdout.strip().splitlines()[-1]
