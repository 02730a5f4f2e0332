"""Lists of tokens that a user keeps in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer


def listed_ids(path: str | Path, tokenizer: Tokenizer | None, vocab_size: int) -> np.ndarray:
    """int64 ids that a user's list names.

    JSON: an array (or {"ids": array}) of ids and texts. Text: one per line, a whole number is an
    id, anything else a text. All tokens of a text are taken, as they stand alone and after a blank.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
        items = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable list of tokens ({error}).") from error
    if isinstance(items, dict):
        items = items.get("ids")
    if not isinstance(items, list):
        raise InputError(f"{path} must hold an array of ids and texts.")
    found: set[int] = set()
    item: Any  # JSON's
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
                found |= {*tokenizer.ids(item), *tokenizer.ids(" " + item)}
        elif isinstance(item, int) and not isinstance(item, bool) and 0 <= item < vocab_size:
            found.add(item)
        else:
            raise InputError(
                f"{path}, entry {line}: {item!r} is neither a text nor an id within "
                f"0..{vocab_size - 1}."
            )
    if not found:
        raise InputError(f"{path} names no tokens.")
    return np.array(sorted(found), np.int64)
