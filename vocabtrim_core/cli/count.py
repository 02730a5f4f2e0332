"""Commands from conversations to counts: count, merge."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import integer, shared
from vocabtrim_core.cli.command import Command, Result, attributes, named_values
from vocabtrim_core.cli.corpus_options import (
    corpus_arguments,
    corpus_of,
    span_arguments,
    tokenizer_arguments,
    tokenizer_of,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options, from_argv

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.jobs.progress import Progress


def _count_arguments(parser: argparse.ArgumentParser) -> None:
    from vocabtrim_core.counting.config import CountConfig

    tokenizer_arguments(parser)
    shared(parser, "--out", help="file for the counts, which the workspace keeps")
    parser.add_argument(
        "--with-responses",
        action="store_true",
        help="also write the responses beside --out, for intervals and forecasts on a machine "
        "that has no such workspace",
    )

    corpus_arguments(parser)
    span_arguments(parser)
    group = parser.add_argument_group("what is left out")
    add_options(group, CountConfig, "most_refused", "max_length")

    add = parser.add_argument_group("how it is done").add_argument
    add("--workers", type=integer, metavar="N", help="threads (default: as many as pay)")
    add("--engine", help="gigatoken, fastokens or tokenizers (default: the fastest that is exact)")
    add("--cluster", metavar="ADDRESS", help="Dask scheduler to count on, such as tcp://host:8786")
    add("--fresh", action="store_true", help="count again even if the workspace has the counts")


def _without_pandas() -> None:
    from vocabtrim_core.counting.memory import without_pandas

    without_pandas()


def _count(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counting import cache
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.counting.count import count
    from vocabtrim_core.counting.engines import check_engine
    from vocabtrim_core.templates.resolve import resolve_template

    if arguments.with_responses and not arguments.out:
        raise InputError("--with-responses writes beside --out; give --out FILE.")
    if arguments.workers is not None and arguments.workers < 1:
        raise InputError(f"workers must be at least 1, but it is {arguments.workers}.")
    if arguments.engine:
        check_engine(arguments.engine)
    corpus = corpus_of(arguments, progress)
    corpus.require_conversations()
    tokenizer = tokenizer_of(arguments)
    template = resolve_template(tokenizer, arguments.template, arguments.span_end)
    options = from_argv(CountConfig, arguments)
    config = CountConfig(tokenizer, template, **options)
    cached = not arguments.fresh and bool(cache.find(config.key(corpus.fingerprint()), corpus))
    counts = count(
        corpus,
        tokenizer,
        template,
        **options,
        workers=arguments.workers,
        engine=arguments.engine,
        progress=progress,
        cache=not arguments.fresh,
        run=os.environ.get("VOCABTRIM_JOB", ""),  # a resumed job continues even with --fresh
        cluster=arguments.cluster,
    )
    if arguments.out:
        counts.save(arguments.out)
    return {
        **totals(counts),
        "cached": cached,
        "responses": _responses(arguments, counts),
        "out": arguments.out,
        "skips": [
            {"reason": reason, "rows": rows, "places": list(places)}
            for reason, rows, places in counts.provenance.remarks("skipped")
        ],
        "notes": [
            {"note": note, "times": times, "places": list(places)}
            for note, times, places in counts.provenance.remarks("notes")
        ],
        "proof": dict(counts.provenance.proof),
        "warnings": [*tokenizer.warnings, *template.warnings, *_doubts(corpus)],
    }


def _responses(arguments: argparse.Namespace, counts: TokenCounts) -> Result | None:
    """Summarise the stored responses of these counts; save them beside --out on request."""
    from vocabtrim_core.counting.response_files import find_responses, responses_beside

    responses = find_responses(counts.key, counts)
    if arguments.with_responses:
        if responses is None:
            raise InputError(
                f"The responses of {counts.name} were not kept when it was counted; "
                "count it again with --fresh."
            )
        responses.save(responses_beside(arguments.out))
    if responses is None:
        return None
    return attributes(responses, "tokens", "conversations", "complete")


def _doubts(corpus: Corpus) -> list[str]:
    """Write what the user should check: how columns are read, notes, files left out."""
    info = corpus.describe()
    doubts = [] if info.sure else [f"Read {info.mapping.sentence()}."]
    return [*doubts, *info.notes, *(f"Left out: {file}." for file in info.left_out)]


def totals(counts: TokenCounts) -> Result:
    """Summarise counts and how they were made.

    Args:
        counts: The counts.

    Returns:
        JSON values.
    """
    origin = ("vocab_size_from", "rule", "span_end", "seconds", "engine", "tokenizer", "template")
    names = ("tokens", "distinct", "conversations", "skipped", "vocab_size", "key")
    return attributes(counts, *names) | attributes(counts.provenance, *origin)


def _counts_text(result: Result) -> str:
    text = named_values(
        result,
        "tokens",
        "distinct",
        "vocab_size",
        "vocab_size_from",
        "conversations",
        "skipped",
        "rule",
        "span_end",
        "tokenizer",
        "template",
        "engine",
        "seconds",
        "cached",
        "merged",
        "key",
        "out",
    )
    lines = [text]
    for skip in result.get("skips", ()):
        lines.append(f"skipped {skip['rows']:,}: {skip['reason']} ({', '.join(skip['places'])})")
    for note in result.get("notes", ()):
        lines.append(f"note, {note['times']:,}: {note['note']} ({', '.join(note['places'])})")
    if sentence := result.get("proof", {}).get("sentence"):
        lines.append(f"proof: {sentence}")
        lines += [f"  {detail}" for detail in result["proof"].get("details", ())]
    return "\n".join([*lines, *(f"warning: {sentence}" for sentence in result.get("warnings", ()))])


def _merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "counts",
        nargs="+",
        metavar="COUNTS",
        help="files of `count` (same tokenizer, template and rule), or keys in the workspace",
    )
    shared(parser, "--out", required=True, help="file to write")


def _merge(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counting.cache import keep_merged
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.counts_store import find_counts

    counts_sets = [find_counts(spec) for spec in arguments.counts]
    merged, *others = counts_sets
    for spec, counts in zip(arguments.counts[1:], others, strict=True):
        merged.check_same_kind(counts, names=(arguments.counts[0], spec))
        merged += counts
    merged.save(arguments.out)
    responses = [
        find_responses(spec, counts)
        for spec, counts in zip(arguments.counts, counts_sets, strict=True)
    ]
    keep_merged(merged, counts_sets, responses)
    return {
        **totals(merged),
        "out": arguments.out,
        "merged": len(counts_sets),
        "warnings": _doubled(zip(arguments.counts, counts_sets, strict=True)),
    }


def _doubled(sets: Iterable[tuple[str, TokenCounts]]) -> list[str]:
    """Write a sentence for every corpus whose conversations are in the sum twice."""
    holders: dict[str, str] = {}
    doubled = []
    for spec, counts in sets:
        for corpus in counts.provenance.corpora:
            if first := holders.get(corpus["sha256"]):
                doubled.append(
                    f"{first} and {spec} both hold the counts of {corpus['name']}, which are in "
                    "the sum twice now."
                )
            holders.setdefault(corpus["sha256"], spec)
    return doubled


COMMANDS = (
    Command(
        "count",
        "count the tokens of a corpus, exactly; resumable, and instant the second time",
        _count,
        _count_arguments,
        _counts_text,
        "count --tokenizer llama-3.1 --data chats.jsonl.zst --out chats.npz",
        prepare=_without_pandas,
    ),
    Command(
        "merge",
        "add counts of several corpora, from any machine, into one",
        _merge,
        _merge_arguments,
        _counts_text,
        "merge part-0.npz part-1.npz --out blend.npz",
    ),
)
