"""The command about what a choice covers: coverage."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import counts_argument, k_argument, padding_note
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.counts import Provenance, TokenCounts
    from vocabtrim_core.progress import Progress


def _coverage_arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    k_argument(parser)
    parser.add_argument(
        "--on",
        nargs="+",
        action="extend",
        default=[],
        metavar="COUNTS",
        help="other counts (same tokenizer, V and rule) to measure the vocabulary on",
    )


def _coverage(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.coverage import CoverageCurve, coverage_on
    from vocabtrim_core.workspace import find_counts

    counts = find_counts(arguments.counts)
    curve = CoverageCurve.of(counts)
    vocabulary = curve.vocabulary(arguments.k)
    others = [find_counts(spec) for spec in arguments.on]
    for spec, other in zip(arguments.on, others, strict=True):
        _check_comparable(arguments.counts, counts, spec, other)
    sets = [
        {**asdict(coverage_on(vocabulary, measured)), "in_sample": measured is counts}
        for measured in (counts, *others)
    ]
    return {
        "k": arguments.k,
        "coverage": sets[0]["coverage"],
        "unique_coverage": sets[0]["unique_coverage"],
        "rule": counts.provenance.rule,
        "vocab_size": counts.vocab_size,
        "sets": sets,
        "note": padding_note(curve, arguments.k),
    }


def _check_comparable(ours: str, counts: TokenCounts, theirs: str, other: TokenCounts) -> None:
    """Coverage compares only tokens of one vocabulary, counted under one rule."""
    a, b = counts.provenance, other.provenance
    for field, mine, its in (
        ("V", f"{counts.vocab_size:,}", f"{other.vocab_size:,}"),
        ("tokenizer", _tokenizer(a), _tokenizer(b)),
        ("rule", a.rule, b.rule),
    ):
        if mine != its:
            raise InputError(
                f"{theirs} cannot be compared with {ours}: its {field} is {its}, not {mine}; "
                "count both corpora the same way."
            )


def _tokenizer(provenance: Provenance) -> str:
    return f"{provenance.tokenizer} ({provenance.tokenizer_sha256[:8]})"


def _coverage_text(result: Result) -> str:
    rows = (
        (
            s["name"],
            s["tokens"],
            f"{s['coverage']:.2%}",
            f"{s['unique_coverage']:.2%}",
            s["missing_tokens"],
            "in sample" if s["in_sample"] else "",
        )
        for s in result["sets"]
    )
    head = ("counts", "tokens", "coverage", "unique", "missing", "")
    text = f"k = {result['k']:,} of {result['vocab_size']:,}\n{table([head, *rows])}"
    return "\n".join(filter(None, [text, result["note"]]))


COMMANDS = (
    Command(
        "coverage",
        "measure what the k most frequent tokens cover, here and on other corpora",
        _coverage,
        _coverage_arguments,
        _coverage_text,
        "coverage blend.npz --k 13264 --on gsm8k.npz mtbench.npz",
    ),
)
