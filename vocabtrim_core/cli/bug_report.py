"""The command bug-report: what to send to the developers after an unexpected error."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vocabtrim_core import failures
from vocabtrim_core.cli.command import Command, Result, no_options

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _run(arguments: argparse.Namespace, progress: Progress) -> Result:
    return {"report": failures.last()}


COMMANDS = (
    Command(
        "bug-report",
        "print the last unexpected error with versions, without keys or your home folder",
        _run,
        no_options,
        lambda result: result["report"],
        "bug-report > report.txt",
    ),
)
