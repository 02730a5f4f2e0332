"""The class of a command, and the tables in its text."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress

Result = dict[str, Any]


def no_options(parser: argparse.ArgumentParser) -> None:
    """Declare no option.

    Args:
        parser: The parser of the command.
    """


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its texts, its options, its function, and how its result reads.

    Attributes:
        name: The word on the command line.
        help: One line, in lower case and without a full stop.
        run: Does the work; returns what `--json` prints. InputError for bad input.
        arguments: Declares the options on a parser.
        text: Turns the result into lines for people.
        example: A command line without the program, shown in the help.
        prepare: Called before `run`, where the process runs this command and nothing else.
        exit_code: The exit code by the result of a command that finds faults; 0 where None.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace, Progress], Result]
    arguments: Callable[[argparse.ArgumentParser], object]
    text: Callable[[Result], str]
    example: str = ""
    prepare: Callable[[], None] | None = None
    exit_code: Callable[[Result], int] | None = None


def table(rows: Iterable[Sequence[object]]) -> str:
    """Align rows as columns; numbers to the right, with thousands separators.

    Args:
        rows: Rows of equal length, the first one may be the header.

    Returns:
        Lines of text.
    """
    rows = [list(row) for row in rows]
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numeric = [
        any(isinstance(v, int | float) for v in column) for column in zip(*rows, strict=True)
    ]
    lines = (
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numeric, strict=True)
        )
        for line in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def named_values(result: Result, *names: str) -> str:
    """Write the named values of a result, one per line.

    Args:
        result: The result.
        *names: Keys of the result; those that are absent, None or empty are left out.

    Returns:
        Lines of text.
    """
    rows = [
        (name.replace("_", " "), result[name]) for name in names if _is_filled(result.get(name))
    ]
    return table([(f"{name}:", _cell(value)) for name, value in rows])


def attributes(value: object, *names: str) -> Result:
    """Take attributes of a value for a result.

    Args:
        value: The value.
        *names: Its attributes.

    Returns:
        Attribute name -> value.
    """
    return {name: getattr(value, name) for name in names}


def _is_filled(value: object) -> bool:
    return value is not None and value != "" and value != []


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e-3 else f"{value:,.6f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return str(value)
