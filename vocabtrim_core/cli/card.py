"""The command that writes a model card for a draft with a chosen vocabulary: card."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import shared
from vocabtrim_core.cli.command import Command, Result
from vocabtrim_core.cli.report import input_arguments, read_report_data, summary, summary_text
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _card_arguments(parser: argparse.ArgumentParser) -> None:
    input_arguments(parser)
    shared(parser, "--out", required=True, help="the README.md to write")
    shared(parser, "--draft-folder", help="a draft that `slice` wrote")
    shared(parser, "--target", default="", metavar="ID", help="hub id of the target model")
    parser.add_argument(
        "--licence", default="", metavar="ID", help="licence of the draft, as the hub spells it"
    )


def _card(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.slicing import SlicedDraft
    from vocabtrim_core.report.card import model_card
    from vocabtrim_core.workspace.files import write_atomic

    sliced = SlicedDraft.load(arguments.draft_folder) if arguments.draft_folder else None
    data = read_report_data(arguments, progress)
    choice = data.inputs.choice
    if sliced and sliced.vocabulary_sha256 != choice.vocabulary_sha256:
        raise InputError(
            f"{arguments.draft_folder} keeps {sliced.k:,} other tokens than the choice's "
            f"{choice.k:,}; give the choice it was cut for."
        )
    text = model_card(data, sliced=sliced, target=arguments.target, licence=arguments.licence)
    write_atomic(arguments.out, text.encode())
    return {**summary(data), "out": arguments.out, "bytes": len(text.encode())}


COMMANDS = (
    Command(
        "card",
        "write a model card for a draft with this vocabulary",
        _card,
        _card_arguments,
        summary_text,
        "card blend.npz --choice choice.json --target meta-llama/Llama-3.1-8B-Instruct "
        "--out README.md",
    ),
)
