"""Evidence, gathered while counting, that a fast engine gave HF's ids.

The first texts of a corpus and then one in a thousand are encoded a second time by HF tokenizers
and compared id by id; texts known to be read differently are encoded by HF alone. One difference
and the engine is dropped for the whole count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from vocabtrim_core.engines import Encoded, Engine, Reference
from vocabtrim_core.guards import with_unicode_17
from vocabtrim_core.tokenizers import Tokenizer

FIRST = 2000  # texts checked before anything is counted
ONE_IN = 1000  # texts per checked text after that
UNICODE = "code points newer than HF's Unicode tables"
MARKUP = "markup that takes blanks or word borders with it"
RENDERED = "conversations that had to be rendered"


@dataclass(frozen=True, slots=True)
class Proof:
    """texts: encoded; checked: of these, encoded twice and found equal; routed: reason -> texts (or
    conversations) encoded by HF alone; passed: engines not used, and why, one sentence each."""

    engine: str = ""
    texts: int = 0
    checked: int = 0
    routed: Mapping[str, int] = field(default_factory=dict)
    passed: tuple[str, ...] = ()

    def __add__(self, other: Proof) -> Proof:
        routed = dict(self.routed)
        for reason, count in other.routed.items():
            routed[reason] = routed.get(reason, 0) + count
        return Proof(
            self.engine or other.engine,
            self.texts + other.texts,
            self.checked + other.checked,
            routed,
            tuple(dict.fromkeys((*self.passed, *other.passed))),
        )

    def summary(self) -> dict[str, Any]:
        """The proof as provenance keeps it, with the sentence people read."""
        return {
            "engine": self.engine,
            "texts": self.texts,
            "checked": self.checked,
            "mismatches": 0,  # one would have ended the count
            "routed": dict(self.routed),
            "passed": list(self.passed),
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """What was done, in words."""
        if self.engine.startswith("tokenizers"):
            how = f"{self.texts:,} texts encoded by HF tokenizers itself"
        else:
            how = f"{self.checked:,} of {self.texts:,} texts encoded again by HF tokenizers: equal"
        routed = "".join(f"; {count:,} by HF alone: {why}" for why, count in self.routed.items())
        passed = "".join(f"; not used: {sentence}" for sentence in self.passed)
        return how + routed + passed


class MismatchError(Exception):
    """An engine gave other ids than HF tokenizers; the message says for which text."""


class ExactEngine:
    """An engine that gives HF's ids or raises MismatchError. For one thread, like the engine."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer) -> None:
        self.engine = engine
        self._tokenizer = tokenizer
        self._reference = Reference(tokenizer)
        added = tokenizer.backend.get_added_tokens_decoder().values()
        self._plain_markup = not any(
            token.lstrip or token.rstrip or token.single_word or token.normalized for token in added
        )

    @property
    def is_reference(self) -> bool:
        """It is HF tokenizers itself: nothing to prove."""
        return isinstance(self.engine, Reference)

    def fresh(self) -> ExactEngine:
        """Another one of the same kind, for another thread."""
        return ExactEngine(type(self.engine)(self._tokenizer), self._tokenizer)

    def renew(self) -> None:
        """Replace the engine by a new one of its kind, which has no memory of the texts read."""
        kind = type(self.engine)
        self.engine = self._reference  # the old one is gone before the new one is made
        self.engine = kind(self._tokenizer)

    def encode(
        self, texts: pa.LargeStringArray, *, markup: bool = False, one_in: int = ONE_IN
    ) -> tuple[Encoded, Proof]:
        """Ids of the texts, and the evidence for them. markup: texts hold literal added tokens."""
        n = len(texts)
        label = self.engine.label
        if self.is_reference:
            return self._reference.encode(texts), Proof(label, n)
        if markup and not self._plain_markup:
            return self._reference.encode(texts), Proof(label, n, routed={MARKUP: n})
        routed = np.empty(0, np.int64)
        if self.engine.newer_unicode:
            routed = with_unicode_17(texts)
        ids, offsets = self.engine.encode(texts)
        if len(offsets) != n + 1:
            raise MismatchError(f"{label} encoded {len(offsets) - 1:,} of {n:,} texts")
        sample = np.setdiff1d(np.arange(0, n, one_in), routed, assume_unique=True)
        self._compare(texts, sample, (ids, offsets))
        if len(routed):
            theirs = self._reference.encode(texts.take(pa.array(routed)))
            ids, offsets = _replaced((ids, offsets), routed, theirs)
        return (ids, offsets), Proof(
            label, n, len(sample), {UNICODE: len(routed)} if len(routed) else {}
        )

    def _compare(self, texts: pa.LargeStringArray, sample: np.ndarray, found: Encoded) -> None:
        ids, offsets = found
        true_ids, true_offsets = self._reference.encode(texts.take(pa.array(sample)))
        for at, i in enumerate(sample.tolist()):
            mine = ids[offsets[i] : offsets[i + 1]]
            if not np.array_equal(mine, true_ids[true_offsets[at] : true_offsets[at + 1]]):
                text = texts[i].as_py()
                raise MismatchError(
                    f"{self.engine.label}: other ids than HF tokenizers for a text that begins "
                    f"{text[:60]!r}"
                )


def _replaced(found: Encoded, rows: np.ndarray, others: Encoded) -> Encoded:
    """The same with the ids of some texts (ascending rows) taken from elsewhere."""
    ids, offsets = found
    other_ids, other_offsets = others
    lengths = np.diff(offsets)
    lengths[rows] = np.diff(other_offsets)
    pieces, at = [], 0
    for k, row in enumerate(rows.tolist()):
        pieces += [ids[at : offsets[row]], other_ids[other_offsets[k] : other_offsets[k + 1]]]
        at = offsets[row + 1]
    pieces.append(ids[at : offsets[-1]])
    return np.concatenate(pieces), np.concatenate([[0], np.cumsum(lengths)])
