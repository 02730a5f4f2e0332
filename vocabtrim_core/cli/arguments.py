"""Arguments that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import integer as integer
from vocabtrim_core.fields.kinds import number as number
from vocabtrim_core.fields.leaf import At, add_options, from_argv, given, options_of, refuse
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts


def counts_argument(parser: argparse.ArgumentParser) -> None:
    """The positional COUNTS of most commands."""
    parser.add_argument(
        "counts",
        metavar="COUNTS",
        help="a file written by `count` or `merge`, or the key of counts in the workspace",
    )


def settings_arguments(to: Any, *names: str, omit_defaults: bool = False) -> None:
    """Options of these settings of a trade-off, on a parser or a group; see `add_options`."""
    add_options(to, Settings, *names, omit_defaults=omit_defaults)


def settings_of(arguments: argparse.Namespace, vocab_size: int) -> Settings:
    """The settings that these options give; without a draft, the first preset with this V."""
    return Settings(**from_argv(Settings, arguments, At(vocab_size)))


def spec_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that decides a choice."""
    add_options(parser, SelectionSpec, omit_defaults=True)


def choice_argument(parser: argparse.ArgumentParser) -> None:
    """--choice, in place of everything above but the forecast."""
    parser.add_argument(
        "--choice",
        type=Path,
        metavar="FILE",
        help="a choice.json of these counts, instead of the settings below; a forecast given here "
        "replaces its own",
    )


def chosen(arguments: argparse.Namespace, counts: TokenCounts) -> SelectionSpec:
    """The saved choice, or the one that the options make on these counts."""
    sized = ["k", "k_min", "k_max", *options_of(Rules)]
    weighed = [name for name in options_of(Settings) if name not in sized]
    at = At(counts.vocab_size, counts)
    if getattr(arguments, "choice", None) is None:
        if arguments.vocabulary:
            refuse(
                arguments, sized, "--vocabulary names the tokens, and {flags} would choose others"
            )
        return SelectionSpec.make(counts, **from_argv(SelectionSpec, arguments, at))
    settled = (*weighed, "pin", "note", *sized, "vocabulary")
    refuse(arguments, settled, "--choice already settles {flags}")
    if given(arguments, ForecastSettings) and arguments.accept_length is None:
        raise InputError(
            "A forecast in place of the choice's own needs --accept-length, the acceptance length "
            "of the full draft."
        )
    saved = SelectionSpec.load(arguments.choice)
    more = from_argv(SelectionSpec, arguments, at, "forecast", "on", "served")
    return replace(saved, **more)
