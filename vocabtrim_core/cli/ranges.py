"""The command that covers a list with ranges of ids: ranges."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import integer, shared
from vocabtrim_core.cli.command import Command, Result, named_values
from vocabtrim_core.cli.list_options import list_argument, model_argument, row_bytes
from vocabtrim_core.wording import format_bytes

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _ranges_arguments(parser: argparse.ArgumentParser) -> None:
    list_argument(parser)
    parser.add_argument("--vocab-size", type=integer, metavar="V", help="V of the model")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--most", type=integer, metavar="N", help="cover the list in N ranges")
    group.add_argument(
        "--multiple",
        type=integer,
        metavar="B",
        help="fill up blocks of B ids, for heads with one scale per block",
    )
    model_argument(parser)
    shared(parser, "--out", help="JSON file to write: [[first, end], …], the end exclusive")


def _ranges(arguments: argparse.Namespace, progress: Progress) -> Result:
    import json

    from vocabtrim_core.id_ranges import in_blocks, to_ranges
    from vocabtrim_core.vocabulary_file import vocabulary_in
    from vocabtrim_core.workspace.files import write_atomic

    vocabulary = vocabulary_in(arguments.list, arguments.vocab_size, None)
    size, ids = vocabulary.vocab_size, vocabulary.ids.tolist()
    if arguments.multiple is not None:
        ids = in_blocks(ids, arguments.multiple, size)
    ranges = to_ranges(ids, arguments.most)
    k = sum(end - first for first, end in ranges)
    row = row_bytes(arguments.model, size)
    if arguments.out:
        text = json.dumps([list(pair) for pair in ranges], separators=(",", ":")) + "\n"
        write_atomic(arguments.out, text.encode())
    return {
        "k_of_list": len(vocabulary),
        "k": k,
        "ranges": len(ranges),
        "exact_ranges": len(to_ranges(vocabulary.ids.tolist())),
        "extra_ids": k - len(vocabulary),
        "extra_bytes": None if row is None else int(row * (k - len(vocabulary))),
        "out": arguments.out,
    }


def _ranges_text(result: Result) -> str:
    names = ("k_of_list", "ranges", "exact_ranges", "extra_ids", "k", "out")
    lines = [named_values(result, *names)]
    if result["extra_bytes"]:
        lines.append(f"The extra ids cost {format_bytes(result['extra_bytes'])} per drafted token.")
    return "\n".join(lines)


COMMANDS = (
    Command(
        "ranges",
        "cover a list with ranges of ids, and what the extra ids cost",
        _ranges,
        _ranges_arguments,
        _ranges_text,
        "ranges ids.json --most 16 --out ranges.json",
    ),
)
