"""Checks of commands that run as jobs of the app: text of a page fills their arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

from vocabtrim_core import programs, workspace
from vocabtrim_core.errors import InputError

# Options that name a program, and its kind: a job may name configured programs only. Arguments of
# programs, and places that run code or receive secrets, are for a shell only.
NAMED = {"interpreter": programs.ENGINE, "trainer": programs.TRAINER, "use": programs.TRAINER}
SHELL_ONLY = ("add", "remove", "server_argument", "header", "cluster", "storage")
WRITTEN = ("out", "figures", "tables", "renew")  # options that name where results are written


def check(arguments: argparse.Namespace) -> None:
    """Refuse what only a shell may do: to name programs, and to write outside the workspace.

    The workspace's own settings, the files at its top, are no place for results either.

    Args:
        arguments: The parsed command line. Nothing is checked unless the process is a job.

    Raises:
        InputError: An option is for a shell only, a program is not configured, or a result would
            lie elsewhere.
    """
    if not programs.as_job():
        return
    for name in SHELL_ONLY:
        if getattr(arguments, name, None):
            raise InputError(
                f"--{name.replace('_', '-')} is taken from a shell only, never from a page; run "
                "the command there."
            )
    for name, kind in NAMED.items():
        if value := getattr(arguments, name, None):
            programs.command_of(kind, value)
    for name in WRITTEN:
        value = getattr(arguments, name, None)
        if isinstance(value, str | Path) and not _inside(Path(value)):
            raise InputError(
                f"A job writes into folders of the workspace only, so --{name} cannot be {value}; "
                "run the command in a shell."
            )


def _inside(path: Path) -> bool:
    root, path = workspace.home().resolve(), path.expanduser().resolve()
    if not path.is_relative_to(root) or path == root:
        return False
    settings = path.parent == root and (path.is_file() or path.suffix)
    return not settings
