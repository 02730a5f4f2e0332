"""What `count` and `spans` read and mark: tokenizer, conversations, the part that counts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import integer
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer


def tokenizer_arguments(parser: argparse.ArgumentParser) -> None:
    """--tokenizer and what belongs to it."""
    add = parser.add_argument
    add(
        "--tokenizer",
        metavar="T",
        required=True,
        help="a preset (see `tokenizers`), a folder, a tokenizer.json, or a hub id",
    )
    add("--tokenizer-revision", metavar="REV", help="branch, tag or commit of a hub tokenizer")
    size = parser.add_argument_group(
        "the target's vocabulary size V"
    ).add_mutually_exclusive_group()
    size.add_argument(
        "--model-config",
        type=Path,
        metavar="FILE",
        help="the target's config.json, which holds it (default: the one beside the tokenizer)",
    )
    size.add_argument(
        "--vocab-size",
        type=integer,
        metavar="V",
        help="V itself, where no config.json is at hand; at least the tokenizer's largest id + 1",
    )


def tokenizer_of(arguments: argparse.Namespace) -> Tokenizer:
    """The tokenizer that these arguments name."""
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    return load_tokenizer(
        arguments.tokenizer,
        revision=arguments.tokenizer_revision,
        config=arguments.model_config,
        vocab_size=arguments.vocab_size,
    )


def corpus_arguments(parser: argparse.ArgumentParser) -> None:
    """--data or --dataset, and how they are read."""
    source = parser.add_argument_group("conversations, one of")
    add = source.add_argument
    add(
        "--data",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="files, folders (also datasets saved to disk or cloned) or patterns: .jsonl .json "
        ".parquet .arrow .csv, also .gz or .zst",
    )
    add("--dataset", metavar="NAME", help="a preset (see `datasets`) or an id of the hub")

    read = parser.add_argument_group("how they are read").add_argument
    read(
        "--map",
        nargs="+",
        action="extend",
        metavar="FIELD=COLUMN",
        help="columns to read when they are not recognised: conversation=…, or prompt=… and "
        "response=…, or text=…; a.b.0 for a value inside of others; roles.NAME=ROLE for a role "
        "of another name",
    )
    read("--limit", type=integer, metavar="ROWS", help="count only the first rows")
    read("--dataset-config", metavar="NAME", help="configuration of a hub dataset")
    read("--split", metavar="NAME", help="split of a hub dataset (default train)")
    read("--dataset-revision", metavar="REV", help="branch, tag or commit of a hub dataset")


def span_arguments(parser: argparse.ArgumentParser) -> None:
    """What of a conversation counts."""
    what = parser.add_argument_group("what is counted").add_argument
    what(
        "--rule",
        default="assistant",
        help="assistant: what the target generates in its turns, up to and including the stop "
        "token; content: without the stop token; all: everything; reference: as the paper's code "
        "(default %(default)s)",
    )
    what(
        "--span-end",
        default="stop",
        help="where a turn ends under the rule assistant; stop: with its stop token; template: "
        "with all that the template writes for it, such as the newline after the stop token, "
        "which SpecForge trains on; next-role: as stop, and with the marker of the next role "
        "where a template writes no stop token (default %(default)s)",
    )
    what(
        "--template",
        default="auto",
        help="chat template: auto (the tokenizer's own), llama3, llama4, qwen, deepseek, phi3, "
        "phi4, gemma, mistral (default %(default)s)",
    )
    what("--no-reasoning", action="store_true", help="leave reasoning content out")
    what("--last-turn-only", action="store_true", help="count only the last assistant turn")


def corpus_of(arguments: argparse.Namespace, progress: Progress) -> Corpus:
    """The corpus that --data or --dataset names."""
    if bool(arguments.data) == bool(arguments.dataset):
        raise InputError("Give the conversations either as --data PATH or as --dataset NAME.")
    from vocabtrim_core.corpora import ColumnMapping, open_corpus

    mapping = ColumnMapping.parse(arguments.map) if arguments.map else None
    if arguments.data:
        return open_corpus(arguments.data, mapping=mapping, limit=arguments.limit)
    from vocabtrim_core.corpora.hub import fetch_hub, fetch_preset
    from vocabtrim_core.corpora.presets import DATASET_PRESETS

    if arguments.dataset in DATASET_PRESETS:
        return fetch_preset(arguments.dataset, limit=arguments.limit, progress=progress)
    return fetch_hub(
        arguments.dataset,
        config=arguments.dataset_config,
        split=arguments.split or "train",
        revision=arguments.dataset_revision,
        limit=arguments.limit,
        mapping=mapping,
        progress=progress,
    )
