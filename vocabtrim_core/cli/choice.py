"""The command that saves a choice as a file or shows one: choice."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import selection_from, shared, spec_arguments
from vocabtrim_core.cli.command import Command, Result, attributes, named_values
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _choice_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", choices=("save", "show"), help="save a choice to a file, or show a saved one")
    add("what", metavar="COUNTS|FILE", help="save: the counts; show: the choice.json")
    shared(parser, "--out", help="save: the choice.json to write")
    shared(parser, "--counts", help="show: the counts (default: those of the workspace)")
    spec_arguments(parser)


def _choice(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.selection_spec.spec import SelectionSpec

    if arguments.action == "save":
        if arguments.out is None:
            raise InputError("`choice save` needs --out, the choice.json to write.")
        counts = find_counts(arguments.what)
        choice = selection_from(arguments, counts)
        choice.save(arguments.out)
    else:
        choice = SelectionSpec.load(arguments.what)
        counts = find_counts(arguments.counts or choice.counts.key)
    opened = choice.open(counts)
    return {
        "k": choice.k,
        **attributes(opened.choice, "coverage", "latency_reduction", "utility"),
        "alpha": choice.settings.alpha,
        "min_coverage": choice.settings.floor,
        "draft": choice.settings.architecture.name,
        "counts": counts.key,
        "counted": counts.name,
        "vocabulary_sha256": choice.vocabulary_sha256,
        "own": choice.own.about if choice.own else None,
        "pins": len(choice.pins),
        "note": choice.note,
        "query": choice.query(),
        "out": arguments.out,
    }


def _choice_text(result: Result) -> str:
    return named_values(
        result,
        "k",
        "coverage",
        "latency_reduction",
        "utility",
        "alpha",
        "min_coverage",
        "draft",
        "counted",
        "counts",
        "vocabulary_sha256",
        "own",
        "pins",
        "note",
        "out",
    )


COMMANDS = (
    Command(
        "choice",
        "keep a whole choice as choice.json, or check and show one",
        _choice,
        _choice_arguments,
        _choice_text,
        "choice save blend.npz --alpha 0.5 --out choice.json",
    ),
)
