"""Commands that list or build what can be counted: demo, tokenizers, datasets."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import shared
from vocabtrim_core.cli.command import Command, Result, attributes, no_options, table

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    shared(parser, "--out", required=True, metavar="DIR", help="folder to write to")


def _demo(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.corpora import demo

    built = demo.build(arguments.out, progress)
    manifest = json.loads((arguments.out / "manifest.json").read_text("utf-8"))["corpora"]
    return {
        "out": arguments.out,
        "corpora": {
            name: {"path": str(path), "conversations": manifest[name]["conversations"]}
            for name, path in built.items()
        },
    }


def _demo_text(result: Result) -> str:
    rows = [(name, c["conversations"], c["path"]) for name, c in result["corpora"].items()]
    return table([("corpus", "conversations", "file"), *rows])


def _tokenizers_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--build",
        action="store_true",
        help="convert the bundled tokenizers and probe their chat templates now, as the first "
        "count with each would, and keep the result in the workspace",
    )


def _tokenizers(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.tokenizers.presets import PRESETS

    if arguments.build:
        from vocabtrim_core.templates.resolve import resolve_template
        from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

        for done, name in enumerate(PRESETS):
            progress(done, len(PRESETS), f"Building the tokenizer {name}")
            resolve_template(load_tokenizer(name))
    shown = ("name", "title", "vocab_size", "licence")
    return {"tokenizers": [attributes(p, *shown) for p in PRESETS.values()]}


def _tokenizers_text(result: Result) -> str:
    rows = ((t["name"], t["vocab_size"], t["title"], t["licence"]) for t in result["tokenizers"])
    return table([("tokenizer", "V", "title", "licence"), *rows])


def _datasets(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.corpora.presets import DATASET_PRESETS

    shown = ("title", "dataset", "config", "split", "licence", "responses", "note")
    known = DATASET_PRESETS.items()
    return {
        "datasets": [{"name": name, **attributes(p, *shown)} for name, p in known],
        "note": "Datasets of the Hugging Face hub: they need internet the first time.",
    }


def _datasets_text(result: Result) -> str:
    rows = (
        (d["name"], d["title"], d["dataset"], "" if d["responses"] else "prompts only")
        for d in result["datasets"]
    )
    return table([("dataset", "title", "hub id", ""), *rows]) + f"\n{result['note']}"


COMMANDS = (
    Command(
        "demo",
        "build the embedded demo corpora, a broad one and a narrow one, without internet",
        _demo,
        _demo_arguments,
        _demo_text,
        "demo --out demo",
    ),
    Command(
        "tokenizers",
        "list the bundled tokenizers; folders, tokenizer.json files and hub ids work too",
        _tokenizers,
        _tokenizers_arguments,
        _tokenizers_text,
    ),
    Command(
        "datasets",
        "list the datasets of the hub that are known by name; other ids work too",
        _datasets,
        no_options,
        _datasets_text,
    ),
)
