"""The command that measures vocabularies from files: compare."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import check_shares, integer, settings_arguments, shared
from vocabtrim_core.cli.command import Command, Result, named_values, table
from vocabtrim_core.cli.resolve import comparable_counts, tokenizer_argument, tokenizer_or_none

if TYPE_CHECKING:
    import numpy as np

    from vocabtrim_core.jobs.progress import Progress


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "mappings",
        nargs="+",
        metavar="MAPPING",
        help="vocab_mapping.pt, cache.pt, d2t.npy, d2t.pt, freq_*.pt, draft_token_map.pt, ids.json "
        "or .txt, .npz, ranges.json, .i32, .vocab.csv, a GGUF file with a smaller head, a draft's "
        "safetensors or folder, a checkpoint of `trim-mtp`, a folder written by `export`",
    )
    shared(
        parser,
        "--counts",
        nargs="+",
        action="extend",
        required=True,
        help="counts to measure on; gained and lost tokens are weighted by the first",
    )
    settings_arguments(parser, "architecture", "alpha")
    parser.add_argument(
        "--tokens",
        type=integer,
        default=10,
        metavar="N",
        help="gained and lost tokens to list (default %(default)s)",
    )
    parser.add_argument(
        "--ranks",
        type=integer,
        metavar="R",
        help="tensor-parallel ranks that share V: show the rows of each",
    )
    tokenizer_argument(parser)


def _compare(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.generalization.compare import compare
    from vocabtrim_core.generalization.list_audit import audit
    from vocabtrim_core.mappings.imported import import_mapping_for
    from vocabtrim_core.selection_spec.draft_kind import draft_or_none

    check_shares(arguments, "alpha")
    sets = comparable_counts(arguments.counts)
    mappings = [import_mapping_for(path, sets[0]) for path in arguments.mappings]
    reference = mappings[0].vocabulary if len(mappings) > 1 else None
    rows = compare(
        [(mapping.name, mapping.vocabulary) for mapping in mappings],
        sets,
        draft_or_none(arguments, sets[0].vocab_size),
        arguments.alpha,
        reference,
    )
    tokenizer = tokenizer_or_none(sets[0], arguments.tokenizer)
    audits = [
        audit(mapping.ids, mapping.vocabulary, sets, tokenizer, arguments.ranks)
        for mapping in mappings
    ]

    def shown(ids: np.ndarray) -> list[Result]:
        return [
            {"id": int(i), "count": int(sets[0].counts[i])}
            | ({"token": tokenizer.token(int(i))} if tokenizer else {})
            for i in ids[: arguments.tokens]
        ]

    return {
        "counts": [counts.name for counts in sets],
        "reference": mappings[0].name if reference else f"most frequent tokens of {sets[0].name}",
        "mappings": [
            {
                "name": mapping.name,
                "kind": mapping.kind,
                "stored_as": mapping.stored_as,
                "tokenizer": str(mapping.origin) if mapping.origin else None,
                "k": len(row.vocabulary),
                "valid": mapping.valid,
                "problems": list(mapping.problems),
                "checks": [asdict(check) for check in mapping.checks],
                "rows": asdict(audit),
                "remarks": list(audit.sentences),
                "coverage": [asdict(c) for c in row.coverages],
                "best_coverage_of_this_size": row.best,
                "latency_reduction": row.latency_reduction,
                "utility": row.utility,
                "gained": len(row.gained),
                "gained_share": row.gained_share,
                "gained_tokens": shown(row.gained),
                "lost": len(row.lost),
                "lost_share": row.lost_share,
                "lost_tokens": shown(row.lost),
            }
            for mapping, row, audit in zip(mappings, rows, audits, strict=True)
        ],
    }


def _compare_text(result: Result) -> str:
    head = ("mapping", "k", "valid", "R", "utility", *result["counts"])
    rows = [
        (
            mapping["name"],
            mapping["k"],
            mapping["valid"],
            "" if mapping["latency_reduction"] is None else f"{mapping['latency_reduction']:.2%}",
            "" if mapping["utility"] is None else f"{mapping['utility']:.4f}",
            *(f"{row['coverage']:.2%}" for row in mapping["coverage"]),
        )
        for mapping in result["mappings"]
    ]
    lines = [table([head, *rows])]
    for mapping in result["mappings"]:
        ranks = ", ".join(f"{rows:,}" for rows in mapping["rows"]["ranks"])
        shown = {**mapping, "rows per rank": ranks}
        text = named_values(shown, "kind", "stored_as", "tokenizer", "problems", "rows per rank")
        text = "\n".join([text, *mapping["remarks"]])
        for name in ("gained", "lost"):
            tokens = ", ".join(
                repr(token.get("token", token["id"])) for token in mapping[f"{name}_tokens"]
            )
            text += f"\n{name} {mapping[name]:,} tokens ({mapping[f'{name}_share']:.3%}): {tokens}"
        lines.append(f"{mapping['name']} against {result['reference']}\n{text}")
    return "\n\n".join(lines)


COMMANDS = (
    Command(
        "compare",
        "check existing vocabularies and measure them on counts",
        _compare,
        _compare_arguments,
        _compare_text,
        "compare vocab_mapping.pt draft/ --counts blend.npz gsm8k.npz",
    ),
)
