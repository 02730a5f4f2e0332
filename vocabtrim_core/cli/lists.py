"""Commands that change lists of tokens: extend, balance."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import check_shares, integer, number, shared
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.cli.list_options import (
    list_argument,
    model_argument,
    must_stay,
    row_bytes,
    write_list,
)
from vocabtrim_core.cli.resolve import comparable_counts, tokenizer_argument, tokenizer_or_none
from vocabtrim_core.fields.codec import add_options
from vocabtrim_core.selection_spec.settings import Mix
from vocabtrim_core.wording import format_bytes, listed

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress

# --- extend -------------------------------------------------------------------------------------


def _extend_arguments(parser: argparse.ArgumentParser) -> None:
    list_argument(parser)
    shared(
        parser,
        "--counts",
        nargs="+",
        action="extend",
        required=True,
        help="counts of the traffic to add, by whose frequencies tokens are added",
    )
    add_options(parser, Mix, "weights")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--add", type=integer, metavar="N", help="add N tokens at most")
    shared(budget, "--k", help="add up to a list of K tokens")
    budget.add_argument(
        "--coverage",
        type=number,
        metavar="SHARE",
        help="add until this share (0..1) of the traffic is covered",
    )
    parser.add_argument(
        "--on",
        nargs="+",
        action="extend",
        metavar="COUNTS",
        help="further counts to measure before and after",
    )
    group = parser.add_argument_group("what must be in it, whatever its counts")
    add_options(group, Mix, "protect", "scripts")
    tokenizer_argument(parser)
    model_argument(parser)
    shared(parser, "--out", help="ids.json to write")


def _extend(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.selection.extend import extend
    from vocabtrim_core.selection.selection import mix
    from vocabtrim_core.vocabulary_file import vocabulary_in

    check_shares(arguments, "coverage")
    sets = comparable_counts([*arguments.counts, *(arguments.on or ())])
    own = sets[: len(arguments.counts)]
    base = vocabulary_in(arguments.list, own[0].vocab_size, own[0])
    weights = arguments.weights or [1.0] * len(own)
    _, ids = must_stay(arguments, own, mix(own, weights))
    longer = extend(
        base,
        own,
        weights=weights,
        add=arguments.add,
        k=arguments.k,
        coverage=arguments.coverage,
        pinned=ids,
        measured=sets[len(own) :],
    )
    row = row_bytes(arguments.model, base.vocab_size)
    if arguments.out:
        about = f"{arguments.list.name}, extended by {', '.join(c.name for c in own)}"
        write_list(arguments.out, longer.vocabulary, own[0], about)
    return {
        "k_before": len(base),
        "k": len(longer.vocabulary),
        "vocab_size": base.vocab_size,
        "pinned": len(longer.pinned),
        "added": len(longer.added),
        "coverage": [asdict(change) for change in longer.changes],
        "row_bytes": row,
        "bytes_added": None if row is None else int(row * (len(longer.vocabulary) - len(base))),
        "sha256": longer.vocabulary.sha256,
        "note": longer.note or None,
        "out": arguments.out,
    }


def _extend_text(result: Result) -> str:
    lines = [
        f"k = {result['k_before']:,} grows to {result['k']:,} of {result['vocab_size']:,}: "
        f"{result['added']:,} by frequency, {result['pinned']:,} pinned; nothing of the list is "
        "dropped"
    ]
    head = ("counts", "added from", "before", "after", "best of this k", "occur", "missing")
    rows = [
        (
            row["name"],
            row["added_from"],
            *(f"{row[name]:.2%}" for name in ("before", "after", "best")),
            row["occurring"],
            row["missing"],
        )
        for row in result["coverage"]
    ]
    lines.append(table([head, *rows]))
    if result["bytes_added"] is not None:
        lines.append(
            f"price: {format_bytes(result['bytes_added'])} more per drafted token and in memory"
        )
    lines += [result["note"]] if result["note"] else []
    lines += [f"written to {result['out']}"] if result["out"] else []
    return "\n\n".join(lines)


# --- balance ------------------------------------------------------------------------------------


def _balance_arguments(parser: argparse.ArgumentParser) -> None:
    list_argument(parser)
    shared(
        parser,
        "--counts",
        nargs="+",
        action="extend",
        required=True,
        help="counts of all traffic that must stay covered, each by its weight",
    )
    add_options(parser, Mix, "weights")
    parser.add_argument(
        "--ranks",
        type=integer,
        required=True,
        metavar="R",
        help="tensor-parallel ranks, which share V in runs of equal length",
    )
    parser.add_argument(
        "--most-lost",
        type=number,
        default=0.0,
        metavar="SHARE",
        help="coverage that may be lost (0..1, default %(default)s: none)",
    )
    group = parser.add_argument_group(
        "what must stay", "specials and bytes without these, where the tokenizer is found"
    )
    add_options(group, Mix, "protect", "scripts")
    tokenizer_argument(parser)
    model_argument(parser)
    shared(parser, "--out", help="ids.json to write")


def _balance(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.coverage import coverage_on
    from vocabtrim_core.selection.rank_balance import balanced
    from vocabtrim_core.selection.selection import mix
    from vocabtrim_core.vocabulary_file import vocabulary_in

    check_shares(arguments, "most_lost")
    sets = comparable_counts(arguments.counts)
    vocabulary = vocabulary_in(arguments.list, sets[0].vocab_size, sets[0])
    frequencies = mix(sets, arguments.weights or [1.0] * len(sets))
    if not arguments.protect and tokenizer_or_none(sets[0], arguments.tokenizer):
        arguments.protect = ["specials", "bytes"]
    groups, ids = must_stay(arguments, sets, frequencies)
    even = balanced(
        vocabulary, frequencies, arguments.ranks, most_lost=arguments.most_lost, fixed=ids
    )
    row = row_bytes(arguments.model, vocabulary.vocab_size)
    fewer = int(even.before.max() - even.after.max())
    if arguments.out:
        about = f"{arguments.list.name}, even over {arguments.ranks} ranks"
        write_list(arguments.out, even.vocabulary, sets[0], about)
    return {
        "k": len(vocabulary),
        "ranks": arguments.ranks,
        "rows_before": even.before.tolist(),
        "rows_after": even.after.tolist(),
        "swapped": even.swapped,
        "protected": [group.name for group in groups],
        "coverage_lost": even.lost,
        "coverage": [
            {
                "name": counts.name,
                "before": coverage_on(vocabulary, counts).coverage,
                "after": coverage_on(even.vocabulary, counts).coverage,
            }
            for counts in sets
        ],
        "saved": even.saved,
        "bytes_saved": None if row is None else int(row * fewer),
        "sha256": even.vocabulary.sha256,
        "out": arguments.out,
    }


def _balance_text(result: Result) -> str:
    rows = [
        (rank, before, after)
        for rank, (before, after) in enumerate(
            zip(result["rows_before"], result["rows_after"], strict=True)
        )
    ]
    covered = [
        (row["name"], f"{row['before']:.3%}", f"{row['after']:.3%}") for row in result["coverage"]
    ]
    staying = f", {listed(result['protected'])} stay" if result["protected"] else ""
    lines = [
        table([("rank", "rows before", "rows after"), *rows]),
        table([("counts", "coverage before", "after"), *covered]),
        f"{result['swapped']:,} tokens are exchanged{staying}. The fullest rank, which sets the "
        f"time of a step, has {result['saved']:.1%} fewer rows. Traffic that is not among these "
        "counts may lose what it alone needs: give its counts too.",
    ]
    if result["bytes_saved"] is not None:
        lines.append(f"{format_bytes(result['bytes_saved'])} less on that rank per drafted token")
    lines += [f"written to {result['out']}"] if result["out"] else []
    return "\n\n".join(lines)


COMMANDS = (
    Command(
        "extend",
        "add traffic, scripts or bytes to a list, without losing anything of it",
        _extend,
        _extend_arguments,
        _extend_text,
        "extend draft_vocab.txt --counts german.npz --add 8192 --protect bytes --out ids.json",
    ),
    Command(
        "balance",
        "even out a list's rows over tensor-parallel ranks at equal coverage",
        _balance,
        _balance_arguments,
        _balance_text,
        "balance ids.json --counts blend.npz --ranks 2 --out even.json",
    ),
)
