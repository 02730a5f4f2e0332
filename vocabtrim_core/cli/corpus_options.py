"""What `count` and `spans` read and mark: tokenizer, conversations, the part that counts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import integer, shared
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer


def tokenizer_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --tokenizer and the options that belong to it.

    Args:
        parser: The parser of the command.
    """
    shared(
        parser,
        "--tokenizer",
        required=True,
        help="a preset (see `tokenizers`), a folder, a tokenizer.json, or a hub id",
    )
    parser.add_argument(
        "--tokenizer-revision", metavar="REV", help="branch, tag or commit of a hub tokenizer"
    )
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
    """Load the tokenizer that the command line names.

    Args:
        arguments: The parsed command line.

    Returns:
        The tokenizer, with the target's V.
    """
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    return load_tokenizer(
        arguments.tokenizer,
        revision=arguments.tokenizer_revision,
        config=arguments.model_config,
        vocab_size=arguments.vocab_size,
    )


def corpus_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --data or --dataset, and how they are read.

    Args:
        parser: The parser of the command.
    """
    source = parser.add_argument_group("conversations, one of")
    shared(
        source,
        "--data",
        help="files, folders (also datasets saved to disk or cloned) or patterns: .jsonl .json "
        ".parquet .arrow .csv, also .gz or .zst",
    )
    source.add_argument(
        "--dataset", metavar="NAME", help="a preset (see `datasets`) or an id of the hub"
    )

    reading = parser.add_argument_group("how they are read")
    reading.add_argument(
        "--map",
        nargs="+",
        action="extend",
        metavar="FIELD=COLUMN",
        help="columns to read when they are not recognised: conversation=…, or prompt=… and "
        "response=…, or text=…; a.b.0 for a value inside of others; roles.NAME=ROLE for a role "
        "of another name; A+B joins two columns, and a plus of a name is written \\+",
    )
    shared(reading, "--limit")
    add = reading.add_argument
    add("--dataset-config", metavar="NAME", help="configuration of a hub dataset")
    add("--split", metavar="NAME", help="split of a hub dataset (default train)")
    add("--dataset-revision", metavar="REV", help="branch, tag or commit of a hub dataset")


def span_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which part of a conversation counts.

    Args:
        parser: The parser of the command.
    """
    from vocabtrim_core.counting.config import CountConfig

    group = parser.add_argument_group("what is counted")
    add_options(group, CountConfig, "rule")
    group.add_argument(
        "--span-end",
        default="stop",
        help="where a turn ends under the rule assistant; stop: with its stop token; template: "
        "with all that the template writes for it, such as the newline after the stop token, "
        "which SpecForge trains on; next-role: as stop, and with the marker of the next role "
        "where a template writes no stop token (default %(default)s)",
    )
    shared(group, "--template")
    add_options(group, CountConfig, "reasoning", "last_turn_only")


def corpus_of(arguments: argparse.Namespace, progress: Progress) -> Corpus:
    """Open the corpus that --data or --dataset names.

    Args:
        arguments: The parsed command line.
        progress: Takes reports of a download.

    Returns:
        The corpus.

    Raises:
        InputError: Both or neither are given.
    """
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
