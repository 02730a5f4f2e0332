"""Tokenizer engines behind one interface: Arrow strings in, token ids out.

    gigatoken   fastest; ids in Rust straight from the Arrow buffer
    fastokens   from Python strings
    tokenizers  HF's own: the reference, always there, for every tokenizer

An instance serves one thread at a time; encoding lets other threads run. Whether the ids are HF's
is not this module's business: `proof` checks that for every count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from vocabtrim_core.counting.unicode_exceptions import buffers
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

Encoded = tuple[np.ndarray, np.ndarray]  # ids uint32[total], offsets int64[n+1]
REFERENCE = "tokenizers"
PARALLELISM = "TOKENIZERS_PARALLELISM"  # "false": HF encodes a batch on the thread that asks
TOGETHER = 256  # Python texts at once: HF's Encoding objects take fifty times what ids take


class Engine(Protocol):
    """Text i has the ids ids[offsets[i]:offsets[i+1]]; nothing is added to them.

    label: name and version.  newer_unicode: reads the code points of `guards.UNICODE_17` its way.
    parallel: uses all cores by itself, so one thread is enough.  grows: takes more memory the more
    different words it has read, without bound.
    """

    label: str
    newer_unicode: bool
    parallel: bool
    grows: bool

    def __init__(self, tokenizer: Tokenizer) -> None: ...
    def encode(self, texts: pa.LargeStringArray) -> Encoded: ...


class Gigatoken:
    """Rust, one pass over the bytes; keeps the ids of every word it has met."""

    newer_unicode, parallel, grows = True, False, True

    def __init__(self, tokenizer: Tokenizer) -> None:
        import awkward as ak
        import gigatoken

        self.label = _label("gigatoken")
        self._ak = ak
        self._backend = gigatoken.Tokenizer.from_json(tokenizer.json).backend

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        contents = self._ak.contents
        offsets, data = buffers(texts)
        characters: Any = data
        letters = contents.NumpyArray(characters, parameters={"__array__": "char"})
        strings = contents.ListOffsetArray(
            self._ak.index.Index64(offsets), letters, parameters={"__array__": "string"}
        )
        # parallel=False: our threads are the parallelism, each with an instance of its own
        found: Any = self._backend.encode_batch(self._ak.Array(strings), parallel=False).layout
        return np.asarray(found.content.data), np.asarray(found.offsets.data)


class Fastokens:
    """Rust, with the semantics of HF; keeps the ids of every word too."""

    newer_unicode, parallel, grows = False, True, True

    def __init__(self, tokenizer: Tokenizer) -> None:
        import fastokens

        self.label = _label("fastokens")
        self._backend = fastokens.Tokenizer.from_json_str(tokenizer.json)
        self._backend.no_truncation()
        self._backend.no_padding()

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        parts, lengths = [np.empty(0, np.uint32)], [np.empty(0, np.uint64)]
        for start in range(0, len(texts), TOGETHER):
            some = texts[start : start + TOGETHER].to_pylist()
            ids, offsets = self._backend.encode_batch_flat(some)
            parts.append(np.frombuffer(ids, np.uint32))
            lengths.append(np.diff(np.frombuffer(offsets, np.uint64)))
        return _joined(parts, np.concatenate(lengths))


class Reference:
    """HF tokenizers: what every other engine must agree with."""

    newer_unicode, grows = False, False

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.label = _label(REFERENCE)
        self.parallel = os.environ.get(PARALLELISM) != "false"
        self._backend = tokenizer.backend

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        parts, lengths = [np.empty(0, np.uint32)], []
        for start in range(0, len(texts), TOGETHER):
            some = texts[start : start + TOGETHER].to_pylist()
            found = [e.ids for e in self._backend.encode_batch_fast(some, add_special_tokens=False)]
            lengths += map(len, found)
            parts.append(np.fromiter(chain.from_iterable(found), np.uint32))
        return _joined(parts, np.array(lengths))


ENGINES: dict[str, type[Engine]] = {
    "gigatoken": Gigatoken,
    "fastokens": Fastokens,
    REFERENCE: Reference,
}


def make_engine(tokenizer: Tokenizer, prefer: Iterable[str] = tuple(ENGINES)) -> Engine:
    """The first engine of `prefer` that is installed and takes this tokenizer."""
    return next(engines(tokenizer, prefer))


def engines(
    tokenizer: Tokenizer, prefer: Iterable[str] = tuple(ENGINES), failed: list[str] | None = None
) -> Iterator[Engine]:
    """Engines in order of preference, each made when it is asked for; the reference is last.

    failed: gets a sentence for every engine that cannot be used.
    """
    failed = [] if failed is None else failed
    doubt = objection(tokenizer)
    for name in dict.fromkeys((*prefer, REFERENCE)):
        check_engine(name)
        if name != REFERENCE and doubt:
            failed.append(f"{name}: the tokenizer has {doubt}")
        elif find_spec(name) is None:
            failed.append(f"{name}: not installed")
        else:
            try:
                made = [ENGINES[name](tokenizer)]
            except Exception as error:  # foreign code that refuses a tokenizer may raise anything
                reason = (str(error) or type(error).__name__).splitlines()[0]
                failed.append(f"{name}: {reason}")
                continue
            yield made.pop()  # nothing is kept here: who asked for it can let go of its memory


def check_engine(name: str) -> None:
    """InputError unless there is an engine of this name."""
    if name not in ENGINES:
        raise InputError(f"There is no engine {name}; choose among {', '.join(ENGINES)}.")


def objection(tokenizer: Tokenizer) -> str:
    """What in a tokenizer makes ids from anything but HF's own code uncertain; empty for nothing.

    Byte-level BPE with NFC or no normalizer is what the engines were compared on, code point by
    code point; dropout makes ids a matter of chance, so no count with it is ever exact.
    """
    backend = tokenizer.backend
    model = type(backend.model).__name__
    if model != "BPE" or backend.model.byte_fallback or backend.model.unk_token:
        return f"a model other than byte-level BPE ({model})"
    if backend.model.dropout:
        raise InputError(
            f"The tokenizer {tokenizer.name} has BPE dropout, so the same text has different ids "
            "each time; set dropout to null in its tokenizer.json."
        )
    normalizers, steps = _steps(backend.normalizer), _steps(backend.pre_tokenizer)
    unknown = {s["type"] for s in normalizers} - {"NFC"}
    unknown |= {s["type"] for s in steps} - {"ByteLevel", "Split"}
    if unknown:
        return f"a step that only HF tokenizers is known to do right ({', '.join(sorted(unknown))})"
    if not steps or steps[-1]["type"] != "ByteLevel" or steps[-1]["add_prefix_space"]:
        return "no plain byte-level step at the end of its pre-tokenizer"
    added = (token.content for token in backend.get_added_tokens_decoder().values())
    blank = [text for text in added if len(text.strip()) < 2]
    return f"added tokens that are hardly text ({blank[0]!r})" if blank else ""


def _steps(part: Any) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, as they stand in tokenizer.json."""
    if part is None:
        return []
    found = json.loads(part.__getstate__())
    return next((found[n] for n in ("normalizers", "pretokenizers") if n in found), [found])


def _joined(parts: list[np.ndarray], lengths: np.ndarray) -> Encoded:
    return np.concatenate(parts), np.append(0, np.cumsum(lengths)).astype(np.int64)


def _label(package: str) -> str:
    return f"{package} {version(package)}"
