"""Programs that this workspace may start, by name: Pythons with a trainer or an engine.

They are added on the command line only (`trainer --add`, `engine --add`) and stored in the
workspace as programs.json. A job of the app accepts only a name from there. A full command is
accepted only from a shell, so that no text of a page, link or stored file is run as a program.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic

FILE = "programs.json"
# "engine" is SGLang, the first engine that there was.
TRAINER, ENGINE, VLLM, LLAMA_CPP = KINDS = ("trainer", "engine", "vllm", "llama.cpp")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


def as_job() -> bool:
    """Whether this process is a job."""
    return bool(os.environ.get("VOCABTRIM_JOB"))


def configured(kind: str) -> dict[str, tuple[str, ...]]:
    """The programs of a kind.

    Args:
        kind: One of KINDS.

    Returns:
        Their commands as argument lists, by name in order.

    Raises:
        InputError: programs.json is damaged.
    """
    return {name: words(command) for name, command in sorted(_read()[kind].items())}


def command_of(kind: str, program: str) -> tuple[str, ...]:
    """The command of a program.

    Args:
        kind: One of KINDS.
        program: Its name; outside a job also a command, as for a shell.

    Returns:
        The command as an argument list.

    Raises:
        InputError: In a job, the name is not configured; else, the command cannot be read; or
            programs.json is damaged.
    """
    commands = configured(kind)
    if program in commands:
        return commands[program]
    if as_job():
        raise InputError(
            f"There is no {_noun(kind)} named {program!r}; add it in a shell with "
            f"`python -m vocabtrim_core {_verb(kind)} --add NAME COMMAND`."
        )
    return words(program)


def add(kind: str, name: str, command: str) -> None:
    """Store a command under a name; a command that has the name already is replaced.

    Args:
        kind: One of KINDS.
        name: Up to 40 letters, digits, ".", "_" and "-".
        command: The command, as for a shell.

    Raises:
        InputError: The name or the command is not valid, or programs.json is damaged.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a {_verb(kind)}; use up to 40 letters, digits, '.', '_' "
            "and '-'."
        )
    words(command)
    programs = _read()
    _write({**programs, kind: {**programs[kind], name: command}})


def remove(kind: str, name: str) -> tuple[str, ...]:
    """Remove a program.

    Args:
        kind: One of KINDS.
        name: Its name.

    Returns:
        Its command as an argument list.

    Raises:
        InputError: There is no such program, or programs.json is damaged.
    """
    command = configured(kind).get(name)
    if command is None:
        raise InputError(
            f"There is no {_noun(kind)} named {name!r}; `{_verb(kind)} --list` shows them."
        )
    programs = _read()
    _write({**programs, kind: {n: c for n, c in programs[kind].items() if n != name}})
    return command


def name_for(command: str) -> str:
    """A name for a command that was added without one.

    Args:
        command: The command.

    Returns:
        The end of the command and 6 digits of its SHA-256; a valid name for `add`.
    """
    label = re.sub(r"[^A-Za-z0-9]+", "-", command)[-33:].strip("-")
    return f"{label}-{hashlib.sha256(command.encode()).hexdigest()[:6]}".lstrip("-")


def words(command: str) -> tuple[str, ...]:
    """Split a command as a shell does.

    Args:
        command: The command.

    Returns:
        The argument list, not empty.

    Raises:
        InputError: The command is empty, or a quotation is not closed.
    """
    try:
        arguments = tuple(shlex.split(command))
    except ValueError as error:
        raise InputError(f"The command {command!r} cannot be read: {error}.") from error
    if not arguments:
        raise InputError("The command is empty; give the Python of an environment.")
    return arguments


def _verb(kind: str) -> str:
    """The command that adds a program of this kind."""
    return TRAINER if kind == TRAINER else ENGINE


def _noun(kind: str) -> str:
    return {VLLM: "vLLM engine", LLAMA_CPP: "llama.cpp engine"}.get(kind, kind)


def _read() -> dict[str, dict[str, str]]:
    path = workspace.home() / FILE
    try:
        content = records.read(path, dict[str, dict[str, str]])
    except FileNotFoundError:
        content = {}
    return {kind: content.get(kind, {}) for kind in KINDS}


def _write(programs: dict[str, dict[str, str]]) -> None:
    text = json.dumps(programs, indent=1, sort_keys=True)
    write_atomic(workspace.home() / FILE, text.encode())
