"""Commands from text to counts: count, merge, demo, tokenizers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.command import Command, Result, facts, table

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.progress import Progress


# --- merge --------------------------------------------------------------------------------------


def _merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "counts",
        nargs="+",
        metavar="COUNTS",
        help="files of `count` (same tokenizer, template and rule), or keys in the workspace",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")


def _merge(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.workspace import find_counts, save_counts

    merged, *others = [find_counts(spec) for spec in arguments.counts]
    for other in others:
        merged += other
    merged.save(arguments.out)
    save_counts(merged)
    return {**_totals(merged), "out": str(arguments.out), "merged": len(others) + 1}


def _totals(counts: TokenCounts) -> Result:
    made = counts.provenance
    return {
        "tokens": counts.tokens,
        "distinct": counts.distinct,
        "conversations": counts.conversations,
        "skipped": counts.skipped,
        "vocab_size": counts.vocab_size,
        "rule": made.rule,
        "seconds": made.seconds,
        "engine": made.engine,
        "tokenizer": made.tokenizer,
        "template": made.template,
        "key": counts.key,
    }


def _counts_text(result: Result) -> str:
    return facts(
        result, "tokens", "distinct", "vocab_size", "conversations", "skipped", "rule",
        "tokenizer", "template", "engine", "seconds", "cached", "merged", "key", "out",
    )  # fmt: skip


# --- demo, tokenizers ---------------------------------------------------------------------------


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")


def _demo(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.corpora import demo

    built = demo.build(arguments.out)
    return {"out": str(arguments.out), "corpora": {name: str(p) for name, p in built.items()}}


def _tokenizers(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.tokenizer_presets import PRESETS

    shown = ("name", "title", "vocab_size", "licence")
    return {"tokenizers": [{n: getattr(p, n) for n in shown} for p in PRESETS.values()]}


def _tokenizers_text(result: Result) -> str:
    rows = ((t["name"], t["vocab_size"], t["title"], t["licence"]) for t in result["tokenizers"])
    return table([("tokenizer", "V", "title", "licence"), *rows])


COMMANDS = (
    Command(
        "merge",
        "add counts of several corpora, from any machine, into one",
        _merge,
        _merge_arguments,
        _counts_text,
        "merge part-0.npz part-1.npz --out blend.npz",
    ),
    Command(
        "demo",
        "build the embedded demo corpora, a broad one and a narrow one",
        _demo,
        _demo_arguments,
        lambda result: table([(name, path) for name, path in result["corpora"].items()]),
        "demo --out demo",
    ),
    Command(
        "tokenizers",
        "list the bundled tokenizers; folders, tokenizer.json files and hub ids work too",
        _tokenizers,
        lambda parser: None,
        _tokenizers_text,
    ),
)
