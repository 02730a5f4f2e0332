"""The command that measures coverage by script and by language: languages."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import counts_argument, integer, shared
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.cli.coverage import named_vocabulary
from vocabtrim_core.cli.resolve import (
    comparable_counts,
    responses_of,
    tokenizer_argument,
    tokenizer_of,
)

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    group = parser.add_mutually_exclusive_group(required=True)
    shared(group, "--k")
    shared(group, "--vocabulary", help="a vocabulary from a file, see `compare`")
    parser.add_argument(
        "--on",
        nargs="+",
        action="extend",
        default=[],
        metavar="COUNTS",
        help="other counts (same tokenizer, V and rule) to measure the vocabulary on",
    )
    parser.add_argument(
        "--sample",
        type=integer,
        metavar="N",
        help="conversations whose language is detected, drawn at random (default 2,000)",
    )
    tokenizer_argument(parser)
    shared(parser, "--seed", default=0)


def _languages(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.errors import InputError
    from vocabtrim_core.generalization.languages import (
        SAMPLE,
        coverage_by_language,
        coverage_by_script,
        with_languages,
        worst_language,
    )
    from vocabtrim_core.tokenizers.kinds import token_kinds

    sample = SAMPLE if arguments.sample is None else arguments.sample
    if sample < 1:
        raise InputError(f"--sample must be 1 conversation or more, not {sample}.")
    specs = [arguments.counts, *arguments.on]
    sets = comparable_counts(specs)
    curve = CoverageCurve.of(sets[0])
    vocabulary, note = named_vocabulary(arguments, sets[0], curve)
    tokenizer = tokenizer_of(sets[0], arguments.tokenizer)
    kinds, is_kept = token_kinds(tokenizer), vocabulary.t2d
    rows: list[Result] = []
    responses = responses_of(specs, sets)
    for number, (counts, own) in enumerate(zip(sets, responses, strict=True)):
        progress(number, len(sets), f"languages of {counts.name}")
        in_sample = arguments.k is not None and counts.key == sets[0].key
        row: Result = {
            "name": counts.name,
            "scripts": [
                asdict(script) for script in coverage_by_script(counts.counts, kinds, is_kept)
            ],
            "languages": None,
            "worst": None,
        }
        if own is not None:
            labelled = with_languages(own, tokenizer, sample=sample, seed=arguments.seed)
            chosen_on = counts.counts if in_sample else None
            languages = coverage_by_language(
                labelled, is_kept, counts=chosen_on, seed=arguments.seed
            )
            worst = worst_language(languages)
            row |= {
                "languages": [asdict(language) for language in languages],
                "held_out": in_sample and own.conversations > 1,
                "looked_at": min(sample, own.conversations),
                "conversations": own.conversations,
                "worst": worst.domain if worst else None,
            }
        rows.append(row)
    return {"k": len(vocabulary), "vocab_size": vocabulary.vocab_size, "sets": rows, "note": note}


def _text(result: Result) -> str:
    lines = [f"k = {result['k']:,} of {result['vocab_size']:,}"]
    for row in result["sets"]:
        lines.append(_set_text(row))
    return "\n\n".join(filter(None, [*lines, result["note"]]))


def _set_text(row: Result) -> str:
    scripts = [
        (s["script"], s["tokens"], f"{s['share']:.2%}", f"{s['coverage']:.2%}", s["missing"])
        for s in row["scripts"]
    ]
    head = ("script", "tokens", "share", "coverage", "distinct missing")
    parts = [row["name"], table([head, *scripts])]
    if row["languages"] is None:
        return "\n\n".join([*parts, "No languages: the counted answers are not in this workspace."])
    languages = []
    for language in row["languages"]:
        span = language["interval"]
        between = f"{span['low']:.2%} to {span['high']:.2%}" if span else ""
        coverage = f"{language['coverage']:.2%}"
        cells = language["domain"], language["conversations"], language["tokens"]
        languages.append((*cells, coverage, between))
    head = ("language", "conversations", "tokens", "coverage", "95% interval")
    how = ", held out" if row["held_out"] else ""
    parts.append(table([head, *languages]))
    parts.append(
        f"Languages are detected on {row['looked_at']:,} of {row['conversations']:,} "
        f"conversations, from their counted answers{how}."
    )
    if row["worst"]:
        worst = next(x for x in row["languages"] if x["domain"] == row["worst"])
        parts.append(f"The worst is {row['worst']}, {worst['coverage']:.2%}.")
    return "\n\n".join(parts)


COMMANDS = (
    Command(
        "languages",
        "measure what a vocabulary covers by script and by detected language",
        _languages,
        _arguments,
        _text,
        "languages blend.npz --k 32768 --on german.npz",
    ),
)
