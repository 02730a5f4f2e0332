"""What a command is, and the small things commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its texts, its arguments, what it does, and how its result reads.

    run returns what `--json` prints; text turns that into the lines people read.  prepare: called
    before it, where the process runs this command and nothing else.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace, Progress], Result]
    arguments: Callable[[argparse.ArgumentParser], object]
    text: Callable[[Result], str]
    example: str = ""
    prepare: Callable[[], None] | None = None


def table(rows: Iterable[Sequence[object]]) -> str:
    """Rows as aligned columns; numbers to the right, with thousands separators."""
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


def facts(result: Result, *names: str) -> str:
    """The named values of a result, one per line, those that are there."""
    rows = [(name.replace("_", " "), result[name]) for name in names if _said(result.get(name))]
    return table([(f"{name}:", _cell(value)) for name, value in rows])


def _said(value: object) -> bool:
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
