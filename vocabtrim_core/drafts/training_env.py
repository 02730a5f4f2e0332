"""The environment that trains: this one, or another interpreter named by a setting.

The app's environment can train on the CPU. A GPU environment has pins of its own, so it is always
used through a command before `launcher.py`: an interpreter, or what starts one (`srun --gres=gpu:1
/opt/specforge/bin/python`, `ssh gpu-host /opt/specforge/bin/python`), with the workspace at the
same path on both sides.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vocabtrim_core import programs, workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.machine import cores
from vocabtrim_core.workspace import disk, records
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.records import DamagedError

LAUNCHER = Path(__file__).with_name("launcher.py")
SETTING, FOUND, VARIABLE = "trainer.json", "trainer-found.json", "VOCABTRIM_TRAINER"
SPECFORGE = "0.2.0"
PROBE_SECONDS = 180
NO_MEMORY = ("out of memory", "OutOfMemoryError", "can't allocate memory", "MemoryError")
# The last ones are in the errors of safetensors and torch.save.
NO_SPACE = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "(os error 122)": errno.EDQUOT,
    "(os error 27)": errno.EFBIG,
    "(os error 28)": errno.ENOSPC,
    "fail at inline_container.cc": errno.ENOSPC,
}
INSTALL = f"pip install --no-deps specforge=={SPECFORGE} && pip install accelerate tensorboard"


@dataclass(frozen=True, slots=True)
class Trainer:
    """A command that starts Python in an environment with SpecForge, and what `probe` found there.

    Attributes:
        command: The command, without the script.
        versions: Package -> version.
        devices: Names of its GPUs.
        memory: Bytes of each GPU.
        flops_per_second: Speed of a bfloat16 matrix product on its first device.
    """

    command: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    memory: tuple[int, ...] = ()
    flops_per_second: float = 0.0

    @property
    def device(self) -> str:
        """ "cuda" if it has a GPU, else "cpu"."""
        return "cuda" if self.devices else "cpu"

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources of a training job, so that two jobs never share a GPU or the cores."""
        return ("gpu", "train") if self.device == "cuda" else ("train",)

    def argv(self, folder: Path, settings: Mapping[str, str], *arguments: str) -> list[str]:
        """Build the command line of one task of the launcher.

        Args:
            folder: The folder that the task runs in.
            settings: Environment variables of the task.
            *arguments: The task and its arguments.

        Returns:
            The command line, quoted for the remote shell where the command is ssh.
        """
        pairs = [f"{name}={value}" for name, value in settings.items()]
        line = [str(LAUNCHER), str(folder), *pairs, "--", *arguments]
        if Path(self.command[0]).name == "ssh":  # the remote shell parses it
            line = [shlex.quote(part) for part in line]
        return [*self.command, *line]


def trainer_command(name: str | None = None) -> tuple[str, ...]:
    """Return the command of a trainer.

    Args:
        name: Its configured name, or, in a shell, a command. None for $VOCABTRIM_TRAINER, else the
            workspace's setting, else this interpreter.

    Returns:
        The words of the command.

    Raises:
        InputError: The name is unknown, the command is not allowed, or the setting is damaged.
    """
    if name:
        return programs.command_of(programs.TRAINER, name)
    chosen = os.environ.get(VARIABLE)
    path = workspace.home() / SETTING
    if not chosen and path.is_file():
        chosen = records.read(path, dict[str, str]).get("command")
    return programs.words(chosen) if chosen else (sys.executable,)


def add_trainer(name: str, command: str) -> Trainer:
    """Store a command under a name, once it has been shown to work; pages offer it from then on.

    Args:
        name: The name.
        command: The command, as one text.

    Returns:
        What was found behind it.

    Raises:
        InputError: The command cannot train, or the name cannot be used.
    """
    trainer = probe(programs.words(command))
    programs.add(programs.TRAINER, name, command)
    return trainer


def remove_trainer(name: str) -> None:
    """Remove a configured trainer; if it was the chosen one, this environment trains again.

    Args:
        name: Its name.

    Raises:
        InputError: There is no such name.
    """
    if programs.remove(programs.TRAINER, name) == trainer_command():
        (workspace.home() / SETTING).unlink(missing_ok=True)


