"""Evidence, gathered while counting, that a fast engine gave HF's ids.

The first texts of a corpus and a sample of every block (`ProofSample`) are encoded again by HF
tokenizers and compared id by id. Texts that an engine is known to read otherwise are encoded by HF
alone. After one difference the engine is not used for the count at all.
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

LEAST, MOST = 64 * 2**10, 512 * 2**10  # bytes of text from the beginning that are checked
SHARE = 20  # one byte in so many, between these bounds
ONE_IN = 1000  # of all texts one in so many is checked, or
SPREAD = 256 * 2**10  # fewer where that would be more than so many bytes
LONGEST = 200_000  # bytes of a checked text at most: HF needs 1 GB of memory for 5 MB
UNICODE = "code points newer than HF's Unicode tables"
MARKUP = "markup that takes blanks or word borders with it"
WITHIN = "counted spans that are cut out of a longer text after it is encoded"


@dataclass(frozen=True, slots=True)
class ProofSample:
    """Which texts of a corpus are encoded twice.

    Attributes:
        first: Bytes of text from the beginning of the corpus, about.
        one_in: Of every block, one text in so many.
    """

    first: int
    one_in: int

    @classmethod
    def of(cls, text_bytes: int) -> ProofSample:
        """Choose the sample for a corpus.

        It has a twentieth of the text from the beginning, at least LEAST and at most MOST bytes,
        and one text in ONE_IN from everywhere, at most SPREAD bytes. A systematic difference shows
        in the first texts, a rare one only by chance; a larger share of a larger corpus would find
        neither sooner.

        Args:
            text_bytes: Bytes of text in the corpus, about.

        Returns:
            The sample.
        """
        first = min(max(text_bytes // SHARE, LEAST), MOST)
        return cls(first, max(ONE_IN, text_bytes // SPREAD))

    def rows(self, n: int, block: str) -> np.ndarray:
        """Select the texts of a block that are checked.

        The first one depends on the block's name, so that blocks with fewer texts have their share.
        A block without a name begins with its first text.

        Args:
            n: Texts of the block.
            block: Its name (`block_of`), "" for none.

        Returns:
            int64, ascending indices.
        """
        return np.arange(binascii.crc32(block.encode()) % self.one_in, n, self.one_in)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked in a count or a part of it; proofs can be added.

    Attributes:
        engine: Name and version.
        texts: Texts encoded.
        text_bytes: Their bytes.
        checked: Those encoded twice and found equal.
        checked_bytes: Their bytes.
        routed: Reason to the texts (or conversations) encoded by HF alone.
        passed: One sentence for every engine and fast path that was not used, with the reason.
        conversations: Conversations whose spans were found again by the definition (`span_proof`).
        turns: Counted turns in them.
    """

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
        """The proof as JSON values for the provenance, with the sentences for people."""
        return {
            "engine": self.engine,
            "texts": self.texts,
            "text_bytes": self.text_bytes,
            "checked": self.checked,
            "checked_bytes": self.checked_bytes,
            "mismatches": 0,  # a mismatch ends the count
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
        """Sentences that explain `sentence`, one each."""
        sentences = [
            f"{count:,} texts were encoded by Hugging Face's tokenizer alone: {why}."
            for why, count in self.routed.items()
        ]
        if not self.engine.startswith("tokenizers"):
            share = f"{format_bytes(self.checked_bytes)} of {format_bytes(self.text_bytes)}"
            sentences.insert(
                0,
                f"Encoded again: {share} of text, the first texts of the corpus and "
                "some from all over it; the token ids are equal.",
            )
        if self.turns:
            sentences.append(
                f"Cut out again: the answers of {self.conversations:,} conversations, each "
                "rendered as the prompt before it and once more with it."
            )
        return (*sentences, *(f"Not used: {sentence}" for sentence in self.passed))


class MismatchError(Exception):
    """An engine gave other ids than HF tokenizers; the message says for which text."""


class ExactEngine:
    """An engine that gives HF's ids or raises MismatchError; for one thread, like the engine.

    Attributes:
        engine: The engine.
        first: Block (`block_of`) to the number of its texts that are checked as the first texts of
            the corpus, and are not reported by `encode`.
        sample: The texts that `encode` checks.
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
        """Whether it is HF tokenizers itself, so that there is nothing to check."""
        return isinstance(self.engine, Reference)

    def fresh(self) -> ExactEngine:
        """Make another one of the same kind, for another thread."""
        return ExactEngine(
            type(self.engine)(self._tokenizer), self._tokenizer, self.first, self.sample
        )

    def renew(self) -> None:
        """Replace the engine by a new one of its kind, which frees the cache of the old one."""
        kind = type(self.engine)
        self.engine = self._reference
        memory.release()  # frees the old one before the new one is made
        self.engine = kind(self._tokenizer)

    def encode(
        self, texts: pa.LargeStringArray, *, markup: bool = False, block: str = ""
    ) -> tuple[Encoded, Proof]:
        """Encode the texts of a block, and check a sample of them.

        Args:
            texts: n strings without nulls.
            markup: Whether the texts contain added tokens as markup of the template.
            block: Name of the block (`block_of`), "" for none.

        Returns:
            The ids with their offsets, and the evidence.

        Raises:
            MismatchError: The engine gives other ids than HF tokenizers for a text of the sample.
        """
        n, label = len(texts), self.engine.label
        lengths = np.diff(buffers(texts)[0])
        proof = Proof(label, n, int(lengths.sum()))
        if self.is_reference or not n:  # engines are slow on an empty batch
            return self._reference.encode(texts), proof
        if markup and not self._plain_markup:
            return self._reference.encode(texts), replace(proof, routed={MARKUP: n})
        encoded, routed = self._read(texts)
        sample = _checkable(texts, self.sample.rows(n, block), routed)
        if len(sample):
            truth = self._reference.encode(texts.take(pa.array(sample)))
            compare_ids(label, texts, encoded, sample, truth, np.arange(len(sample)))
        new = sample[sample >= self.first.get(block, 0)]
        proof = replace(proof, checked=len(new), checked_bytes=int(lengths[new].sum()))
        if not len(routed):
            return encoded, proof
        reference = self._reference.encode(texts.take(pa.array(routed)))
        return _replaced(encoded, routed, reference), replace(proof, routed={UNICODE: len(routed)})

    def claim(
        self, texts: pa.LargeStringArray, *, markup: bool = False
    ) -> Callable[[Encoded], Proof]:
        """Encode texts now, to be compared with HF's ids later.

        Args:
            texts: n strings without nulls.
            markup: Whether the texts contain added tokens as markup of the template.

        Returns:
            A function that takes HF's ids of all texts, on any thread, and returns the proof of
            those that the engine is used for. It raises MismatchError for the first difference.

        Raises:
            MismatchError: The engine gave ids for a different number of texts.
        """
        if self.is_reference or (markup and not self._plain_markup):
            return lambda truth: Proof(self.engine.label)
        encoded, routed = self._read(texts)
        rows, label = _checkable(texts, np.arange(len(texts)), routed), self.engine.label

        def agrees(truth: Encoded) -> Proof:
            compare_ids(label, texts, encoded, rows, truth, rows)
            compared = int(np.diff(buffers(texts)[0])[rows].sum())
            return Proof(label, checked=len(rows), checked_bytes=compared)

        return agrees

    def _read(self, texts: pa.LargeStringArray) -> tuple[Encoded, np.ndarray]:
        """The engine's ids, and the indices of the texts that it is known to read otherwise."""
        encoded, routed = self.engine.encode(texts), np.empty(0, np.int64)
        if len(encoded[1]) != len(texts) + 1:
            label = self.engine.label
            raise MismatchError(f"{label} encoded {len(encoded[1]) - 1:,} of {len(texts):,} texts")
        if self.engine.newer_unicode:
            routed = with_unicode_17(texts)
        return encoded, routed


def block_of(batch: MessageBatch) -> str:
    """Name a block of the corpus.

    Args:
        batch: Its messages.

    Returns:
        Its part and first row; "" without rows.
    """
    return f"{batch.part}@{batch.rows[0]}" if len(batch) else ""


def compare_ids(
    label: str,
    texts: pa.LargeStringArray,
    encoded: Encoded,
    rows: np.ndarray,
    truth: Encoded,
    true_rows: np.ndarray,
) -> None:
    """Compare an engine's ids with those of HF tokenizers.

    Args:
        label: The engine.
        texts: The texts.
        encoded: The engine's ids, and offsets, of the texts.
        rows: int64, the texts to compare.
        truth: HF's ids and offsets.
        true_rows: int64, where they are in `truth`.

    Raises:
        MismatchError: A text has other ids; the message has the first one.
    """
    for i, k in zip(rows.tolist(), true_rows.tolist(), strict=True):
        if not np.array_equal(_ids(encoded, i), _ids(truth, k)):
            raise MismatchError(
                f"{label}: other ids than HF tokenizers for a text that begins "
                f"{texts[i].as_py()[:60]!r}"
            )


def _checkable(texts: pa.LargeStringArray, rows: np.ndarray, routed: np.ndarray) -> np.ndarray:
    """Those of the rows that the engine is used for and that are short enough for HF."""
    short = np.diff(buffers(texts)[0])[rows] <= LONGEST
    return np.setdiff1d(rows[short], routed, assume_unique=True)


def _ids(encoded: Encoded, i: int) -> np.ndarray:
    ids, offsets = encoded
    return ids[offsets[i] : offsets[i + 1]]


def _replaced(encoded: Encoded, rows: np.ndarray, replacement: Encoded) -> Encoded:
    """The ids, with those of some texts (ascending rows) replaced."""
    ids, offsets = encoded
    new_ids, new_offsets = replacement
    lengths = np.diff(offsets)
    lengths[rows] = np.diff(new_offsets)
    pieces, at = [], 0
    for k, row in enumerate(rows.tolist()):
        pieces += [ids[at : offsets[row]], new_ids[new_offsets[k] : new_offsets[k + 1]]]
        at = offsets[row + 1]
    pieces.append(ids[at : offsets[-1]])
    return np.concatenate(pieces), np.concatenate([[0], np.cumsum(lengths)])
