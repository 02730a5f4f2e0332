"""The command about the environment that trains: trainer."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli.command import Command, Result, facts

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--use",
        metavar="COMMAND",
        help="train with this Python from now on, or with a command that starts one on another "
        'host, such as "srun --gres=gpu:1 /opt/specforge/bin/python"; "" returns to this one',
    )


def _trainer(arguments: argparse.Namespace, progress: Progress) -> Result:
    import shlex

    from vocabtrim_core.drafts.trainer import choose_trainer

    progress(0, None, "Asking the trainer what it has")
    found = choose_trainer(arguments.use)
    return {
        **asdict(found),
        "command": shlex.join(found.command),
        "versions": dict(found.versions),
        "device": found.device,
        "resources": found.resources,
    }


def _text(result: Result) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return facts({**result, "packages": packages}, "command", "device", "devices", "packages",
                 "flops_per_second")  # fmt: skip


COMMANDS = (
    Command(
        "trainer",
        "say which Python trains drafts and what it has, or choose another one",
        _trainer,
        _arguments,
        _text,
        'trainer --use "ssh gpu-host /opt/specforge/bin/python"',
    ),
)
