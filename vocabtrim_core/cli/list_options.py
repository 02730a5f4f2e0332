"""What the commands about lists of tokens share: the list, its price, what stays, its file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.selection.protect import ProtectedGroup
    from vocabtrim_core.vocabulary import DraftVocabulary

LIST_HELP = "the list: a choice.json, an export, or any file that `compare` reads"


def list_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the positional argument LIST.

    Args:
        parser: The parser of the command.
    """
    parser.add_argument("list", type=Path, metavar="LIST", help=LIST_HELP)


def model_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --model, which prices a list.

    Args:
        parser: The parser of the command.
    """
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL",
        help="the checkpoint or GGUF file, whose rows price the list in bytes",
    )


def row_bytes(model: Path | None, size: int) -> float | None:
    """Price a row of the head that a model drafts with.

    Args:
        model: The checkpoint or GGUF file; None for none.
        size: V of the list.

    Returns:
        Bytes of a row; None without a model.

    Raises:
        InputError: The model has no draft, or is of another V.
    """
    if model is None:
        return None
    from vocabtrim_core.drafts.mtp.gguf_heads import heads_in

    drafts = heads_in(model).drafts
    if not drafts:
        raise InputError(f"{model} has no draft whose head could be priced (see `heads`).")
    head = drafts[0].head
    if head.rows != size:
        raise InputError(
            f"{model} has a head of {head.rows:,} rows, but the list belongs to V = {size:,}; "
            "give the model it is for."
        )
    return head.bytes / head.rows


def must_stay(
    arguments: argparse.Namespace, sets: list[TokenCounts], frequencies: np.ndarray
) -> tuple[tuple[ProtectedGroup, ...], np.ndarray]:
    """Read the options for tokens that must be in a list.

    Args:
        arguments: The command line: protect, script and tokenizer.
        sets: Counts, of which the first names the tokenizer.
        frequencies: [V], by which the tokens of a script are chosen.

    Returns:
        What must be in it; its int64 ids, ascending.

    Raises:
        InputError: A set or file is unknown, or the tokenizer is not found.
    """
    import numpy as np

    from vocabtrim_core.cli.select import protected_and_excluded

    nothing_excluded = argparse.Namespace(**vars(arguments), exclude=None)
    groups, _ = protected_and_excluded(nothing_excluded, sets, frequencies)
    return groups, np.unique(np.concatenate([np.empty(0, np.int64), *(g.ids for g in groups)]))


def write_list(path: Path, vocabulary: DraftVocabulary, counts: TokenCounts, about: str) -> None:
    """Write a list with the tokenizer whose ids it holds.

    Args:
        path: The ids.json to write.
        vocabulary: The list.
        counts: Counts of its tokenizer.
        about: How it was chosen, in a few words.
    """
    from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity, write_ids

    write_ids(path, vocabulary, TokenizerIdentity.of(counts), about)
