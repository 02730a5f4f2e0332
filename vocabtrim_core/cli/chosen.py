"""The arguments that make a choice, or name a saved one: of choice, report and card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import chosen_draft, draft_arguments, integer, number
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.choice import ForecastSettings, SavedChoice
    from vocabtrim_core.counts import TokenCounts


def pair(text: str) -> tuple[int, float]:
    """K:VALUE, such as 13264:2.65."""
    k, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is not K:VALUE, such as 13264:2.65")
    return integer(k), number(value)


def settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that decides a choice."""
    draft_arguments(parser)
    add = parser.add_argument_group("the choice").add_argument
    add("--k", type=integer, help="draft vocabulary size (default: the exact optimum)")
    add("--alpha", type=number, help="weight of coverage, 0..1 (default 0.5)")
    add("--min-coverage", type=number, metavar="SHARE", help="coverage floor, 0..1 (default 0)")
    add("--k-min", type=integer, metavar="K", help="smallest k searched (default 1)")
    add("--k-max", type=integer, metavar="K", help="largest k searched (default V)")
    add("--protect", type=Path, metavar="FILE", help="ids to keep, one per line or a JSON array")
    add("--exclude", type=Path, metavar="FILE", help="ids to leave out, likewise")
    add("--multiple", type=integer, metavar="N", help="round k up to a multiple (default 1)")
    add("--pin", type=integer, action="append", metavar="K", help="another k to compare with")
    add("--note", metavar="TEXT", help="a line kept with the choice")
    add = parser.add_argument_group("the forecast", "left out without --full-length").add_argument
    add("--full-length", type=number, metavar="L", help="acceptance length of the full draft")
    add("--depth", type=integer, metavar="K", help="tokens drafted per cycle (default 3)")
    add("--measured", type=pair, action="append", metavar="K:L",
        help="measured acceptance length of a draft with k tokens")  # fmt: skip
    add("--hardware", metavar="NAME", help="such as h200 or rtx-4090 (default a100-80g)")
    add("--batch", type=integer, metavar="N", help="sequences decoded together (default 1)")
    add("--cycle", type=pair, action="append", metavar="K:SECONDS",
        help="measured time of a cycle, two at least, instead of --hardware")  # fmt: skip


def choice_argument(parser: argparse.ArgumentParser) -> None:
    """--choice, in place of everything above."""
    parser.add_argument(
        "--choice",
        type=Path,
        metavar="FILE",
        help="a choice.json of these counts, instead of the settings below",
    )


def chosen(arguments: argparse.Namespace, counts: TokenCounts) -> SavedChoice:
    """The saved choice, or the one that the settings make on these counts."""
    from vocabtrim_core.choice import Pin, SavedChoice, Settings
    from vocabtrim_core.selection.selection import Rules

    names = ("draft", "draft_config", "k", "alpha", "min_coverage", "k_min", "k_max", "protect",
             "exclude", "multiple", "pin", "note", "full_length", "depth", "measured", "hardware",
             "batch", "cycle")  # fmt: skip
    given = [name for name in names if getattr(arguments, name) is not None]
    if getattr(arguments, "choice", None):
        if given:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise InputError(f"--choice already settles {flags}; leave out one of the two.")
        return SavedChoice.load(arguments.choice)
    settings = Settings(
        chosen_draft(arguments, counts.vocab_size),
        0.5 if arguments.alpha is None else arguments.alpha,
        arguments.min_coverage or 0.0,
        arguments.k,
        1 if arguments.k_min is None else arguments.k_min,
        arguments.k_max,
    )
    rules = Rules(
        _ids(arguments.protect, counts), _ids(arguments.exclude, counts), arguments.multiple or 1
    )
    pins = tuple(
        Pin(counts.key, counts.name, Settings(settings.architecture, settings.alpha, k=k))
        for k in arguments.pin or ()
    )
    return SavedChoice.make(
        counts, settings, rules=rules, pins=pins, note=arguments.note or "",
        forecast=_forecast(arguments),
    )  # fmt: skip


def _forecast(arguments: argparse.Namespace) -> ForecastSettings:
    from vocabtrim_core.choice import NO_FORECAST, ForecastSettings

    plain = NO_FORECAST
    return ForecastSettings(
        arguments.full_length,
        arguments.depth or plain.depth,
        tuple(arguments.measured or ()),
        arguments.hardware or plain.hardware,
        arguments.batch or plain.batch,
        tuple(arguments.cycle or ()),
    )


def _ids(path: Path | None, counts: TokenCounts) -> frozenset[int]:
    if path is None:
        return frozenset()
    from vocabtrim_core.selection.protect import listed_ids

    return frozenset(listed_ids(path, None, counts.vocab_size).tolist())
