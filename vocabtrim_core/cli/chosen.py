"""The arguments that make a choice, or name a saved one: of choice, report and card."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import chosen_draft, draft_arguments, integer, number, pair
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vocabtrim_core.choice import ForecastSettings, OwnTokens, SavedChoice
    from vocabtrim_core.counts import TokenCounts

# What decides tokens, by which a size is chosen; what a vocabulary from a file has settled; and
# what a forecast assumes.
WEIGHED = ("draft", "draft_config", "fusion_per_cycle", "alpha", "min_coverage", "pin", "note")
SIZED = ("k", "k_min", "k_max", "protect", "exclude", "multiple")
ASSUMED = ("accept_length", "depth", "measured_length", "hardware", "measured", "batch",
           "tree_width", "verified")  # fmt: skip


def settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that decides a choice."""
    draft_arguments(parser)
    add = parser.add_argument_group("the choice").add_argument
    add("--k", type=integer, help="draft vocabulary size (default: the exact optimum)")
    add("--vocabulary", type=Path, metavar="FILE",
        help="the tokens of what `select` wrote, or of a mapping that `compare` reads")  # fmt: skip
    add("--alpha", type=number, help="weight of coverage, 0..1 (default 0.5)")
    add("--min-coverage", type=number, metavar="SHARE", help="coverage floor, 0..1 (default 0)")
    add("--k-min", type=integer, metavar="K", help="smallest k searched (default 1)")
    add("--k-max", type=integer, metavar="K", help="largest k searched (default V)")
    add("--protect", type=Path, metavar="FILE", help="ids to keep, one per line or a JSON array")
    add("--exclude", type=Path, metavar="FILE", help="ids to leave out, likewise")
    add("--multiple", type=integer, metavar="N", help="round k up to a multiple (default 1)")
    add("--pin", type=integer, action="append", metavar="K", help="another k to compare with")
    add("--note", metavar="TEXT", help="a line kept with the choice")
    forecast_arguments(parser)


def forecast_arguments(parser: argparse.ArgumentParser) -> None:
    """What a forecast assumes, by the names that `forecast` has for it."""
    group = parser.add_argument_group("the forecast", "left out without --accept-length")
    add = group.add_argument
    add("--accept-length", type=number, metavar="TAU",
        help="acceptance length of the full-vocabulary draft, 1..K+1")  # fmt: skip
    add("--depth", type=integer, metavar="K", help="tokens drafted per cycle (default 3)")
    add("--measured-length", type=pair, nargs="+", action="extend", metavar="K=TAU",
        help="acceptance lengths measured at other k")  # fmt: skip
    add("--hardware", metavar="NAME", help="such as h200 or rtx-4090 (default a100-80g)")
    add("--measured", type=pair, nargs="+", action="extend", metavar="K=SECONDS",
        help="seconds per cycle at two or more k, instead of --hardware")  # fmt: skip
    add("--batch", type=integer, metavar="N", help="sequences decoded together (default 1)")
    add("--tree-width", type=integer, metavar="N", help="branches per draft step (default 1)")
    add("--verified", type=integer, metavar="N",
        help="tokens verified per cycle and sequence (default depth x width + 1)")  # fmt: skip


def choice_argument(parser: argparse.ArgumentParser) -> None:
    """--choice, in place of everything above but the forecast."""
    parser.add_argument(
        "--choice",
        type=Path,
        metavar="FILE",
        help="a choice.json of these counts, instead of the settings below; a forecast given here "
        "replaces its own",
    )


def chosen(arguments: argparse.Namespace, counts: TokenCounts) -> SavedChoice:
    """The saved choice, or the one that the settings make on these counts."""
    from vocabtrim_core.choice import Pin, SavedChoice, Settings
    from vocabtrim_core.selection.selection import Rules

    if getattr(arguments, "choice", None):
        _refuse(arguments, (*WEIGHED, *SIZED, "vocabulary"), "--choice already settles {flags}")
        saved = SavedChoice.load(arguments.choice)
        return replace(saved, forecast=_forecast(arguments, saved.forecast))
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
        forecast=_forecast(arguments), own=_own(arguments, counts),
    )  # fmt: skip


def _refuse(arguments: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """InputError when any of these arguments is given."""
    given = [name for name in names if getattr(arguments, name) is not None]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"{why.format(flags=flags)}; leave out one of the two.")


def _own(arguments: argparse.Namespace, counts: TokenCounts) -> OwnTokens | None:
    """The tokens of --vocabulary; kept in the workspace, where links look for them."""
    if arguments.vocabulary is None:
        return None
    from vocabtrim_core.choice import OwnTokens
    from vocabtrim_core.mappings.importing import sound_for
    from vocabtrim_core.mappings.stored import keep

    _refuse(arguments, SIZED, "--vocabulary names the tokens, and {flags} would choose others")
    found = sound_for(arguments.vocabulary, counts)
    about = found.about or f"imported from {found.name} ({found.kind})"
    keep(found.vocabulary, counts, about)
    return OwnTokens.of(found.vocabulary, about)


def _forecast(
    arguments: argparse.Namespace, saved: ForecastSettings | None = None
) -> ForecastSettings:
    """What is given, or what is saved where nothing is."""
    from vocabtrim_core.choice import NO_FORECAST, ForecastSettings

    if saved is not None and all(getattr(arguments, name) is None for name in ASSUMED):
        return saved
    if saved is not None and arguments.accept_length is None:
        raise InputError(
            "A forecast in place of the choice's own needs --accept-length, the acceptance length "
            "of the full draft."
        )
    plain = NO_FORECAST
    return ForecastSettings(
        arguments.accept_length,
        arguments.depth or plain.depth,
        tuple(arguments.measured_length or ()),
        arguments.hardware or plain.hardware,
        arguments.batch or plain.batch,
        tuple(arguments.measured or ()),
        width=arguments.tree_width or plain.width,
        verified=arguments.verified,
    )


def _ids(path: Path | None, counts: TokenCounts) -> frozenset[int]:
    if path is None:
        return frozenset()
    from vocabtrim_core.selection.protect import listed_ids

    return frozenset(listed_ids(path, None, counts.vocab_size).tolist())
