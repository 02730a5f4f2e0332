"""What probing a chat template with a tokenizer found, kept in the workspace.

Probing renders and encodes some hundred conversations, and loads what renders them; counting plain
chat needs neither. What is kept holds for one tokenizer, template, and version of the libraries and
of the code that probes; whatever is not exactly that, or is damaged, is found out anew.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

LIBRARIES = ("tokenizers", "jinja2", "pyarrow")
CODE = ("templates", "tokenizers")  # our packages whose code decides what is found


def kept(
    tokenizer: Tokenizer, name: str, span_end: str, probe: Callable[[], ChatTemplate]
) -> ChatTemplate:
    """The template that `probe()` gave for the same arguments before, else gives now.

    InputError of `probe` alone: without a workspace nothing is kept.
    """
    from vocabtrim_core.templates.chat_template import ChatTemplate

    file = f"{_key(tokenizer, name, span_end)}.json"
    with suppress(OSError, InputError, msgspec.DecodeError):
        digest, _, found = (workspace.folder("templates") / file).read_bytes().partition(b"\n")
        if digest == _digest(found):
            return msgspec.json.decode(found, type=ChatTemplate, dec_hook=_array)
    template = probe()
    found = msgspec.json.encode(template, enc_hook=_plain)
    with suppress(InputError):
        write_atomic(workspace.folder("templates") / file, _digest(found) + b"\n" + found)
    return template


def _key(tokenizer: Tokenizer, name: str, span_end: str) -> str:
    """32 hex digits of all that decides what probing finds."""
    jinja = (tokenizer.chat_template or "") + (tokenizer.tool_template or "")
    decides = {
        "template": [name, span_end, tokenizer.chat_template, tokenizer.tool_template],
        "tokenizer": [
            tokenizer.name,
            tokenizer.fingerprint,
            tokenizer.stop_tokens,
            sorted(tokenizer.special_tokens.items()),
        ],
        "versions": {library: version(library) for library in LIBRARIES},
        "code": _code(),
        "day": str(datetime.date.today()) if "strftime_now" in jinja else "",
    }
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]


@functools.cache
def _code() -> str:
    """sha256 of the code that probes: no version number that somebody has to remember to raise."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(path for package in CODE for path in (root / package).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [value.dtype.str, value.tolist()]
    raise NotImplementedError(f"a {type(value).__name__} cannot be kept")


def _array(kind: type, value: Any) -> Any:
    if kind is np.ndarray:
        return np.array(value[1], value[0])
    raise NotImplementedError(f"a {kind.__name__} is not kept")
