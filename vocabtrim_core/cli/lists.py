"""Commands about lists of tokens: extend, balance, ranges."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import check_shares, integer, number, shared
from vocabtrim_core.cli.command import Command, Result, named_values, table
from vocabtrim_core.cli.resolve import comparable_counts, tokenizer_argument
from vocabtrim_core.cli.select import protected_and_excluded
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options
from vocabtrim_core.selection_spec.settings import Mix
from vocabtrim_core.wording import format_bytes

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.vocabulary import DraftVocabulary

LIST_HELP = "the list: a choice.json, an export, or any file that `compare` reads"


def _list_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("list", type=Path, metavar="LIST", help=LIST_HELP)


def _model_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL",
        help="the checkpoint or GGUF file, whose rows price the list in bytes",
    )


def _row_bytes(model: Path | None, size: int) -> float | None:
    """Bytes of a row of the model's head; None without a model."""
    if model is None:
        return None
    if model.suffix == ".gguf":
        from vocabtrim_core.drafts.mtp.gguf_heads import find_gguf_heads

        drafts = find_gguf_heads(model).drafts
    else:
        from vocabtrim_core.drafts.mtp.found import find_heads

        drafts = find_heads(model).drafts
    if not drafts:
        raise InputError(f"{model} has no draft whose head could be priced (see `heads`).")
    head = drafts[0].head
    if head.rows != size:
        raise InputError(
            f"{model} has a head of {head.rows:,} rows, but the list belongs to V = {size:,}; "
            "give the model it is for."
        )
    return head.bytes / head.rows


# --- extend -------------------------------------------------------------------------------------


def _extend_arguments(parser: argparse.ArgumentParser) -> None:
    _list_argument(parser)
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
    _model_argument(parser)
    shared(parser, "--out", help="ids.json to write")


def _extend(arguments: argparse.Namespace, progress: Progress) -> Result:
    import numpy as np

    from vocabtrim_core.selection.extend import extend
    from vocabtrim_core.selection.selection import mix
    from vocabtrim_core.vocabulary_file import vocabulary_in

    check_shares(arguments, "coverage")
    sets = comparable_counts([*arguments.counts, *(arguments.on or ())])
    own = sets[: len(arguments.counts)]
    base = vocabulary_in(arguments.list, own[0].vocab_size, own[0])
    weights = arguments.weights or [1.0] * len(own)
    arguments.exclude = None
    pinned, _ = protected_and_excluded(arguments, own, mix(own, weights))
    ids = np.unique(np.concatenate([np.empty(0, np.int64), *(group.ids for group in pinned)]))
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
    row = _row_bytes(arguments.model, base.vocab_size)
    if arguments.out:
        about = f"{arguments.list.name}, extended by {', '.join(c.name for c in own)}"
        _write(arguments.out, longer.vocabulary, own[0], about)
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


def _write(path: Path, vocabulary: DraftVocabulary, counts: TokenCounts, about: str) -> None:
    from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity, write_ids

    write_ids(path, vocabulary, TokenizerIdentity.of(counts), about)


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
    _list_argument(parser)
    shared(parser, "--counts", required=True, help="counts of the traffic that must stay covered")
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
    add_options(parser, Mix, "protect", "scripts")
    tokenizer_argument(parser)
    _model_argument(parser)
    shared(parser, "--out", help="ids.json to write")


def _balance(arguments: argparse.Namespace, progress: Progress) -> Result:
    import numpy as np

    from vocabtrim_core.selection.rank_balance import balanced
    from vocabtrim_core.vocabulary_file import vocabulary_in

    check_shares(arguments, "most_lost")
    (counts,) = comparable_counts([arguments.counts])
    vocabulary = vocabulary_in(arguments.list, counts.vocab_size, counts)
    arguments.exclude = None
    fixed, _ = protected_and_excluded(arguments, [counts], counts.counts)
    ids = np.unique(np.concatenate([np.empty(0, np.int64), *(group.ids for group in fixed)]))
    even = balanced(
        vocabulary, counts.counts, arguments.ranks, most_lost=arguments.most_lost, fixed=ids
    )
    row = _row_bytes(arguments.model, counts.vocab_size)
    fewer = int(even.before.max() - even.after.max())
    if arguments.out:
        about = f"{arguments.list.name}, even over {arguments.ranks} ranks"
        _write(arguments.out, even.vocabulary, counts, about)
    return {
        "k": len(vocabulary),
        "ranks": arguments.ranks,
        "rows_before": even.before.tolist(),
        "rows_after": even.after.tolist(),
        "swapped": even.swapped,
        "coverage_lost": even.lost,
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
    lost = result["coverage_lost"]
    lines = [
        table([("rank", "rows before", "rows after"), *rows]),
        f"{result['swapped']:,} tokens are exchanged; coverage {'falls' if lost > 0 else 'rises'} "
        f"by {abs(lost):.4%}. The fullest rank, which sets the time of a step, has "
        f"{result['saved']:.1%} fewer rows.",
    ]
    if result["bytes_saved"] is not None:
        lines.append(f"{format_bytes(result['bytes_saved'])} less on that rank per drafted token")
    lines += [f"written to {result['out']}"] if result["out"] else []
    return "\n\n".join(lines)


# --- ranges -------------------------------------------------------------------------------------


def _ranges_arguments(parser: argparse.ArgumentParser) -> None:
    _list_argument(parser)
    parser.add_argument("--vocab-size", type=integer, metavar="V", help="V of the model")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--most", type=integer, metavar="N", help="cover the list in N ranges")
    group.add_argument(
        "--multiple",
        type=integer,
        metavar="B",
        help="fill up blocks of B ids, for heads with one scale per block",
    )
    _model_argument(parser)
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
    row = _row_bytes(arguments.model, size)
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
    Command(
        "ranges",
        "cover a list with ranges of ids, and what the extra ids cost",
        _ranges,
        _ranges_arguments,
        _ranges_text,
        "ranges ids.json --most 16 --out ranges.json",
    ),
)
