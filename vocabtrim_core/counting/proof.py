"""Evidence, gathered while counting, that a fast engine gave HF's ids.

The first texts of a corpus and then some of every block are encoded a second time by HF tokenizers
and compared id by id, as many as `Sample` says; texts known to be read differently are encoded by
HF alone. One difference and the engine is dropped for the whole count.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vocabtrim_core.counting import memory
from vocabtrim_core.counting.engines import Encoded, Engine, Reference
from vocabtrim_core.counting.unicode_exceptions import buffers, with_unicode_17
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.wording import format_bytes

if TYPE_CHECKING:
    from vocabtrim_core.corpora import MessageBatch

LEAST, MOST = 64 * 2**10, 512 * 2**10  # bytes of text from the beginning that are all checked
SHARE = 20  # between these bounds it is one byte in so many
ONE_IN = 1000  # beyond, one text in so many is checked, or
SPREAD = 256 * 2**10  # one in as many as make this many bytes of the whole corpus
LONGEST = 200_000  # bytes of a checked text: HF takes a gigabyte of memory for five megabytes
UNICODE = "code points newer than HF's Unicode tables"
MARKUP = "markup that takes blanks or word borders with it"
WITHIN = "counted spans that are cut out of a longer text after it is encoded"


@dataclass(frozen=True, slots=True)
class ProofSample:
    """What of a corpus is encoded twice: about the first so many bytes of its text, and of every
    block one text in so many."""

    first: int
    one_in: int

    @classmethod
    def of(cls, text_bytes: int) -> ProofSample:
        """For a corpus of about so much text: a twentieth of it from its beginning, at least LEAST
        and at most MOST, and one text in ONE_IN, at most SPREAD bytes, from all over it.

        A difference in how an engine reads shows in the first texts, one in what few texts hold
        anywhere; neither is found sooner by checking a larger share of a larger corpus.
        """
        first = min(max(text_bytes // SHARE, LEAST), MOST)
        return cls(first, max(ONE_IN, text_bytes // SPREAD))

    def rows(self, n: int, block: str) -> np.ndarray:
        """Ascending indices (int64) of the texts of a block that are checked.

        Where they begin depends on the block's name, so that blocks with fewer texts have their
        share; a block without a name begins with its first text.
        """
        return np.arange(binascii.crc32(block.encode()) % self.one_in, n, self.one_in)


@dataclass(frozen=True, slots=True)
class Proof:
    """texts, text_bytes: encoded; checked, checked_bytes: of these, encoded twice and found equal;
    routed: reason -> texts (or conversations) encoded by HF alone; passed: engines and quick ways
    not used, and why, one sentence each; turns: of so many conversations, found again by the
    definition of a counted span (see `span_proof`)."""

    engine: str = ""
    texts: int = 0
    text_bytes: int = 0
    checked: int = 0
    checked_bytes: int = 0
    routed: Mapping[str, int] = field(default_factory=dict)
    passed: tuple[str, ...] = ()
    conversations: int = 0
    turns: int = 0

    def __add__(self, other: Proof) -> Proof:
        routed = dict(self.routed)
        for reason, count in other.routed.items():
            routed[reason] = routed.get(reason, 0) + count
        return Proof(
            self.engine or other.engine,
            self.texts + other.texts,
            self.text_bytes + other.text_bytes,
            self.checked + other.checked,
            self.checked_bytes + other.checked_bytes,
            routed,
            tuple(dict.fromkeys((*self.passed, *other.passed))),
            self.conversations + other.conversations,
            self.turns + other.turns,
        )

    def summary(self) -> dict[str, Any]:
        """The proof as provenance keeps it, with the sentences people read."""
        return {
            "engine": self.engine,
            "texts": self.texts,
            "text_bytes": self.text_bytes,
            "checked": self.checked,
            "checked_bytes": self.checked_bytes,
            "mismatches": 0,  # one would have ended the count
            "routed": dict(self.routed),
            "passed": list(self.passed),
            "conversations_rendered_again": self.conversations,
            "turns_by_definition": self.turns,
            "sentence": self.sentence(),
            "details": list(self.details()),
        }

    def sentence(self) -> str:
        """What was checked, in one plain sentence."""
        hf = "Hugging Face's tokenizer"
        if self.engine.startswith("tokenizers"):
            done = f"all {self.texts:,} texts were encoded by {hf} itself"
        else:
            done = f"{self.checked:,} of {self.texts:,} texts were encoded again by {hf}"
        if self.turns:
            done += f", and {self.turns:,} answers were cut out of their conversations again"
        compared = self.turns or not self.engine.startswith("tokenizers")
        return f"{done}: no difference" if compared else done

    def details(self) -> tuple[str, ...]:
        """What stands behind the sentence, a sentence each."""
        found = [
            f"{count:,} texts were encoded by Hugging Face's tokenizer alone: {why}."
            for why, count in self.routed.items()
        ]
        if not self.engine.startswith("tokenizers"):
            share = f"{format_bytes(self.checked_bytes)} of {format_bytes(self.text_bytes)}"
            found.insert(
                0,
                f"Encoded again: {share} of text, the first texts of the corpus and "
                "some from all over it; the token ids are equal.",
            )
        if self.turns:
            found.append(
                f"Cut out again: the answers of {self.conversations:,} conversations, each "
                "rendered as the prompt before it and once more with it."
            )
        return (*found, *(f"Not used: {sentence}" for sentence in self.passed))


class MismatchError(Exception):
    """An engine gave other ids than HF tokenizers; the message says for which text."""


class ExactEngine:
    """An engine that gives HF's ids or raises MismatchError. For one thread, like the engine.

    first: block (`block_of`) -> how many of its texts are among the first ones of the corpus, whose
    check is not `encode`'s to report.  sample: which texts `encode` checks.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        first: Mapping[str, int] | None = None,
        sample: ProofSample | None = None,
    ) -> None:
        self.engine = engine
        self.first = first or {}
        self.sample = sample or ProofSample.of(0)
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
        return ExactEngine(
            type(self.engine)(self._tokenizer), self._tokenizer, self.first, self.sample
        )

    def renew(self) -> None:
        """Replace the engine by a new one of its kind, which has no memory of the texts read."""
        kind = type(self.engine)
        self.engine = self._reference
        memory.release()  # the old one is gone before the new one is made
        self.engine = kind(self._tokenizer)

    def encode(
        self, texts: pa.LargeStringArray, *, markup: bool = False, block: str = ""
    ) -> tuple[Encoded, Proof]:
        """Ids of the texts of a block, and the evidence for them.

        markup: texts hold literal added tokens.
        """
        n, label = len(texts), self.engine.label
        lengths = np.diff(buffers(texts)[0])
        proof = Proof(label, n, int(lengths.sum()))
        if self.is_reference or not n:  # an engine would take its time over nothing
            return self._reference.encode(texts), proof
        if markup and not self._plain_markup:
            return self._reference.encode(texts), replace(proof, routed={MARKUP: n})
        found, routed = self._read(texts)
        sample = _checkable(texts, self.sample.rows(n, block), routed)
        if len(sample):
            truth = self._reference.encode(texts.take(pa.array(sample)))
            _compare(label, texts, found, sample, truth, np.arange(len(sample)))
        new = sample[sample >= self.first.get(block, 0)]
        proof = replace(proof, checked=len(new), checked_bytes=int(lengths[new].sum()))
        if not len(routed):
            return found, proof
        theirs = self._reference.encode(texts.take(pa.array(routed)))
        return _replaced(found, routed, theirs), replace(proof, routed={UNICODE: len(routed)})

    def claim(
        self, texts: pa.LargeStringArray, *, markup: bool = False
    ) -> Callable[[Encoded], Proof]:
        """Read texts now; what comes back compares them with the true ids, on any thread, and says
        which there were to compare: all that the engine would be asked for."""
        if self.is_reference or (markup and not self._plain_markup):
            return lambda truth: Proof(self.engine.label)
        found, routed = self._read(texts)
        own, label = _checkable(texts, np.arange(len(texts)), routed), self.engine.label

        def agrees(truth: Encoded) -> Proof:
            _compare(label, texts, found, own, truth, own)
            compared = int(np.diff(buffers(texts)[0])[own].sum())
            return Proof(label, checked=len(own), checked_bytes=compared)

        return agrees

    def _read(self, texts: pa.LargeStringArray) -> tuple[Encoded, np.ndarray]:
        """What the engine gives, and which texts it is known to read differently."""
        found, routed = self.engine.encode(texts), np.empty(0, np.int64)
        if len(found[1]) != len(texts) + 1:
            label = self.engine.label
            raise MismatchError(f"{label} encoded {len(found[1]) - 1:,} of {len(texts):,} texts")
        if self.engine.newer_unicode:
            routed = with_unicode_17(texts)
        return found, routed


def block_of(batch: MessageBatch) -> str:
    """The name of a block with rows that count."""
    return f"{batch.part}@{batch.rows[0]}" if len(batch) else ""


def _compare(
    label: str,
    texts: pa.LargeStringArray,
    found: Encoded,
    rows: np.ndarray,
    truth: Encoded,
    true_rows: np.ndarray,
) -> None:
    """MismatchError for the first text whose ids differ."""
    for i, k in zip(rows.tolist(), true_rows.tolist(), strict=True):
        if not np.array_equal(_ids(found, i), _ids(truth, k)):
            raise MismatchError(
                f"{label}: other ids than HF tokenizers for a text that begins "
                f"{texts[i].as_py()[:60]!r}"
            )


def _checkable(texts: pa.LargeStringArray, rows: np.ndarray, routed: np.ndarray) -> np.ndarray:
    """Those of the rows that the engine's ids are used for and that HF can be asked about."""
    short = np.diff(buffers(texts)[0])[rows] <= LONGEST
    return np.setdiff1d(rows[short], routed, assume_unique=True)


def _ids(encoded: Encoded, i: int) -> np.ndarray:
    ids, offsets = encoded
    return ids[offsets[i] : offsets[i + 1]]


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
