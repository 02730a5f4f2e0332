"""Arguments that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.draft_cost import DraftArchitecture


def integer(text: str) -> int:
    """A whole number, as people write it: 13264, 13,264 or 13_264."""
    try:
        return int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """A plain number (nan and inf are none)."""
    try:
        value = float(text)
        if value - value == 0:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a number")


def pair(text: str) -> tuple[int, float]:
    """K=VALUE as (k, value)."""
    left, equals, right = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not K=VALUE, such as 13264=2.65")
    return integer(left), number(right)


def counts_argument(parser: argparse.ArgumentParser) -> None:
    """The positional COUNTS of most commands."""
    parser.add_argument(
        "counts",
        metavar="COUNTS",
        help="a file written by `count` or `merge`, or the key of counts in the workspace",
    )


def k_argument(parser: argparse.ArgumentParser) -> None:
    """The --k of commands that take a made choice."""
    parser.add_argument(
        "--k", type=integer, required=True, help="draft vocabulary size, in tokens (1..V)"
    )


def draft_arguments(parser: argparse.ArgumentParser) -> None:
    """--draft and --draft-config, and what a draft step is charged with."""
    parser.add_argument(
        "--fusion-per-cycle",
        action="store_true",
        default=None,
        help="charge the feature fusion to the cycle, as engines run it, instead of to every draft "
        "step, as the paper does",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--draft",
        metavar="PRESET",
        help="draft architecture by name, see `drafts` (default: the first preset whose V is that "
        "of the counts)",
    )
    group.add_argument(
        "--draft-config",
        metavar="FILE",
        type=Path,
        help="draft architecture from the config.json of the draft, or of the target: then the "
        "dense one-layer draft that SpecForge derives from it",
    )


def chosen_draft(arguments: argparse.Namespace, vocab_size: int) -> DraftArchitecture:
    """What --draft or --draft-config name, else the first preset with this V.

    Shapes of another V are used over this one, which is said on stderr.
    """
    from dataclasses import replace

    from vocabtrim_core.draft_config import fitted, preset_of

    named = _named_draft(arguments) or preset_of(vocab_size)
    if named is None:
        raise InputError(
            f"No draft preset has V = {vocab_size:,}, the vocabulary size of these counts; give "
            "the target's config.json with --draft-config FILE, or name a preset with --draft."
        )
    found, note = fitted(named, vocab_size)
    if note:
        print(note, file=sys.stderr)
    per_cycle = getattr(arguments, "fusion_per_cycle", None)
    return replace(found, fusion_per_step=False) if per_cycle else found


def _named_draft(arguments: argparse.Namespace) -> DraftArchitecture | None:
    from vocabtrim_core.draft_config import load_architecture, published
    from vocabtrim_core.draft_cost import PRESETS

    if arguments.draft_config:
        found = load_architecture(arguments.draft_config)
        if note := published(found):
            print(note, file=sys.stderr)
        return found
    if arguments.draft and arguments.draft not in PRESETS:
        raise InputError(
            f"There is no draft architecture {arguments.draft!r}; choose one of "
            f"{', '.join(PRESETS)}, or give --draft-config FILE."
        )
    return PRESETS[arguments.draft] if arguments.draft else None
