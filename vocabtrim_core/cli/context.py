"""The command that looks for missing tokens in the context: context."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import integer, shared
from vocabtrim_core.cli.command import Command, Result, named_values, table
from vocabtrim_core.cli.corpus_options import (
    corpus_arguments,
    corpus_of,
    span_arguments,
    tokenizer_arguments,
    tokenizer_of,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options, from_argv
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.wording import percent, signed

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.forecast.length_at_coverage import LengthBand
    from vocabtrim_core.generalization.context_reuse import ContextReuse
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer
    from vocabtrim_core.vocabulary import DraftVocabulary


def _arguments(parser: argparse.ArgumentParser) -> None:
    tokenizer_arguments(parser)
    corpus_arguments(parser)
    add = parser.add_argument
    add(
        "--conversations",
        type=integer,
        default=2000,
        metavar="N",
        help="draw so many at random; all where there are no more (default %(default)s)",
    )
    shared(parser, "--seed", default=0, help="of the draw (default %(default)s)")
    span_arguments(parser)
    group = parser.add_argument_group("the tokens that are kept, --vocabulary or --counts with --k")
    shared(
        group,
        "--vocabulary",
        help="a choice.json, an export, or any mapping `compare` reads",
    )
    shared(
        group, "--counts", help="counts that --k orders, or that the choice was made on (optional)"
    )
    group.add_argument("--k", type=integer, help="the k most frequent tokens of --counts")
    group = parser.add_argument_group("what it could win", "left out without --accept-length")
    add_options(group, ForecastSettings, "full_length", "depth")


def _context(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.counting.sample import encode_marked, sample_conversations
    from vocabtrim_core.figures.context_reuse import context_reuse_info
    from vocabtrim_core.generalization.context_reuse import WINDOWS, context_reuse
    from vocabtrim_core.templates.resolve import resolve_template

    if arguments.accept_length is not None:
        _expected(arguments, [1.0])  # refuses what it cannot forecast before anything is read
    tokenizer = tokenizer_of(arguments)
    counts = _counts(arguments, tokenizer)
    vocabulary = _vocabulary(arguments, counts, tokenizer)
    template = resolve_template(tokenizer, arguments.template, arguments.span_end)
    options = from_argv(CountConfig, arguments, "rule", "reasoning", "last_turn_only")
    config = CountConfig(tokenizer, template, **options)
    corpus = corpus_of(arguments, progress)
    sample = sample_conversations(
        corpus, config, arguments.conversations, seed=arguments.seed, progress=progress
    )
    reuse = context_reuse(encode_marked(sample.readings, config, progress), vocabulary.t2d)
    curve = context_reuse_info(reuse)
    return {
        "corpus": corpus.name,
        "tokenizer": tokenizer.name,
        "template": template.name,
        "rule": config.rule,
        "k": len(vocabulary),
        "vocab_size": vocabulary.vocab_size,
        "conversations": reuse.conversations,
        "available": sample.available,
        "complete": sample.complete,
        "tokens": reuse.tokens,
        "missing": reuse.missing,
        "coverage": reuse.coverage,
        "in_sample": _chosen_on(counts, corpus),
        "windows": _windows(reuse, [*WINDOWS, reuse.longest]),
        "curve": [
            dict(zip(curve._fields, row, strict=True))
            for row in zip(*(column.tolist() for column in curve), strict=True)
        ],
        "lengths": _lengths(arguments, reuse, [*WINDOWS, reuse.longest]),
        "skipped": sample.report.sentence() if sample.report.skipped else None,
        "notes": [[reason, n, list(places)] for reason, n, places in sample.notes.reasons],
        "warnings": [*tokenizer.warnings, *template.warnings],
    }


def _counts(arguments: argparse.Namespace, tokenizer: Tokenizer) -> TokenCounts | None:
    """The counts that chose the tokens, where they are given; InputError for half a choice."""
    from vocabtrim_core.cli.resolve import same_tokenizer
    from vocabtrim_core.counts_store import find_counts

    by_size = arguments.k is not None
    if by_size == bool(arguments.vocabulary) or by_size > bool(arguments.counts):
        raise InputError(
            "Give the tokens that are kept either as --vocabulary MAPPING or as --counts COUNTS "
            "with --k K."
        )
    if not arguments.counts:
        return None
    counts = find_counts(arguments.counts)
    same_tokenizer(tokenizer, counts)
    return counts


def _vocabulary(
    arguments: argparse.Namespace, counts: TokenCounts | None, tokenizer: Tokenizer
) -> DraftVocabulary:
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.vocabulary_file import vocabulary_in

    if counts and arguments.k is not None:
        return CoverageCurve.of(counts).vocabulary(arguments.k)
    size = counts.vocab_size if counts else tokenizer.vocab_size
    return vocabulary_in(arguments.vocabulary, size, counts, tokenizer)


def _chosen_on(counts: TokenCounts | None, corpus: Corpus) -> bool:
    """Whether the counts are known to be of this very text."""
    if counts is None:
        return False
    return corpus.fingerprint() in {entry["sha256"] for entry in counts.provenance.corpora}


def _windows(reuse: ContextReuse, windows: list[int]) -> list[Result]:
    """One row per window; there is no share where nothing is missing."""
    shares, coverages = reuse.shares(windows).tolist(), reuse.coverages(windows).tolist()
    return [
        {"window": n, "share": share if reuse.missing else None, "coverage": coverage}
        for n, share, coverage in zip(windows, shares, coverages, strict=True)
    ]


def _lengths(
    arguments: argparse.Namespace, reuse: ContextReuse, windows: list[int]
) -> Result | None:
    """Expected acceptance lengths of the list alone and with each window."""
    if arguments.accept_length is None:
        return None
    coverages = [reuse.coverage, *reuse.coverages(windows).tolist()]
    alone, *lengths = _expected(arguments, coverages)
    return {
        "full": arguments.accept_length,
        "depth": arguments.depth,
        "list": alone._asdict(),
        "windows": [
            {"window": n, **length._asdict(), "gain": length.middle / alone.middle - 1}
            for n, length in zip(windows, lengths, strict=True)
        ],
    }


def _expected(arguments: argparse.Namespace, coverages: list[float]) -> list[LengthBand]:
    from vocabtrim_core.forecast.ceiling import check_depth
    from vocabtrim_core.forecast.length_at_coverage import lengths_at

    check_depth(arguments.depth)
    return lengths_at(coverages, arguments.accept_length, arguments.depth)


def _text(result: Result) -> str:
    drawn = "all" if result["complete"] else f"drawn at random from {result['available']:,}"
    lines = [
        named_values(result, "corpus", "tokenizer", "template", "rule"),
        f"{result['k']:,} of {result['vocab_size']:,} tokens are kept. In "
        f"{result['conversations']:,} conversations ({drawn}) they cover "
        f"{percent(result['coverage'], 2)}: "
        f"{result['missing']:,} of {result['tokens']:,} counted tokens are missing.",
    ]
    if result["in_sample"]:
        lines += [
            "In sample: the tokens were chosen on this text, so fewer are missing than on other "
            "text; give the evaluation traffic."
        ]
    if result["missing"]:
        lines += [_table(result)]
        lines += [
            "This is the most that a list which adds tokens of the context could win; what adding "
            "them costs per cycle is not in it."
        ]
    notes = (f"{n:,} times: {reason} ({', '.join(at)})." for reason, n, at in result["notes"])
    skipped = f"{result['skipped']}." if result["skipped"] else ""
    warnings = (f"warning: {sentence}" for sentence in result["warnings"])
    return "\n\n".join(filter(None, [*lines, skipped, *notes, *warnings]))


def _table(result: Result) -> str:
    lengths = result["lengths"]
    names = [f"the last {row['window']:,}" for row in result["windows"][:-1]] + ["all of it"]
    rows = [["tokens of context", "of the missing", "list and context cover"]]
    rows += [
        [name, percent(row["share"]), percent(row["coverage"], 2)]
        for name, row in zip(names, result["windows"], strict=True)
    ]
    if lengths:
        rows[0] += ["accept length", "at most"]
        for row, length in zip(rows[1:], lengths["windows"], strict=True):
            row += [f"{length['middle']:.2f}", signed(length["gain"])]
    return table(rows)


COMMANDS = (
    Command(
        "context",
        "measure how many of the missing tokens already stand in the context",
        _context,
        _arguments,
        _text,
        "context --tokenizer llama-3.1 --data tools.jsonl --counts blend.npz --k 13264",
    ),
)
