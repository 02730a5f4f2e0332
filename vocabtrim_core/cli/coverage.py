"""The command that measures what a vocabulary covers: coverage."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import counts_argument, integer, shared
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.cli.resolve import (
    NO_RESPONSES,
    comparable_counts,
    responses_of,
    tokenizer_argument,
    tokenizer_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vocabtrim_core.counting.responses import Responses
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer
    from vocabtrim_core.vocabulary import DraftVocabulary


def _coverage_arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    group = parser.add_mutually_exclusive_group(required=True)
    shared(group, "--k")
    shared(group, "--vocabulary", help="a vocabulary from a file, see `compare`")
    add = parser.add_argument
    add(
        "--on",
        nargs="+",
        action="extend",
        default=[],
        metavar="COUNTS",
        help="other counts (same tokenizer, V and rule) to measure the vocabulary on",
    )
    add(
        "--matrix",
        action="store_true",
        help="also choose k tokens on each of the counts and measure them on all others",
    )
    add("--domains", action="store_true", help="also by the domain labels of the rows")
    add(
        "--missing",
        type=integer,
        default=0,
        metavar="N",
        help="also list the N most frequent tokens that are missing, by kind and in context",
    )
    tokenizer_argument(parser)
    shared(parser, "--seed", default=0, help="of intervals (default %(default)s)")


def _coverage(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.generalization.compare import transfer_matrix

    specs = [arguments.counts, *arguments.on]
    sets = comparable_counts(specs)
    counts = sets[0]
    curve = CoverageCurve.of(counts)
    vocabulary, note = _vocabulary(arguments, counts, curve)
    responses = responses_of(specs, sets)
    result: Result = {
        "k": len(vocabulary),
        "rule": counts.provenance.rule,
        "vocab_size": counts.vocab_size,
        "sets": [],
    }
    for i, (measured, own_responses) in enumerate(zip(sets, responses, strict=True)):
        progress(i, len(sets), f"coverage of {measured.name}")
        own = i == 0 and arguments.k is not None
        result["sets"].append(_measured(vocabulary, measured, own_responses, own, arguments.seed))
    result |= {name: result["sets"][0][name] for name in ("coverage", "unique_coverage")}
    if arguments.domains:
        result["domains"] = _domains(vocabulary, sets, responses, arguments.seed)
    if arguments.matrix:
        matrix = transfer_matrix(sets, len(vocabulary))
        result["matrix"] = {
            "names": list(matrix.names),
            "coverage": matrix.coverage,
            "unique_coverage": matrix.unique,
        }
    if arguments.missing:
        tokenizer = tokenizer_of(counts, arguments.tokenizer)
        result["missing"] = [
            _missing(vocabulary, measured, own_responses, tokenizer, arguments.missing)
            for measured, own_responses in zip(sets, responses, strict=True)
        ]
    without = (
        c.name for c, own_responses in zip(sets, responses, strict=True) if own_responses is None
    )
    result["without_interval"] = list(dict.fromkeys(without))
    result["note"] = note
    return result


def _vocabulary(
    arguments: argparse.Namespace, counts: TokenCounts, curve: CoverageCurve
) -> tuple[DraftVocabulary, str | None]:
    """Return the tokens, and a note on them."""
    if arguments.k is not None:
        return curve.vocabulary(arguments.k), curve.padding_note(arguments.k)
    from vocabtrim_core.mappings.importing import import_for

    mapping = import_for(arguments.vocabulary, counts)
    unsound = f"{mapping.name} is not sound, it is measured as what it holds: "
    return mapping.vocabulary, None if mapping.valid else unsound + " ".join(mapping.problems)


def _measured(
    vocabulary: DraftVocabulary,
    counts: TokenCounts,
    responses: Responses | None,
    in_sample: bool,
    seed: int,
) -> Result:
    """Measure one set: coverage, its interval, and held-out coverage where it chose."""
    from vocabtrim_core.coverage import coverage_on
    from vocabtrim_core.generalization.uncertainty import (
        coverage_interval,
        held_out_coverage,
        unseen_in_new_conversation,
        unseen_mass,
    )

    row: Result = {
        **asdict(coverage_on(vocabulary, counts)),
        "conversations": counts.conversations,
        "in_sample": in_sample,
        "unseen_mass": unseen_mass(counts.counts),
        "interval": None,
    }
    if responses is None or responses.conversations < 2:
        return row
    interval = coverage_interval(responses, vocabulary.t2d, seed=seed)
    row["interval"] = [interval.low, interval.high]
    if responses.complete:
        row["unseen_in_new_conversation"] = unseen_in_new_conversation(responses)
    if in_sample:
        held_out = held_out_coverage(responses, len(vocabulary), counts=counts.counts, seed=seed)
        row["held_out"] = asdict(held_out)
        row["optimism"] = row["coverage"] - held_out.value
    return row


def _domains(
    vocabulary: DraftVocabulary,
    sets: Sequence[TokenCounts],
    responses: Sequence[Responses | None],
    seed: int,
) -> list[Result]:
    from vocabtrim_core.generalization.uncertainty import coverage_by_domain

    return [
        {"name": counts.name, **asdict(row)}
        for counts, own_responses in zip(sets, responses, strict=True)
        if own_responses is not None
        for row in coverage_by_domain(own_responses, vocabulary.t2d, seed=seed)
    ]


def _missing(
    vocabulary: DraftVocabulary,
    counts: TokenCounts,
    responses: Responses | None,
    tokenizer: Tokenizer,
    most: int,
) -> Result:
    from vocabtrim_core.generalization.missing import examples, missing
    from vocabtrim_core.tokenizers.kinds import token_kinds

    kinds = token_kinds(tokenizer)
    lacking = missing(counts, vocabulary, kinds)
    ids = lacking.ids[:most]
    shown = examples(responses, ids, tokenizer) if responses is not None else {}
    return {
        "name": counts.name,
        "share": lacking.share,
        "distinct": len(lacking.ids),
        "groups": [asdict(group) for group in lacking.groups],
        "tokens": [
            {
                "id": int(i),
                "token": tokenizer.token(int(i)),
                "kind": kinds.name(int(i)),
                "count": int(n),
                "share": int(n) / lacking.tokens,
                "examples": [asdict(example) for example in shown.get(int(i), ())],
            }
            for i, n in zip(ids, lacking.counts, strict=False)
        ],
    }


def _coverage_text(result: Result) -> str:
    head = ("counts", "tokens", "coverage", "95 % interval", "unique", "missing", "")
    rows = [
        (
            row["name"],
            row["tokens"],
            f"{row['coverage']:.2%}",
            _between(row["interval"]),
            f"{row['unique_coverage']:.2%}",
            row["missing_tokens"],
            "in sample" if row["in_sample"] else "",
        )
        for row in result["sets"]
    ]
    lines = [f"k = {result['k']:,} of {result['vocab_size']:,}", table([head, *rows])]
    for row in result["sets"]:
        if "held_out" in row:
            held_out, low, high = row["held_out"].values()
            lines.append(
                f"On new conversations of {row['name']}: {held_out:.2%} ({low:.2%} to {high:.2%}); "
                f"choosing and measuring on the same text flatters by {row['optimism']:.2%}."
            )
    if "domains" in result:
        rows = [
            (
                row["name"],
                row["domain"],
                row["conversations"],
                row["tokens"],
                f"{row['coverage']:.2%}",
            )
            for row in result["domains"]
        ]
        lines.append(table([("counts", "domain", "conversations", "tokens", "coverage"), *rows]))
    if matrix := result.get("matrix"):
        rows = [
            (name, *(f"{share:.1%}" for share in row))
            for name, row in zip(matrix["names"], matrix["coverage"], strict=True)
        ]
        lines += ["chosen on (row), measured on (column)", table([("", *matrix["names"]), *rows])]
    for missing in result.get("missing", ()):
        lines += [_missing_text(missing)]
    if names := result["without_interval"]:
        lines.append(NO_RESPONSES.format(names=", ".join(names)))
    return "\n\n".join(filter(None, [*lines, result["note"]]))


def _missing_text(missing: Result) -> str:
    groups = ", ".join(f"{g['kind']} {g['share']:.2%}" for g in missing["groups"])
    head = f"{missing['name']} lacks {missing['distinct']:,} tokens ({missing['share']:.2%})"
    rows = [
        (
            t["id"],
            repr(t["token"]),
            t["kind"],
            t["count"],
            next((repr(f"{e['before']}[{e['token']}]{e['after']}") for e in t["examples"]), ""),
        )
        for t in missing["tokens"]
    ]
    return "\n".join([f"{head}: {groups}", table([("id", "token", "kind", "count", ""), *rows])])


def _between(interval: Sequence[float] | None) -> str:
    return f"{interval[0]:.2%} to {interval[1]:.2%}" if interval else ""


COMMANDS = (
    Command(
        "coverage",
        "measure what the k most frequent tokens cover, here and on other corpora",
        _coverage,
        _coverage_arguments,
        _coverage_text,
        "coverage blend.npz --k 13264 --on gsm8k.npz mtbench.npz --missing 20",
    ),
)
