"""Tokenizer engines behind one interface: Arrow strings in, token ids out.

    gigatoken   fastest; ids in Rust straight from the Arrow buffer
    fastokens   from Python strings
    tokenizers  HF's own: the reference, for every tokenizer

An instance serves one thread at a time; other threads run while it encodes. `proof` checks for
every count that the ids are HF's.
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
PARALLELISM = "TOKENIZERS_PARALLELISM"  # "false": HF encodes on the calling thread
TOGETHER = 256  # texts per call: HF's Encoding objects take fifty times the memory of ids


class Engine(Protocol):
    """Encodes texts without adding ids: text i has ids[offsets[i]:offsets[i+1]].

    Attributes:
        label: Name and version.
        newer_unicode: Whether it reads the code points of `unicode_exceptions.UNICODE_17` otherwise
            than HF.
        parallel: Whether it uses all cores itself, so that one thread is enough.
        grows: Whether its memory grows without bound with the different words it has read.
    """

    label: str
    newer_unicode: bool
    parallel: bool
    grows: bool

    def __init__(self, tokenizer: Tokenizer) -> None: ...

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        """Encode texts, without special tokens around them.

        Args:
            texts: n strings without nulls.

        Returns:
            ids uint32[total] and offsets int64[n + 1].
        """
        ...


class Gigatoken:
    """One pass over the bytes in Rust; caches the ids of every word."""

    newer_unicode, parallel, grows = True, False, True

    def __init__(self, tokenizer: Tokenizer) -> None:
        import awkward as ak
        import gigatoken

        self.label = _label("gigatoken")
        self._ak = ak
        self._backend = gigatoken.Tokenizer.from_json(tokenizer.json).backend

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        """Encode texts, as `Engine.encode`."""
        contents = self._ak.contents
        offsets, data = buffers(texts)
        characters: Any = data
        letters = contents.NumpyArray(characters, parameters={"__array__": "char"})
        strings = contents.ListOffsetArray(
            self._ak.index.Index64(offsets), letters, parameters={"__array__": "string"}
        )
        # parallel=False: each of our threads has an instance of its own
        layout: Any = self._backend.encode_batch(self._ak.Array(strings), parallel=False).layout
        return np.asarray(layout.content.data), np.asarray(layout.offsets.data)


class Fastokens:
    """Rust, with the semantics of HF; caches the ids of every word."""

    newer_unicode, parallel, grows = False, True, True

    def __init__(self, tokenizer: Tokenizer) -> None:
        import fastokens

        self.label = _label("fastokens")
        self._backend = fastokens.Tokenizer.from_json_str(tokenizer.json)
        self._backend.no_truncation()
        self._backend.no_padding()

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        """Encode texts, as `Engine.encode`."""
        parts, lengths = [np.empty(0, np.uint32)], [np.empty(0, np.uint64)]
        for start in range(0, len(texts), TOGETHER):
            batch = texts[start : start + TOGETHER].to_pylist()
            ids, offsets = self._backend.encode_batch_flat(batch)
            parts.append(np.frombuffer(ids, np.uint32))
            lengths.append(np.diff(np.frombuffer(offsets, np.uint64)))
        return _joined(parts, np.concatenate(lengths))


class Reference:
    """HF tokenizers, the reference for every other engine."""

    newer_unicode, grows = False, False

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.label = _label(REFERENCE)
        self.parallel = os.environ.get(PARALLELISM) != "false"
        self._backend = tokenizer.backend

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        """Encode texts, as `Engine.encode`."""
        parts, lengths = [np.empty(0, np.uint32)], []
        for start in range(0, len(texts), TOGETHER):
            batch = texts[start : start + TOGETHER].to_pylist()
            ids = [e.ids for e in self._backend.encode_batch_fast(batch, add_special_tokens=False)]
            lengths += map(len, ids)
            parts.append(np.fromiter(chain.from_iterable(ids), np.uint32))
        return _joined(parts, np.array(lengths))


ENGINES: dict[str, type[Engine]] = {
    "gigatoken": Gigatoken,
    "fastokens": Fastokens,
    REFERENCE: Reference,
}


def engines(
    tokenizer: Tokenizer, prefer: Iterable[str] = tuple(ENGINES), failed: list[str] | None = None
) -> Iterator[Engine]:
    """Yield engines in order of preference, the reference last; each is made when it is needed.

    Args:
        tokenizer: The tokenizer.
        prefer: Names of `ENGINES` in order of preference.
        failed: Gets one sentence for every engine that cannot be used.

    Yields:
        An engine. No reference to it is kept here, so that the caller can free its memory.

    Raises:
        InputError: There is no engine of a name, or the tokenizer has BPE dropout.
    """
    failed = [] if failed is None else failed
    reason_against = objection(tokenizer)
    for name in dict.fromkeys((*prefer, REFERENCE)):
        check_engine(name)
        if name != REFERENCE and reason_against:
            failed.append(f"{name}: the tokenizer has {reason_against}")
        elif find_spec(name) is None:
            failed.append(f"{name}: not installed")
        else:
            try:
                candidate = [ENGINES[name](tokenizer)]
            except Exception as error:  # an engine may raise anything for a tokenizer
                reason = (str(error) or type(error).__name__).splitlines()[0]
                failed.append(f"{name}: {reason}")
                continue
            yield candidate.pop()  # no reference stays here, so the caller can free it


def check_engine(name: str) -> None:
    """Check that there is an engine of this name.

    Args:
        name: A name of `ENGINES`.

    Raises:
        InputError: There is none; the message lists them.
    """
    if name not in ENGINES:
        raise InputError(f"There is no engine {name}; choose among {', '.join(ENGINES)}.")


def objection(tokenizer: Tokenizer) -> str:
    """Find what in a tokenizer makes ids uncertain from any code but HF's own.

    The engines were compared with HF on byte-level BPE with NFC or no normalizer, code point by
    code point. With dropout ids are random, so no count is exact.

    Args:
        tokenizer: The tokenizer.

    Returns:
        The reason to use HF tokenizers alone; "" for none.

    Raises:
        InputError: The tokenizer has BPE dropout.
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
    state = json.loads(part.__getstate__())
    return next((state[n] for n in ("normalizers", "pretokenizers") if n in state), [state])


def _joined(parts: list[np.ndarray], lengths: np.ndarray) -> Encoded:
    return np.concatenate(parts), np.append(0, np.cumsum(lengths)).astype(np.int64)


def _label(package: str) -> str:
    return f"{package} {version(package)}"
