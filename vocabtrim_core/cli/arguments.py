"""Options that several commands share, and the values that they give."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import (
    add_options,
    from_argv,
    has_any_option,
    options_of,
    parsed,
    refuse_options,
)
from vocabtrim_core.fields.kinds import integer as integer
from vocabtrim_core.fields.kinds import number as number
from vocabtrim_core.fields.leaf import ReadContext
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts

# Options of several commands that fill no dataclass: what they have in common.
SHARED: dict[str, dict[str, Any]] = {
    "--choice": {"type": Path, "metavar": "FILE"},
    "--concurrency": {"type": integer, "metavar": "N"},
    "--counts": {"metavar": "COUNTS"},
    "--data": {"nargs": "+", "action": "extend", "metavar": "PATH"},
    "--device": {
        "choices": ("auto", "cpu", "cuda"),
        "default": "auto",
        "help": "where the model runs (default %(default)s)",
    },
    "--dtype": {"default": "auto", "help": "float32, bfloat16, … (default %(default)s)"},
    "--draft-folder": {"type": Path, "metavar": "DIR"},
    "--k": {"type": integer, "metavar": "K", "help": "the k most frequent tokens (1..V)"},
    "--limit": {"type": integer, "metavar": "ROWS", "help": "use only the first rows"},
    "--measurement": {"metavar": "KEY|FILE"},
    "--out": {"type": Path, "metavar": "FILE"},
    "--repeats": {"type": integer, "metavar": "N"},
    "--seed": {"type": integer, "metavar": "N", "help": "(default %(default)s)"},
    "--storage": {
        "metavar": "URL",
        "help": "Optuna storage, such as sqlite:////folder/studies.db, which optuna-dashboard "
        "opens (default: one in the workspace)",
    },
    "--study": {"metavar": "NAME", "help": "name of the study (default: by what is searched)"},
    "--target": {"metavar": "MODEL"},
    "--template": {
        "default": "auto",
        "help": "chat template: auto (the tokenizer's own), llama3, llama4, qwen, deepseek, phi3, "
        "phi4, gemma, mistral (default %(default)s)",
    },
    "--tokenizer": {"metavar": "T"},
    "--trainer": {
        "metavar": "NAME",
        "help": "a trainer that `trainer --add` configured, or the Python of an environment, or a "
        "command that starts it (default: the workspace's setting, else this one)",
    },
    "--trials": {"type": integer, "metavar": "N"},
    "--vocabulary": {"type": Path, "metavar": "MAPPING"},
}


def shared(to: Any, flag: str, **own: Any) -> None:
    """Declare an option of `SHARED`.

    Args:
        to: The parser, or a group of one.
        flag: The option, such as '--out'.
        **own: Arguments of `add_argument` that are this command's own, such as `help`.
    """
    to.add_argument(flag, **SHARED[flag] | own)


def counts_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the positional argument COUNTS of most commands.

    Args:
        parser: The parser of the command.
    """
    parser.add_argument(
        "counts",
        metavar="COUNTS",
        help="a file written by `count` or `merge`, or the key of counts in the workspace",
    )


def settings_arguments(to: Any, *names: str, omit_defaults: bool = False) -> None:
    """Declare options of a trade-off's settings.

    Args:
        to: The parser, or a group of one.
        *names: The fields of `Settings`, all by default.
        omit_defaults: See `add_options`.
    """
    add_options(to, Settings, *names, omit_defaults=omit_defaults)


def settings_of(arguments: argparse.Namespace, vocab_size: int) -> Settings:
    """Read the settings of a trade-off.

    Args:
        arguments: The parsed command line.
        vocab_size: V of the counts; without an option the draft is the first preset with this V.

    Returns:
        The settings.

    Raises:
        InputError: No preset has this V.
    """
    return parsed(Settings, arguments, ReadContext(vocab_size))


def check_shares(arguments: argparse.Namespace, *names: str) -> None:
    """Check that options are shares.

    Args:
        arguments: The parsed command line.
        *names: Names of the options in it; None is not checked.

    Raises:
        InputError: One lies outside 0..1.
    """
    for name in names:
        value = getattr(arguments, name)
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"{name.replace('_', '-')} must lie within 0..1, but it is {value}.")


def spec_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare every option that decides a choice.

    Args:
        parser: The parser of the command.
    """
    add_options(parser, SelectionSpec, omit_defaults=True)


def choice_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --choice, which replaces all options of a choice but those of the forecast.

    Args:
        parser: The parser of the command.
    """
    shared(
        parser,
        "--choice",
        help="a choice.json of these counts, instead of the settings below; a forecast given here "
        "replaces its own",
    )


def selection_from(arguments: argparse.Namespace, counts: TokenCounts) -> SelectionSpec:
    """Read the saved choice that the command line names, or make the one that its options describe.

    Args:
        arguments: The command line, parsed with the options of `spec_arguments`.
        counts: The counts the choice is made on.

    Returns:
        The choice.

    Raises:
        InputError: Options contradict each other, or a forecast lacks its acceptance length.
    """
    size_options = ["k", "k_min", "k_max", *options_of(Rules)]
    other_options = [name for name in options_of(Settings) if name not in size_options]
    at = ReadContext(counts.vocab_size, counts)
    if getattr(arguments, "choice", None) is None:
        if arguments.vocabulary:
            why = "--vocabulary names the tokens, and {flags} would choose others"
            refuse_options(arguments, size_options, why)
        return _forecast_checked(
            SelectionSpec.make(counts, **from_argv(SelectionSpec, arguments, context=at))
        )
    settled = (*other_options, "pin", "note", *size_options, "vocabulary")
    refuse_options(arguments, settled, "--choice already settles {flags}")
    if has_any_option(arguments, ForecastSettings) and arguments.accept_length is None:
        raise InputError(
            "A forecast in place of the choice's own needs --accept-length, the acceptance length "
            "of the full draft."
        )
    saved = SelectionSpec.load(arguments.choice)
    return _forecast_checked(
        replace(
            saved, **from_argv(SelectionSpec, arguments, "forecast", "on", "served", context=at)
        )
    )


def _forecast_checked(choice: SelectionSpec) -> SelectionSpec:
    """The choice; InputError where its forecast has a value out of range."""
    if choice.forecast.full_length is not None:
        from vocabtrim_core.report.forecast import check_values

        check_values(choice.forecast, choice.settings.architecture.vocab_size)
    return choice
