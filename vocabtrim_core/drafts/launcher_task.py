"""One task of the launcher that ends by itself: a check, an export, an evaluation."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from vocabtrim_core.drafts.child_output import lines_of
from vocabtrim_core.drafts.launcher import EVALUATED
from vocabtrim_core.drafts.training_env import Trainer, complaint, space_problem
from vocabtrim_core.errors import InputError

Watch = Callable[[int, int], object]


def run_tool(
    trainer: Trainer,
    folder: Path,
    settings: Mapping[str, str],
    *arguments: str,
    watch: Watch = lambda done, total: None,
) -> str:
    """Run one task of the launcher.

    Args:
        trainer: The environment.
        folder: The folder that the task runs in.
        settings: Environment variables of the task.
        *arguments: The task and its arguments.
        watch: Called as watch(done, total) twice a second, in conversations evaluated, (0, 0) where
            nothing was said of them; an exception that it raises, such as Cancelled, ends the task.

    Returns:
        What it printed to stdout.

    Raises:
        InputError: The task failed; the message holds its error, or names the full disk.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        child = subprocess.Popen(
            trainer.argv(folder, settings, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            env={**os.environ, **settings},
        )
        try:
            output = _follow(child, watch)
        finally:
            child.kill()
            child.wait()
        errors.seek(0)
        stderr = errors.read()
    if child.returncode and (sentence := space_problem(stderr, folder)):
        raise InputError(sentence)
    if child.returncode:
        raise InputError(f"SpecForge refuses `{arguments[0]}`: {complaint(stderr)}")
    return output


def _follow(child: subprocess.Popen[str], watch: Watch) -> str:
    """Collect what a task prints until it ends, and report how far it is."""
    output, done, total = [], 0, 0
    for line in lines_of(child):
        if line is None:
            watch(done, total)
        elif line.startswith(EVALUATED):
            done, total = map(int, line.removeprefix(EVALUATED).split())
            watch(done, total)
        else:
            output.append(line)
    return "".join(output)
