"""A random sample of conversations, encoded whole, with marks on the counted tokens."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vocabtrim_core.corpora import Corpus, SkipReport
from vocabtrim_core.corpora.reasoning import notes_of
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import NOTHING_COUNTED, REFUSED, REMEDIES
from vocabtrim_core.counting.rendering import TOGETHER, read_rows
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import Reading
from vocabtrim_core.templates.spans import counted_mask


class WholeConversations(NamedTuple):
    """Rendered conversations as ids, one after the other.

    Attributes:
        ids: uint32[n].
        at: int64[conversations + 1]; tokens of conversation i are ids[at[i]:at[i + 1]].
        counted: bool[n], whether the rule counts the token.
    """

    ids: np.ndarray
    at: np.ndarray
    counted: np.ndarray


@dataclass(frozen=True, slots=True)
class ConversationSample:
    """Conversations drawn from a corpus, as their template writes them.

    Attributes:
        readings: Text and counted ranges of those with text that counts.
        available: Conversations of the corpus.
        report: Rows that could not be read, and drawn conversations without text that counts, with
            places.
        notes: What was read or rendered without a part of it.
    """

    readings: tuple[Reading, ...]
    available: int
    report: SkipReport
    notes: SkipReport

    @property
    def complete(self) -> bool:
        """Whether every conversation of the corpus was drawn."""
        return self.available == self.report.conversations


def sample_conversations(
    corpus: Corpus,
    recipe: CountConfig,
    most: int,
    *,
    seed: int = 0,
    progress: Callable[..., Any] = lambda *_: None,
) -> ConversationSample:
    """Draw conversations at random, each with the same chance, in one pass over the corpus.

    Args:
        corpus: The corpus, read to its end.
        recipe: Tokenizer, template and rule.
        most: Conversations to draw; all of them where the corpus has no more.
        seed: Of the draw; the same corpus and seed give the same sample.
        progress: Called with (bytes read, bytes in all, message).

    Returns:
        The sample. Its report counts the drawn conversations.

    Raises:
        InputError: most is below 1, or no drawn conversation has text that counts.
    """
    if most < 1:
        raise InputError(f"At least 1 conversation must be drawn, not {most:,}.")
    random = np.random.default_rng(seed)
    # A heap of (minus the random key, position, text or reason of the refusal, place).
    drawn: list[tuple[float, int, Reading | str, str]] = []
    report, notes, available, done = SkipReport(), SkipReport(), 0, 0
    for block in (b for shard in corpus.shards() for b in corpus.blocks(shard)):
        batch = block.batch()
        report += SkipReport.of(batch)
        notes += notes_of(batch, reasoning=recipe.reasoning)
        keys = random.random(len(batch))
        rows = np.flatnonzero(keys < (-drawn[0][0] if len(drawn) == most else np.inf))
        if len(rows) > most:
            rows = np.sort(rows[np.argsort(keys[rows])[:most]])
        rendered = read_rows(batch, recipe, rows)
        for i in rows.tolist():
            reading_or_reason = rendered.readings.get(i) or rendered.refused[i]
            entry = (
                -float(keys[i]),
                available + i,
                reading_or_reason,
                f"{batch.file}:{batch.rows[i]}",
            )
            if len(drawn) < most:
                heapq.heappush(drawn, entry)
            else:
                heapq.heappushpop(drawn, entry)
        available += len(batch)
        done += block.file_bytes
        progress(done, max(done, corpus.size_bytes), "reading conversations")
    report.require_conversations(corpus.name)
    drawn.sort(key=lambda entry: entry[1])
    readings, left_out = [], SkipReport(len(drawn) - available)
    for _, _, reading_or_reason, place in drawn:
        if isinstance(reading_or_reason, Reading) and reading_or_reason.spans:
            readings.append(reading_or_reason)
            notes += SkipReport(
                0, tuple((note, n, (place,)) for note, n in reading_or_reason.notes)
            )
            continue
        reason = (
            f"{REFUSED} ({reading_or_reason})"
            if isinstance(reading_or_reason, str)
            else NOTHING_COUNTED
        )
        left_out += SkipReport(0, ((reason, 1, (place,)),))
    if not readings:
        SkipReport(0, left_out.reasons).require_conversations(corpus.name, REMEDIES)
    return ConversationSample(tuple(readings), available, report + left_out, notes)


def encode_marked(
    readings: Sequence[Reading],
    recipe: CountConfig,
    progress: Callable[..., Any] = lambda *_: None,
) -> Iterator[WholeConversations]:
    """Encode rendered conversations whole, some at a time, and mark the tokens that count.

    Args:
        readings: Texts with their counted ranges.
        recipe: Tokenizer and template; a length limit cuts every conversation.
        progress: Called with (conversations encoded, conversations in all, message).

    Yields:
        Up to TOGETHER conversations.
    """
    backend, limit = recipe.tokenizer.backend, recipe.max_length
    for first in range(0, len(readings), TOGETHER):
        progress(first, len(readings), "encoding conversations")
        group = readings[first : first + TOGETHER]
        encodings = backend.encode_batch([r.text for r in group], add_special_tokens=False)
        ids = [np.array(encoding.ids[:limit], np.uint32) for encoding in encodings]
        counted = [
            counted_mask(encoding, reading.spans, masks=recipe.template.masks, limit=limit)
            for reading, encoding in zip(group, encodings, strict=True)
        ]
        at = np.cumsum([0, *map(len, ids)], dtype=np.int64)
        yield WholeConversations(np.concatenate(ids), at, np.concatenate(counted))
