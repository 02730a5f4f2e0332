"""Programs that this workspace may start, by name: Pythons that train, Pythons with an engine.

They are named on the command line only (`trainer --add`, `engine --add`) and kept in the workspace
as programs.json. What the app starts as a job takes a name from there; a command that is spelled
out is taken from a shell alone, so that no text field of a page, link or stored file becomes a
program.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from typing import Any

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

FILE = "programs.json"
TRAINER, ENGINE = KINDS = ("trainer", "engine")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


def as_job() -> bool:
    """Whether this process is a job, which the app started."""
    return bool(os.environ.get("VOCABTRIM_JOB"))


def configured(kind: str) -> dict[str, tuple[str, ...]]:
    """Name and command of every program of a kind, by name; InputError for a damaged file."""
    return {name: words(command) for name, command in sorted(_read()[kind].items())}


def command_of(kind: str, asked: str) -> tuple[str, ...]:
    """The command that a name stands for; in a shell also one that is spelled out.

    InputError for a name nobody configured, and for a command in a job.
    """
    known = configured(kind)
    if asked in known:
        return known[asked]
    if as_job():
        raise InputError(
            f"There is no {kind} named {asked!r}; add it in a shell with `python -m vocabtrim_core "
            f"{kind} --add NAME COMMAND`."
        )
    return words(asked)


def add(kind: str, name: str, command: str) -> None:
    """Keep a command under a name, in place of what had the name."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a {kind}; use up to 40 letters, digits, '.', '_' and '-'."
        )
    words(command)
    _write({**(found := _read()), kind: {**found[kind], name: command}})


def remove(kind: str, name: str) -> tuple[str, ...]:
    """Forget a name; returns its command."""
    command = configured(kind).get(name)
    if command is None:
        raise InputError(f"There is no {kind} named {name!r}; `{kind} --list` shows them.")
    found = _read()
    _write({**found, kind: {n: c for n, c in found[kind].items() if n != name}})
    return command


def name_for(command: str) -> str:
    """A name made of a command, for one that was given without."""
    said = re.sub(r"[^A-Za-z0-9]+", "-", command)[-33:].strip("-")
    return f"{said}-{hashlib.sha256(command.encode()).hexdigest()[:6]}".lstrip("-")


def words(command: str) -> tuple[str, ...]:
    """A command as a shell would split it; InputError for an empty one or an open quotation."""
    try:
        found = tuple(shlex.split(command))
    except ValueError as error:
        raise InputError(f"The command {command!r} cannot be read: {error}.") from error
    if not found:
        raise InputError("The command is empty; give the Python of an environment.")
    return found


def _read() -> dict[str, dict[str, str]]:
    path = workspace.home() / FILE
    try:
        found: Any = json.loads(path.read_text("utf-8"))
        made = {kind: dict(found.get(kind, {})) for kind in KINDS}
        if all(isinstance(text, str) for kind in KINDS for text in made[kind].values()):
            return made
    except FileNotFoundError:
        return {kind: {} for kind in KINDS}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    raise InputError(f"{path} is damaged; correct it, or delete it and add the programs again.")


def _write(found: dict[str, dict[str, str]]) -> None:
    text = json.dumps(found, indent=1, sort_keys=True)
    write_atomic(workspace.home() / FILE, text.encode())