def choose_trainer(name: str | None) -> Trainer:
    """Choose the trainer of this workspace, once it has been shown to work.

    Args:
        name: Its configured name, or, in a shell, a command, which is stored too. "" for this
            environment; None to probe the chosen one again.

    Returns:
        What was found behind the command; it is stored for `known_trainer`.

    Raises:
        InputError: The name is unknown, or the command cannot train.
    """
    path = workspace.home() / SETTING
    if name:
        command = programs.command_of(programs.TRAINER, name)
        trainer = probe(command)
        if command not in programs.configured(programs.TRAINER).values():
            programs.add(programs.TRAINER, programs.name_for(name), name)
        write_atomic(path, json.dumps({"command": shlex.join(command)}).encode())
    else:
        if name is not None:
            path.unlink(missing_ok=True)
        trainer = probe(trainer_command())
    write_atomic(workspace.home() / FOUND, json.dumps(asdict(trainer)).encode())
    return trainer


def known_trainer() -> Trainer | None:
    """Return the chosen trainer as the last probe found it; None before the first one."""
    try:
        trainer = records.read(workspace.home() / FOUND, Trainer)
    except (FileNotFoundError, DamagedError):
        return None
    return trainer if trainer.command == trainer_command() else None


def probe(command: Sequence[str] | None = None, *, device: str = "auto") -> Trainer:
    """Run the launcher in an environment to see what it has.

    Args:
        command: The command; None for the chosen one.
        device: "cpu" hides its GPUs, "cuda" requires one, "auto" takes what is there.

    Returns:
        The trainer with its versions and devices.

    Raises:
        InputError: The command does not start, lacks a package, or has no GPU where one is
            required.
    """
    trainer = Trainer(tuple(command or trainer_command()))
    settings = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    argv = trainer.argv(workspace.home(), settings, "probe")
    name = shlex.join(trainer.command)
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL
        )
        report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        report["versions"]  # else it is the report of something else
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"The trainer {name} does not start ({type(error).__name__}); give the Python of an "
            "environment that has torch and SpecForge."
        ) from error
    missing = [
        package
        for package in ("torch", "transformers", "specforge")
        if package not in report["versions"]
    ]
    if missing:
        raise InputError(f"The trainer {name} lacks {', '.join(missing)}; there, run `{INSTALL}`.")
    if device == "cuda" and not report["devices"]:
        raise InputError(f"The trainer {name} finds no GPU; use --device cpu or another trainer.")
    return Trainer(
        trainer.command,
        report["versions"],
        tuple(report["devices"]),
        tuple(report["memory"]),
        report["flops_per_second"],
    )


def settings_for(device: str, threads: int | None = None) -> dict[str, str]:
    """Return the environment variables of a training.

    Args:
        device: "cpu" or "cuda".
        threads: CPU threads; None for all cores.

    Returns:
        Name -> value.
    """
    settings = {
        "SPECFORGE_DEVICE": device,
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "0",
        "HF_HUB_OFFLINE": "1",
        "TQDM_DISABLE": "1",
    }
    if device == "cuda":
        return {**settings, "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    # torch.compile needs a C++ compiler and pays off only on a GPU. Large blocks stay with the
    # process: returning them to the system after every step takes longer than the arithmetic.
    return {
        **settings,
        "TORCHDYNAMO_DISABLE": "1",
        "OMP_NUM_THREADS": str(threads or cores()),
        "OMP_WAIT_POLICY": "PASSIVE",
        "MALLOC_MMAP_THRESHOLD_": str(2**33),
        "MALLOC_TRIM_THRESHOLD_": str(2**33),
    }


def space_problem(output: str, folder: Path) -> str | None:
    """Find what the output of a failed process tells of a full disk, a quota or a limit.

    Args:
        output: The output.
        folder: The folder it wrote to.

    Returns:
        The sentence; None where it tells of none.
    """
    for words, number in NO_SPACE.items():
        if words in output:
            return disk.refusal(OSError(number, os.strerror(number)), folder / "file")
    return None


def out_of_memory(output: str) -> bool:
    """Return whether the `output` of a failed process tells of too little memory."""
    return any(pattern in output for pattern in NO_MEMORY)


def complaint(stderr: str) -> str:
    """Extract the last error of a failed process from its stderr.

    Args:
        stderr: What it wrote, with a traceback or without.

    Returns:
        The error with the lines that belong to it, at most 1,500 characters, in one line.
    """
    lines = [line.removeprefix("[rank0]:").rstrip() for line in stderr.splitlines()]
    lines = [line.strip() for line in lines if line.strip()]
    starts = [i for i, line in enumerate(lines) if _is_error(line)]
    error_lines = lines[starts[-1] :] if starts else lines[-3:]
    return " ".join(error_lines)[:1500] or "it ended without a word."


def _is_error(line: str) -> bool:
    head = line.split(":", 1)[0].split(".")[-1]
    return (
        ":" in line and head.isidentifier() and head.endswith(("Error", "Exception", "Interrupt"))
    )
