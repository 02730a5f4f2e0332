"""The command line: `python -m vocabtrim_core COMMAND … [--json]`.

One table of commands, each in the file of its subject. With --json stdout holds exactly one JSON
object ({"error": sentence} when it fails) and progress goes to stderr; without, stdout holds text
for people. Exit codes: 0 done, 1 a bug of ours, 2 bad input (one sentence on stderr), 130 stopped.
"""

from __future__ import annotations

from vocabtrim_core.cli import (
    app,
    benchmarking,
    choice,
    comparing,
    corpora,
    counting,
    coverage,
    environments,
    exporting,
    forecasting,
    handover,
    importing,
    jobs,
    measurements,
    probing,
    selecting,
    slicing,
    spans,
    stability,
    targets,
    training,
    tuning,
)
from vocabtrim_core.cli.command import Command
from vocabtrim_core.cli.run import run

COMMANDS: tuple[Command, ...] = (
    *counting.COMMANDS,
    *spans.COMMANDS,
    *choice.COMMANDS,
    *coverage.COMMANDS,
    *stability.COMMANDS,
    *comparing.COMMANDS,
    *selecting.COMMANDS,
    *forecasting.COMMANDS,
    *importing.COMMANDS,
    *exporting.COMMANDS,
    *slicing.COMMANDS,
    *handover.COMMANDS,
    *training.COMMANDS,
    *targets.COMMANDS,
    *benchmarking.COMMANDS,
    *measurements.COMMANDS,
    *tuning.COMMANDS,
    *environments.COMMANDS,
    *corpora.COMMANDS,
    *probing.COMMANDS,
    *jobs.COMMANDS,
    *app.COMMANDS,
)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run(COMMANDS, argv)
