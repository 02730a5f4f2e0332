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
    from vocabtrim_core.counting.shard_counts import load_shards
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.generalization.compare import transfer_matrix
    from vocabtrim_core.generalization.stability import held_out_of

    specs = [arguments.counts, *arguments.on]
    sets = comparable_counts(specs)
    counts = sets[0]
    curve = CoverageCurve.of(counts)
    vocabulary, note = named_vocabulary(arguments, counts, curve)
    responses = responses_of(specs, sets)
    result: Result = {
        "k": len(vocabulary),
        "rule": counts.provenance.rule,
        "vocab_size": counts.vocab_size,
        "sets": [],
    }
    for i, (measured, own_responses) in enumerate(zip(sets, responses, strict=True)):
        progress(i, len(sets), f"coverage of {measured.name}")
        own = arguments.k is not None and measured.key == counts.key
        result["sets"].append(_measured(vocabulary, measured, own_responses, own, arguments.seed))
    result |= {name: result["sets"][0][name] for name in ("coverage", "unique_coverage")}
    if arguments.domains:
        chooser = counts.key if arguments.k is not None else None
        result["domains"] = _domains(vocabulary, sets, responses, chooser, arguments.seed)
    if arguments.matrix:
        k = len(vocabulary)
        own = [
            held_out_of(counts, k, own_responses, load_shards(counts.key), arguments.seed)
            for counts, own_responses in zip(sets, responses, strict=True)
        ]
        matrix = transfer_matrix(sets, k, [coverage and coverage.value for coverage in own])
        result["matrix"] = {
            "names": list(matrix.names),
            "basis": list(matrix.basis),
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
        row["name"]
        for row in result["sets"]
        if row["interval"] is None and row.get("held_out") is None
    )
    result["without_interval"] = list(dict.fromkeys(without))
    result["note"] = note
    return result


def named_vocabulary(
    arguments: argparse.Namespace, counts: TokenCounts, curve: CoverageCurve
) -> tuple[DraftVocabulary, str | None]:
    """Read the tokens that --k or --vocabulary names.

    Args:
        arguments: The command line.
        counts: The counts that k tokens are chosen on.
        curve: Their coverage curve.

    Returns:
        The tokens, and a note on them.

    Raises:
        InputError: The file cannot be read, or belongs to another tokenizer.
    """
    if arguments.k is not None:
        return curve.vocabulary(arguments.k), curve.padding_note(arguments.k)
    from vocabtrim_core.mappings.imported import import_mapping_for

    mapping = import_mapping_for(arguments.vocabulary, counts)
    unsound = f"{mapping.name} is not sound, it is measured as what it holds: "
    return mapping.vocabulary, None if mapping.valid else unsound + " ".join(mapping.problems)


def _measured(
    vocabulary: DraftVocabulary,
    counts: TokenCounts,
    responses: Responses | None,
    in_sample: bool,
    seed: int,
) -> Result:
    """One row: coverage with its interval; of the corpus that chose only held out has one."""
    from vocabtrim_core.counting.shard_counts import load_shards
    from vocabtrim_core.coverage import coverage_on
    from vocabtrim_core.generalization.pieces import interval_on
    from vocabtrim_core.generalization.stability import held_out_of
    from vocabtrim_core.generalization.unseen import unseen

    pieces = load_shards(counts.key)
    row: Result = {
        **asdict(coverage_on(vocabulary, counts)),
        "conversations": counts.conversations,
        "in_sample": in_sample,
        "unseen": asdict(unseen(counts.counts, responses, pieces)),
        "interval": None,
    }
    if in_sample:
        held_out = held_out_of(counts, len(vocabulary), responses, pieces, seed)
        if held_out is not None:
            row["held_out"] = asdict(held_out)
            row["optimism"] = row["coverage"] - held_out.value
    elif interval := interval_on(responses, pieces, vocabulary.t2d):
        row["interval"] = [interval.low, interval.high]
    return row


def _domains(
    vocabulary: DraftVocabulary,
    sets: Sequence[TokenCounts],
    responses: Sequence[Responses | None],
    chooser: str | None,
    seed: int,
) -> list[Result]:
    """Rows by label; of the corpus that chose the tokens (by its key) held out."""
    from vocabtrim_core.counting.shard_counts import load_domain_shards
    from vocabtrim_core.generalization.pieces import domains_on

    rows: list[Result] = []
    for counts, own_responses in zip(sets, responses, strict=True):
        coverages, held_out = domains_on(
            own_responses,
            load_domain_shards(counts.key),
            vocabulary.t2d,
            len(vocabulary) if counts.key == chooser else None,
            counts=counts.counts,
            seed=seed,
        )
        rows += [{"name": counts.name, **asdict(row), "held_out": held_out} for row in coverages]
    return rows


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
    head = ("counts", "tokens", "coverage", "95% interval", "unique", "missing", "unseen", "")
    rows = [
        (
            row["name"],
            row["tokens"],
            f"{row.get('held_out', {'value': row['coverage']})['value']:.2%}",
            _between(row),
            f"{row['unique_coverage']:.2%}",
            row["missing_tokens"],
            f"{'at least ' * (row['unseen']['basis'] == 'tokens')}{row['unseen']['value']:.3%}",
            _in_sample(row),
        )
        for row in result["sets"]
    ]
    lines = [f"k = {result['k']:,} of {result['vocab_size']:,}", table([head, *rows])]
    lines.append(
        "unseen: estimated share of a new conversation's tokens that the counts have never seen"
    )
    if "domains" in result:
        rows = [
            (
                row["name"],
                row["domain"],
                row["conversations"],
                row["tokens"],
                f"{row['coverage']:.2%}",
                "held out" if row["held_out"] else "",
            )
            for row in result["domains"]
        ]
        lines.append(
            table([("counts", "domain", "conversations", "tokens", "coverage", ""), *rows])
        )
    if matrix := result.get("matrix"):
        lines += [_matrix_text(matrix)]
    for missing in result.get("missing", ()):
        lines += [_missing_text(missing)]
    if names := result["without_interval"]:
        lines.append(NO_RESPONSES.format(names=", ".join(names)))
    return "\n\n".join(filter(None, [*lines, result["note"]]))


def _matrix_text(matrix: Result) -> str:
    """The coverages; of a corpus by its own tokens with how it was measured."""
    rows = [("", *matrix["names"])]
    for name, *row in zip(matrix["names"], matrix["coverage"], matrix["basis"], strict=True):
        cells = (f"{share:.1%} {basis}" for share, basis in zip(*row, strict=True))
        rows.append((name, *cells))
    return "chosen on (row), measured on (column)\n\n" + table(rows)


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


def _between(row: Result) -> str:
    """The interval of what is shown: of a corpus that chose, held out."""
    held_out = row.get("held_out", {})
    low, high = row["interval"] or (held_out.get("low"), held_out.get("high"))
    return f"{low:.2%} to {high:.2%}" if low is not None else ""


def _in_sample(row: Result) -> str:
    """Marks the corpus that chose the tokens."""
    if not row["in_sample"]:
        return ""
    return f"held out (in sample {row['coverage']:.2%})" if "held_out" in row else "in sample"


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
