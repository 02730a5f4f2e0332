"""Conversations as a trainer uses them: token ids, and which of them carry loss.

The rendering and the spans are those of counting, stored token by token in their order.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from vocabtrim_core.corpora import Corpus, MessageBatch, SkipReport
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.spans import Span, counted_mask

TOGETHER = 256  # conversations encoded in one call, which the tokenizer spreads over the cores
SURVEYED = 400  # rows that `survey` looks at


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """n conversations, each cut to the length limit.

    Attributes:
        ids: int32[tokens], all conversations one after the other.
        counted: bool[tokens], whether the token carries loss.
        offsets: int64[n + 1], where each conversation begins in `ids`.
        held_out: bool[n], conversations that are never trained on.
        left_out: Conversations without a token that counts.
        report: Rows of the corpus that could not be read.
    """

    ids: np.ndarray
    counted: np.ndarray
    offsets: np.ndarray
    held_out: np.ndarray
    left_out: int
    report: SkipReport

    def __len__(self) -> int:
        return len(self.held_out)

    @property
    def lengths(self) -> np.ndarray:
        """int64[n]: tokens of each conversation."""
        return np.diff(self.offsets)

    def sample(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one conversation.

        Args:
            i: Its index, 0 <= i < n.

        Returns:
            Its ids int32[L], and which of them carry loss, bool[L].
        """
        span = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return self.ids[span], self.counted[span]

    def counts(self, vocab_size: int, *, held_out: bool = False) -> np.ndarray:
        """Count the tokens that carry loss in training conversations, or in held-out ones.

        Args:
            vocab_size: V.
            held_out: Count those of the held-out conversations instead.

        Returns:
            int64[V].
        """
        chosen = np.repeat(self.held_out == held_out, self.lengths)
        return np.bincount(self.ids[self.counted & chosen], minlength=vocab_size)


def read_sequences(
    corpus: Corpus,
    recipe: CountConfig,
    *,
    held_out: float,
    max_tokens: int | None = None,
    progress: Callable[..., Any] | None = None,
) -> Sequences:
    """Read and tokenize the conversations of a corpus, in its order.

    With a limit on tokens every file contributes in proportion to its share of the corpus's bytes.
    Held-out conversations are chosen by content, so that the same text is never on both sides and
    every reader of a corpus holds out the same.

    Args:
        corpus: The conversations.
        recipe: How they are rendered and which tokens count.
        held_out: Share of conversations to hold out, 0..1.
        max_tokens: Most tokens to read, about; None for all.
        progress: Called as progress(done, total, message), in tokens.

    Returns:
        The conversations.

    Raises:
        InputError: Nothing is left to train on, or nothing to evaluate on.
    """
    ids, counted, offsets, held_flags, left_out = [], [], [0], [], 0
    report = SkipReport()
    allowed = 0.0
    for file, shards in groupby(corpus.shards(), key=lambda shard: shard.file):
        share = corpus.files[file].stat().st_size / corpus.size_bytes
        allowed += (max_tokens or math.inf) * share
        for batch in (batch for shard in shards for batch in corpus.batches(shard)):
            report += SkipReport.of(batch)
            for token_ids, mask, is_held in _encoded(batch, recipe, held_out):
                # The last position has no successor, so a sequence needs a counted one before it.
                if not mask[:-1].any():
                    left_out += 1
                    continue
                ids.append(token_ids)
                counted.append(mask)
                held_flags.append(is_held)
                offsets.append(offsets[-1] + len(token_ids))
                if offsets[-1] >= allowed:
                    break
            if progress:
                progress(offsets[-1], max_tokens, "Reading conversations")
            if offsets[-1] >= allowed:
                break
    report.require_conversations(corpus.name)
    is_held = np.array(held_flags, bool)
    if not len(is_held) or is_held.all() or not is_held.any():
        raise InputError(
            f"{corpus.name} gives {len(is_held):,} conversations with tokens that count, "
            f"{int(is_held.sum()):,} of them held out, but both training and evaluation need some "
            f"({left_out:,} had none within {recipe.max_length or 0:,} tokens); give more "
            "conversations, or raise the length or token limit."
        )
    return Sequences(
        np.concatenate(ids).astype(np.int32),
        np.concatenate(counted),
        np.array(offsets, np.int64),
        is_held,
        left_out,
        report,
    )


def survey(
    corpus: Corpus, recipe: CountConfig, *, max_tokens: int | None = None
) -> tuple[int, int]:
    """Estimate what a capture would read, from the first rows of the corpus.

    Args:
        corpus: The conversations.
        recipe: How they are rendered and which tokens count.
        max_tokens: Most tokens of the capture; None for all.

    Returns:
        Estimated conversations and tokens.
    """
    lengths: list[int] = []
    conversations = 0
    for shard in corpus.shards():
        for block in corpus.blocks(shard):
            batch = block.batch()
            encoded = _encoded(batch, recipe, 0.0, SURVEYED)
            lengths = [len(ids) for ids, mask, _ in encoded if mask[:-1].any()]
            sampled = max(min(len(batch), SURVEYED), 1)
            scale = corpus.size_bytes / max(block.file_bytes, 1) * len(batch) / sampled
            if corpus.limit:
                scale = min(scale, corpus.limit / sampled)
            conversations = round(scale * len(lengths))
            break
        break
    total = round(conversations * sum(lengths) / max(len(lengths), 1))
    if max_tokens and total > max_tokens:
        return max(1, round(conversations * max_tokens / total)), max_tokens
    return conversations, total


def head_of(
    corpus: Corpus, recipe: CountConfig, sample: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read the first conversations of a corpus.

    Args:
        corpus: The conversations.
        recipe: How they are rendered and which tokens count.
        sample: The most to read.

    Returns:
        Of each with a token that counts: ids int32[L], and which of them carry loss, bool[L].
    """
    conversations: list[tuple[np.ndarray, np.ndarray]] = []
    for batch in corpus.batches():
        encoded = _encoded(batch, recipe, 0.0, sample)
        conversations += [(ids, mask) for ids, mask, _ in encoded if mask[:-1].any()]
        if len(conversations) >= sample:
            break
    return conversations[:sample]


def is_held_out(text: str, share: float) -> bool:
    """Return whether a conversation is held out, which its content alone decides.

    Args:
        text: The rendered conversation.
        share: Share of conversations to hold out, 0..1.

    Returns:
        True for about this share of all texts.
    """
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def _encoded(
    batch: MessageBatch, recipe: CountConfig, share: float, limit: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    template, backend = recipe.template, recipe.tokenizer.backend
    rows = min(len(batch), limit or len(batch))
    for start in range(0, rows, TOGETHER):
        pairs = [
            _text_and_spans(batch, i, recipe) for i in range(start, min(start + TOGETHER, rows))
        ]
        encodings = backend.encode_batch([text for text, _ in pairs], add_special_tokens=False)
        for (text, spans), encoding in zip(pairs, encodings, strict=True):
            ids = np.array(encoding.ids[: recipe.max_length], np.int32)
            mask = counted_mask(encoding, spans, masks=template.masks, limit=recipe.max_length)
            yield ids, mask, is_held_out(text, share)


def _text_and_spans(batch: MessageBatch, i: int, recipe: CountConfig) -> tuple[str, list[Span]]:
    template, options = recipe.template, {}
    options = {"reasoning": recipe.reasoning, "last_turn_only": recipe.last_turn_only}
    if batch.preformatted:
        text = batch.contents[int(batch.offsets[i])].as_py()
        return text, template.find_spans(text, recipe.rule, **options)
    return template.spans(batch.messages(i), recipe.rule, tools=batch.tools(i), **options)
