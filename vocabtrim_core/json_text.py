"""JSON of files that others wrote: whatever is wrong with it is a ValueError."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a surrogate pair; a whole pair matches too


def loads(text: str | bytes) -> Any:
    """Parse JSON.

    Args:
        text: The JSON, as text or as UTF-8.

    Returns:
        Its value.

    Raises:
        ValueError: It is not JSON or not UTF-8, is nested too deeply, or holds half a surrogate
            pair, which no file or terminal can be given.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        value = json.loads(text)
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair, which is no character") from None
    return value


def as_type(value: Any, kind: type[T]) -> T:
    """Make a dataclass of parsed JSON, with every field checked against its annotation.

    Args:
        value: The JSON value.
        kind: The dataclass.

    Returns:
        The dataclass.

    Raises:
        ValueError: A field is missing or of another type; the message names it.
    """
    return msgspec.convert(value, kind)  # its ValidationError is a ValueError
