"""From argv to an exit code: parse, run, print; every failure becomes one sentence."""

from __future__ import annotations

import argparse
import functools
import json
import os
import shlex
import sys
import traceback
from collections.abc import Container, Iterable
from contextlib import nullcontext, redirect_stdout
from typing import Any, NoReturn

from vocabtrim_core import __version__
from vocabtrim_core.cli import as_job
from vocabtrim_core.cli.command import Command, Result
from vocabtrim_core.errors import Cancelled, InputError

DONE, BUG, BAD_INPUT, CANCELLED = 0, 1, 2, 130
ABOUT = """\
Choose the vocabulary of a speculative draft model: count what the target model says,
weigh coverage against draft cost, export the choice."""
SCRIPT, MODULE = "vocabtrim", "python -m vocabtrim_core"
FIRST_STEPS = """\
first steps:
  {prog} demo --out demo
  {prog} count --tokenizer llama-3.1 --data demo/tool-calls.jsonl.zst --out my.npz
  {prog} optimize my.npz --alpha 0.5
  {prog} export my.npz --k 4380 --format specforge --out draft-vocabulary
  {prog} app

Every command takes --json and --debug; `COMMAND --help` explains it."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises InputError instead of printing the usage and exiting."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def parser(
    commands: Iterable[Command], argv: Container[str] | None = None
) -> argparse.ArgumentParser:
    """Make the parser of all commands.

    Args:
        commands: The commands.
        argv: The words to parse. Where they are known, only the commands among them declare their
            options, so that the modules behind the options of the others are not imported.

    Returns:
        The parser; its `parse_args` raises InputError for what is wrong on a command line.
    """
    prog = SCRIPT if os.path.basename(sys.argv[0]) == SCRIPT else MODULE  # noqa: PTH119
    formatter = functools.partial(
        argparse.RawDescriptionHelpFormatter, max_help_position=26, width=96
    )
    common = _Parser(add_help=False)
    group = common.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    group.add_argument("--debug", action="store_true", help="print the traceback of a bug")
    steps = FIRST_STEPS.format(prog=prog)
    root = _Parser(prog=prog, description=ABOUT, epilog=steps, formatter_class=formatter)
    root.add_argument("--version", action="version", version=__version__)
    subparsers = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        subparser = subparsers.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[:1].upper()}{command.help[1:]}.",
            epilog=f"example:\n  {prog} {command.example}" if command.example else None,
            formatter_class=formatter,
            parents=[common],
        )
        if argv is None or command.name in argv:
            command.arguments(subparser)
        subparser.set_defaults(command=command)
    return root


def run(commands: Iterable[Command], argv: list[str] | None = None) -> int:
    """Run the command of a command line; print its result, or one sentence on its failure.

    Args:
        commands: The commands.
        argv: The words of the command line; None for those of this process, which then runs nothing
            else.

    Returns:
        The exit code: 0 done, 1 a bug (or a fault that `doctor` found), 2 bad input, 130 stopped.
    """
    from vocabtrim_core.jobs import progress as progress_

    own, argv = argv is None, sys.argv[1:] if argv is None else argv
    as_json, progress = "--json" in argv, progress_.of_this_process()
    try:
        with progress_.stopping_on_sigterm(progress):
            arguments = parser(commands, argv).parse_args(argv)
            as_job.check(arguments)
            with _turn(progress), redirect_stdout(sys.stderr) if as_json else nullcontext():
                progress.enter("running", "Starting")
                if own and arguments.command.prepare:
                    arguments.command.prepare()
                result = arguments.command.run(arguments, progress)
            progress.clear()
            _print(encoded(result) if as_json else arguments.command.text(result))
        progress.enter("done")
        return arguments.command.exit_code(result) if arguments.command.exit_code else DONE
    except InputError as error:
        code, sentence = BAD_INPUT, str(error)
    except (Cancelled, KeyboardInterrupt) as error:
        code, sentence = CANCELLED, str(error) or "Stopped; what was finished is kept."
    except MemoryError:
        code, sentence = BUG, "Out of memory; use fewer workers or a machine with more."
    except SystemExit:  # of --help and --version
        raise
    except BaseException as error:  # the panic of a library in Rust is no Exception
        code, sentence = _unexpected(error, argv)
    progress.clear()
    progress.enter("cancelled" if code == CANCELLED else "failed", sentence)
    if as_json:
        _print(encoded({"error": sentence}))
    print(sentence, file=sys.stderr)
    return code


def _turn(progress: Any) -> Any:
    """Wait for the resources that a job names; a command in a shell does not wait."""
    if progress.folder is None:
        return nullcontext()
    from vocabtrim_core.jobs.queue import hold_job_resources

    return hold_job_resources(progress)


def _unexpected(error: BaseException, argv: list[str]) -> tuple[int, str]:
    """Name a full disk or a missing package as such; anything else is a bug, and kept."""
    from vocabtrim_core import failures
    from vocabtrim_core.extras import missing_package
    from vocabtrim_core.workspace import disk

    if sentence := missing_package(error):
        return BAD_INPUT, sentence

    if isinstance(error, OSError) and error.errno in disk.FULL:
        return BAD_INPUT, disk.full_disk(os.path.dirname(error.filename or "") or ".")  # noqa: PTH120
    if "--debug" in argv or os.environ.get("VOCABTRIM_JOB"):  # a job keeps it in its log too
        traceback.print_exception(error)
    return BUG, failures.record(error, shlex.join(argv))


def encoded(result: Result) -> str:
    """A result as JSON text.

    Args:
        result: What a command gave; numpy values and paths are written as plain ones.

    Returns:
        One line.
    """

    def plain(value: Any) -> Any:
        if hasattr(value, "tolist"):  # numpy scalars and arrays
            return value.tolist()
        if hasattr(value, "__fspath__"):
            return os.fspath(value)
        raise TypeError(f"{type(value).__name__} is not JSON")

    return json.dumps(result, default=plain, allow_nan=False, ensure_ascii=False)


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        # Without this the interpreter reports the unwritten text again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader, such as `head`, has stopped
            raise InputError(
                f"The result cannot be written to standard output ({error.strerror}); choose "
                "another place for it."
            ) from error
