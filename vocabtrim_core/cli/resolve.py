"""Counts that may be compared, and their responses, tokenizer and samples."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import shared
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vocabtrim_core.counting.responses import Responses
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.generalization.stability import StabilitySample
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

NO_RESPONSES = (
    "Intervals are left out for {names}: the responses themselves are not at hand, which `count` "
    "keeps on the machine where it runs."
)


def tokenizer_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --tokenizer of commands that show or find tokens.

    Args:
        parser: The parser of the command.
    """
    shared(
        parser,
        "--tokenizer",
        help="the tokenizer of the counts, to decode tokens (default: found by its name)",
    )


def tokenizer_of(counts: TokenCounts, spec: str | None) -> Tokenizer:
    """Load the tokenizer that counts were made with.

    Args:
        counts: The counts.
        spec: The tokenizer that the user names, None to find it by the name in the counts.

    Returns:
        The tokenizer, with V of the counts.

    Raises:
        InputError: It is not found, or is another one.
    """
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    provenance = counts.provenance
    try:
        tokenizer = load_tokenizer(spec or provenance.tokenizer)
    except InputError as error:
        if spec:
            raise
        raise InputError(
            f"The tokenizer of {counts.name}, {provenance.tokenizer}, is not found by its name; "
            "give it with --tokenizer."
        ) from error
    return same_tokenizer(tokenizer, counts)


def same_tokenizer(tokenizer: Tokenizer, counts: TokenCounts) -> Tokenizer:
    """Give a tokenizer the V of counts that were made with it.

    Args:
        tokenizer: The tokenizer.
        counts: The counts.

    Returns:
        The tokenizer, with V of the counts.

    Raises:
        InputError: It is another one.
    """
    from dataclasses import replace

    provenance = counts.provenance
    if tokenizer.fingerprint != provenance.tokenizer_sha256:
        raise InputError(
            f"{tokenizer.name} is not the tokenizer that {counts.name} was counted with "
            f"({provenance.tokenizer}); give that one with --tokenizer."
        )
    if tokenizer.vocab_size == counts.vocab_size:
        return tokenizer
    return replace(tokenizer, vocab_size=counts.vocab_size)  # V came from a config.json


def tokenizer_or_none(counts: TokenCounts, spec: str | None) -> Tokenizer | None:
    """Load the tokenizer of counts where a command can show ids instead of texts.

    Args:
        counts: The counts.
        spec: The tokenizer that the user names, None to find it by the name in the counts.

    Returns:
        The tokenizer, None where it is not found by that name.

    Raises:
        InputError: The one that the user names is not found, or is another one.
    """
    try:
        return tokenizer_of(counts, spec)
    except InputError:
        if spec:
            raise
        return None


def comparable_counts(specs: Sequence[str]) -> list[TokenCounts]:
    """Load counts that are compared with each other.

    Args:
        specs: Files or keys.

    Returns:
        The counts.

    Raises:
        InputError: Tokenizer, V or rule differ from the first.
    """
    from vocabtrim_core.counts_store import find_counts

    sets = [find_counts(spec) for spec in specs]
    for spec, counts in zip(specs[1:], sets[1:], strict=True):
        sets[0].check_comparable(counts, (specs[0], spec))
    return sets


def responses_of(specs: Sequence[str], sets: Sequence[TokenCounts]) -> list[Responses | None]:
    """Load the responses of several counts.

    Args:
        specs: The files or keys of the counts.
        sets: The counts.

    Returns:
        The responses of each, None where they are not stored here.
    """
    from vocabtrim_core.counting.response_files import find_responses

    return [find_responses(spec, counts) for spec, counts in zip(specs, sets, strict=True)]


def sample_of(spec: str, counts: TokenCounts) -> tuple[StabilitySample, str]:
    """Load what resampling draws from: conversations, else pieces of the corpus.

    All conversations are best; a part of a large corpus is worse than all of it in pieces.

    Args:
        spec: The file or key of the counts.
        counts: The counts.

    Returns:
        (the sample, what it is made of in a few words).

    Raises:
        InputError: Neither responses nor counts by piece are stored here.
    """
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.generalization.stability import best_sample, units_text

    if sample := best_sample(counts, find_responses(spec, counts)):
        return sample, units_text(sample)
    raise InputError(
        f"{counts.name} has neither its responses nor its counts by piece at hand, which `count` "
        "keeps on the machine where it runs; count the corpus here."
    )
