"""Results of probing a chat template with a tokenizer, stored in the workspace.

Probing renders and encodes some hundred conversations and loads the libraries that render them;
counting plain chat needs neither. A stored result holds for one tokenizer, template, and version of
the libraries and of the probing code. Anything else, or a damaged result, is probed again.
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
CODE = ("templates", "tokenizers")  # our packages whose code decides the result


def stored_or_probed(
    tokenizer: Tokenizer, name: str, span_end: str, probe: Callable[[], ChatTemplate]
) -> ChatTemplate:
    """The stored result of a probe, or that of a new one, which is then stored.

    Without a usable workspace nothing is stored.

    Args:
        tokenizer: The tokenizer.
        name: Name of the template, as for `resolve_template`.
        span_end: One of `SPAN_ENDS`.
        probe: Probes the template.

    Returns:
        The template.

    Raises:
        InputError: `probe` raises it.
    """
    from vocabtrim_core.templates.chat_template import ChatTemplate

    file = f"{_key(tokenizer, name, span_end)}.json"
    with suppress(OSError, InputError, msgspec.DecodeError):
        digest, _, stored = (workspace.folder("templates") / file).read_bytes().partition(b"\n")
        if digest == _digest(stored):
            return msgspec.json.decode(stored, type=ChatTemplate, dec_hook=_array)
    template = probe()
    stored = msgspec.json.encode(template, enc_hook=_plain)
    with suppress(InputError):
        path = workspace.folder("templates") / file
        write_atomic(path, _digest(stored) + b"\n" + stored, durable=False)
    return template


def _key(tokenizer: Tokenizer, name: str, span_end: str) -> str:
    """32 hex digits of everything that decides the result."""
    jinja = (tokenizer.chat_template or "") + (tokenizer.tool_template or "")
    inputs = {
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
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


@functools.cache
def _code() -> str:
    """The sha256 of the probing code, so that no version number must be raised by hand."""
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
