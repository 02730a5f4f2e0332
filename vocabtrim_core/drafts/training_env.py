"""The environment that trains: this one, or another interpreter named by a setting.

The app's environment can train on the CPU. A GPU environment has pins of its own, so it is only
ever a command in front of `launcher.py`: an interpreter, or what starts one
(`srun --gres=gpu:1 /opt/specforge/bin/python`, `ssh gpu-host /opt/specforge/bin/python`), with the
workspace at the same path on both sides.
"""

from __future__ import annotations

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
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import write_atomic

LAUNCHER = Path(__file__).with_name("launcher.py")
SETTING, FOUND, VARIABLE = "trainer.json", "trainer-found.json", "VOCABTRIM_TRAINER"
SPECFORGE = "0.2.0"
PROBE_SECONDS = 180
NO_MEMORY = ("out of memory", "OutOfMemoryError", "can't allocate memory", "MemoryError")
# The last two are how torch.save and safetensors put it.
NO_SPACE = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "fail at inline_container.cc",
    "(os error 28)",
)
INSTALL = f"pip install --no-deps specforge=={SPECFORGE} && pip install accelerate tensorboard"


@dataclass(frozen=True, slots=True)
class Trainer:
    """A command that starts Python where SpecForge is, and what was found there."""

    command: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()  # names of its GPUs
    memory: tuple[int, ...] = ()  # bytes of each
    flops_per_second: float = 0.0  # of a bfloat16 matrix product on its first device

    @property
    def device(self) -> str:
        return "cuda" if self.devices else "cpu"

    @property
    def resources(self) -> tuple[str, ...]:
        """What a job of it names, so that two never share a GPU or the cores."""
        return ("gpu", "train") if self.device == "cuda" else ("train",)

    def argv(self, folder: Path, settings: Mapping[str, str], *arguments: str) -> list[str]:
        """The command line of one task of the launcher, started in `folder`."""
        pairs = [f"{name}={value}" for name, value in settings.items()]
        line = [str(LAUNCHER), str(folder), *pairs, "--", *arguments]
        if Path(self.command[0]).name == "ssh":  # a shell reads it on the other side
            line = [shlex.quote(part) for part in line]
        return [*self.command, *line]


def trainer_command(asked: str | None = None) -> tuple[str, ...]:
    """The command of the trainer of this name (or, in a shell, this command itself).

    None: $VOCABTRIM_TRAINER, the workspace's setting, else this interpreter.
    """
    if asked:
        return programs.command_of(programs.TRAINER, asked)
    chosen = os.environ.get(VARIABLE)
    path = workspace.home() / SETTING
    if not chosen and path.is_file():
        chosen = json.loads(path.read_text("utf-8")).get("command")
    return programs.words(chosen) if chosen else (sys.executable,)


def add_trainer(name: str, command: str) -> Trainer:
    """Keep a command under a name once it is shown to work; pages offer it from then on."""
    found = probe(programs.words(command))
    programs.add(programs.TRAINER, name, command)
    return found


def remove_trainer(name: str) -> None:
    """Forget a name; where it was the chosen one this environment trains again."""
    if programs.remove(programs.TRAINER, name) == trainer_command():
        (workspace.home() / SETTING).unlink(missing_ok=True)


def choose_trainer(asked: str | None) -> Trainer:
    """Train with a configured one from now on, or, in a shell, with a command, which is kept.

    asked: its name, or the command; "" returns to this environment, None looks at the chosen one.
    It is chosen once it is shown to work. What was found is kept for `known_trainer`.
    """
    path = workspace.home() / SETTING
    if asked:
        command = programs.command_of(programs.TRAINER, asked)
        found = probe(command)
        if command not in programs.configured(programs.TRAINER).values():
            programs.add(programs.TRAINER, programs.name_for(asked), asked)
        write_atomic(path, json.dumps({"command": shlex.join(command)}).encode())
    else:
        if asked is not None:
            path.unlink(missing_ok=True)
        found = probe(trainer_command())
    write_atomic(workspace.home() / FOUND, json.dumps(asdict(found)).encode())
    return found


def known_trainer() -> Trainer | None:
    """The chosen trainer as the last look found it; None before the first one."""
    try:
        record = json.loads((workspace.home() / FOUND).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    lists = {name: tuple(record.pop(name)) for name in ("command", "devices", "memory")}
    found = Trainer(**lists, **record)
    return found if found.command == trainer_command() else None


def probe(command: Sequence[str] | None = None, *, device: str = "auto") -> Trainer:
    """What the environment behind the command has; InputError when it cannot train.

    device: cpu hides its GPUs; cuda insists on one.
    """
    trainer = Trainer(tuple(command or trainer_command()))
    settings = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    argv = trainer.argv(workspace.home(), settings, "probe")
    name = shlex.join(trainer.command)
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL
        )
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise InputError(
            f"The trainer {name} does not start ({type(error).__name__}); give the Python of an "
            "environment that has torch and SpecForge."
        ) from error
    missing = [n for n in ("torch", "transformers", "specforge") if n not in found["versions"]]
    if missing:
        raise InputError(f"The trainer {name} lacks {', '.join(missing)}; there, run `{INSTALL}`.")
    if device == "cuda" and not found["devices"]:
        raise InputError(f"The trainer {name} finds no GPU; use --device cpu or another trainer.")
    return Trainer(
        trainer.command,
        found["versions"],
        tuple(found["devices"]),
        tuple(found["memory"]),
        found["flops_per_second"],
    )


def settings_for(device: str, threads: int | None = None) -> dict[str, str]:
    """Environment variables of a training on this device."""
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
    # process: giving them back after every step costs more than the mathematics.
    return {
        **settings,
        "TORCHDYNAMO_DISABLE": "1",
        "OMP_NUM_THREADS": str(threads or cores()),
        "OMP_WAIT_POLICY": "PASSIVE",
        "MALLOC_MMAP_THRESHOLD_": str(2**33),
        "MALLOC_TRIM_THRESHOLD_": str(2**33),
    }


def run_tool(trainer: Trainer, folder: Path, settings: Mapping[str, str], *arguments: str) -> str:
    """Run one short task of the launcher; its stdout. InputError holds what it complained of."""
    argv = trainer.argv(folder, settings, *arguments)
    environment = {**os.environ, **settings}
    done = subprocess.run(
        argv, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
    )
    if done.returncode and out_of_space(done.stderr):
        raise InputError(disk.full_disk(folder))
    if done.returncode:
        raise InputError(f"SpecForge refuses `{arguments[0]}`: {complaint(done.stderr)}")
    return done.stdout


def out_of_space(said: str) -> bool:
    """Whether the words of a failure are those of a full disk."""
    return any(words in said for words in NO_SPACE)


def out_of_memory(said: str) -> bool:
    """Whether they are those of too little memory, of the machine or of a GPU."""
    return any(words in said for words in NO_MEMORY)


def complaint(stderr: str) -> str:
    """The last error of a traceback with the lines that belong to it, without the traceback."""
    lines = [line.removeprefix("[rank0]:").rstrip() for line in stderr.splitlines()]
    lines = [line.strip() for line in lines if line.strip()]
    starts = [i for i, line in enumerate(lines) if _is_error(line)]
    found = lines[starts[-1] :] if starts else lines[-3:]
    return " ".join(found)[:1500] or "it ended without a word."


def _is_error(line: str) -> bool:
    head = line.split(":", 1)[0].split(".")[-1]
    return (
        ":" in line and head.isidentifier() and head.endswith(("Error", "Exception", "Interrupt"))
    )
