"""The command line: `python -m vocabtrim_core COMMAND … [--json]`.

One table of commands, each in the file of its subject. With --json stdout holds exactly one JSON
object ({"error": sentence} when it fails) and progress goes to stderr; without, stdout holds text
for people. Exit codes: 0 done, 1 a bug of ours (of `doctor`: a fault found), 2 bad input (one
sentence on stderr), 130 stopped.
"""

from __future__ import annotations

from vocabtrim_core.cli import (
    app,
    bench,
    bug_report,
    card,
    compare,
    context,
    corpora,
    count,
    coverage,
    doctor,
    evidence,
    experiment,
    export,
    forecast,
    heads,
    import_results,
    jobs,
    languages,
    lists,
    measurements,
    optimize,
    paper,
    probe,
    programs,
    ranges,
    report,
    select,
    slice,
    spans,
    stability,
    target,
    train,
    tune,
    workspace,
)
from vocabtrim_core.cli.command import Command
from vocabtrim_core.cli.run import run

_COMMANDS: tuple[Command, ...] = (
    *count.COMMANDS,
    *spans.COMMANDS,
    *optimize.COMMANDS,
    *coverage.COMMANDS,
    *languages.COMMANDS,
    *context.COMMANDS,
    *stability.COMMANDS,
    *compare.COMMANDS,
    *select.COMMANDS,
    *lists.COMMANDS,
    *ranges.COMMANDS,
    *forecast.COMMANDS,
    *evidence.COMMANDS,
    *paper.COMMANDS,
    *import_results.COMMANDS,
    *export.COMMANDS,
    *slice.COMMANDS,
    *heads.COMMANDS,
    *report.COMMANDS,
    *card.COMMANDS,
    *train.COMMANDS,
    *target.COMMANDS,
    *bench.COMMANDS,
    *measurements.COMMANDS,
    *doctor.COMMANDS,
    *tune.COMMANDS,
    *programs.COMMANDS,
    *corpora.COMMANDS,
    *probe.COMMANDS,
    *jobs.COMMANDS,
    *workspace.COMMANDS,
    *app.COMMANDS,
    *bug_report.COMMANDS,
)
COMMANDS = (*_COMMANDS, *experiment.commands(_COMMANDS))


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words of the command line, those of this process by default.

    Returns:
        The exit code.
    """
    return run(COMMANDS, argv)
