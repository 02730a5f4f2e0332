"""What a command must not do as a job of the app: text typed into a page fills its arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

from vocabtrim_core import programs, workspace
from vocabtrim_core.errors import InputError

# What names a program has to be configured. Its arguments, and places that are trusted with code or
# secrets, come from a shell only.
NAMED = {"interpreter": programs.ENGINE, "trainer": programs.TRAINER, "use": programs.TRAINER}
SHELL_ONLY = ("add", "remove", "server_argument", "header", "cluster", "storage")
WRITTEN = ("out", "figures", "tables", "renew")  # where results go


def check(arguments: argparse.Namespace) -> None:
    """InputError where a job asks for what is a shell's alone, or writes outside the workspace.

    Its settings, the files that lie in the workspace itself, are no place for results either.
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
        if given := getattr(arguments, name, None):
            programs.command_of(kind, given)
    for name in WRITTEN:
        given = getattr(arguments, name, None)
        if isinstance(given, str | Path) and not _inside(Path(given)):
            raise InputError(
                f"A job writes into folders of the workspace only, so --{name} cannot be {given}; "
                "run the command in a shell."
            )


def _inside(path: Path) -> bool:
    root, path = workspace.home().resolve(), path.expanduser().resolve()
    if not path.is_relative_to(root) or path == root:
        return False
    settings = path.parent == root and (path.is_file() or path.suffix)
    return not settings
