"""Lists of tokens in a user's file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabtrim_core import json_text
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer


def listed_ids(path: str | Path, tokenizer: Tokenizer | None, vocab_size: int) -> np.ndarray:
    """Read the token ids that a user's list names.

    JSON: an array (or {"ids": array}) of ids and texts. Any other file: one entry per line, where a
    whole number is an id and anything else a text. All tokens of a text are taken, as encoded alone
    and after a blank.

    Args:
        path: The file.
        tokenizer: Encodes the texts; None where only ids are allowed.
        vocab_size: V.

    Returns:
        int64, ascending.

    Raises:
        InputError: The file cannot be read, names no tokens, or an entry is not allowed; the
            message has the entry.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
        items = json_text.loads(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable list of tokens ({error}).") from error
    if isinstance(items, dict):
        items = items.get("ids")
    if not isinstance(items, list):
        raise InputError(f"{path} must hold an array of ids and texts.")
    ids: set[int] = set()
    item: Any  # any JSON value
    for line, item in enumerate(items, 1):
        if isinstance(item, str) and path.suffix != ".json":
            item = int(item) if item.strip().isdecimal() else item
        if isinstance(item, str):
            if tokenizer is None and item:
                raise InputError(
                    f"{path}, entry {line}: {item!r} is a text, which needs the tokenizer of the "
                    "counts to become ids; give it with --tokenizer."
                )
            if tokenizer and item:
                ids |= {*tokenizer.ids(item), *tokenizer.ids(" " + item)}
        elif isinstance(item, int) and not isinstance(item, bool) and 0 <= item < vocab_size:
            ids.add(item)
        else:
            raise InputError(
                f"{path}, entry {line}: {item!r} is neither a text nor an id within "
                f"0..{vocab_size - 1}."
            )
    if not ids:
        raise InputError(f"{path} names no tokens.")
    return np.array(sorted(ids), np.int64)
