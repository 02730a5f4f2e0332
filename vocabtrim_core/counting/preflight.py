"""Checks before counting: which rows are left out, and what a length limit would cut."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from vocabtrim_core.corpora.batches import ASSISTANT, PREFORMATTED, ROLES, MessageBatch
from vocabtrim_core.corpora.corpus import Corpus
from vocabtrim_core.corpora.decoders.arrow import blank
from vocabtrim_core.corpora.preview import read, sampled
from vocabtrim_core.corpora.reasoning import notes_of
from vocabtrim_core.corpora.skips import SkipReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from vocabtrim_core.counting.trial import TrialCount
    from vocabtrim_core.templates.chat_template import ChatTemplate, Reading
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

LOOKED_AT = 64 * 2**20  # bytes of files that are read unless `complete`


@dataclass(frozen=True, slots=True)
class Spread:
    """Distribution of a number per conversation.

    Attributes:
        smallest: Minimum.
        median: 50th percentile.
        mean: Arithmetic mean.
        p95: 95th percentile.
        largest: Maximum.
    """

    smallest: int
    median: float
    mean: float
    p95: float
    largest: int

    @classmethod
    def of(cls, values: np.ndarray) -> Spread:
        """Summarize values.

        Args:
            values: int64[n], n at least 1.

        Returns:
            Their distribution.
        """
        median, p95 = np.quantile(values, [0.5, 0.95])
        return cls(
            int(values.min()), float(median), float(values.mean()), float(p95), int(values.max())
        )


@dataclass(frozen=True, slots=True)
class LengthLoss:
    """What a limit of tokens per rendered conversation cuts, exact on a sample.

    Attributes:
        max_length: The limit, in tokens.
        sample: Conversations rendered and encoded.
        tokens: Counted tokens without the limit.
        lost: Those of them beyond the limit.
        cut: Conversations longer than the limit.
    """

    max_length: int
    sample: int
    tokens: int
    lost: int
    cut: int

    @property
    def share(self) -> float:
        """Share of the counted tokens that is lost, 0..1."""
        return self.lost / self.tokens if self.tokens else 0.0


@dataclass(frozen=True, slots=True)
class Preflight:
    """Findings on a corpus before it is counted.

    Attributes:
        complete: Whether every row was read, or only the beginnings.
        rows: Rows read.
        conversations: Conversations in them.
        messages: Messages in them.
        skipped: Rows left out, with reasons and first places.
        notes: What is read without a part of it.
        roles: (role, messages) for every role that occurs.
        structured: Conversations kept as full messages, such as those with tool calls or reasoning.
        empty_spans: Conversations with an assistant turn without text; its end of turn still
            counts.
        empty_places: The first few of them.
        special_messages: Messages with the text of a special token.
        special_literals: (text of a special token, messages with it as plain text). Serving and
            training turn it into the special id.
        turns: Assistant turns per conversation.
        characters: Characters of the assistant per conversation.
        domains: (label, conversations), the most frequent first.
        length: The effect of a length limit, without conversations that the template refuses; None
            without a limit.
        rendered: Conversations rendered, a sample of those that a count would render.
        refused: Those of them that the template refused, with its messages.
        refused_share: Estimated share (0..1) of all conversations that it refuses.
        unwritten: What the template does not write, in turns.
    """

    complete: bool
    rows: int
    conversations: int
    messages: int
    skipped: SkipReport
    notes: SkipReport
    roles: tuple[tuple[str, int], ...]
    structured: int
    empty_spans: int
    empty_places: tuple[str, ...]
    special_messages: int
    special_literals: tuple[tuple[str, int], ...]
    turns: Spread
    characters: Spread
    domains: tuple[tuple[str, int], ...]
    length: LengthLoss | None
    rendered: int
    refused: SkipReport
    refused_share: float
    unwritten: SkipReport


def preflight(
    corpus: Corpus,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    rule: str = "assistant",
    *,
    max_length: int | None = None,
    reasoning: bool = True,
    last_turn_only: bool = False,
    sample: int = 2000,
    complete: bool = False,
    progress: Callable[..., None] | None = None,
) -> Preflight:
    """Read a corpus, or its first LOOKED_AT bytes, and report what counting would find.

    Args:
        corpus: The corpus.
        tokenizer: The tokenizer of the target model.
        template: The chat template of the target model.
        rule: One of `templates.RULES`: which tokens count.
        max_length: Tokens per rendered conversation for `Preflight.length`, None for no limit.
        reasoning: Whether reasoning content counts.
        last_turn_only: Whether only the last assistant turn counts.
        sample: Conversations rendered for the length limit.
        complete: Whether to read every row.
        progress: Called with (bytes read, bytes in all, message).

    Returns:
        The findings.

    Raises:
        InputError: As counting would raise it, or no row that was read has a conversation.
    """
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.counting.trial import TrialCount

    trial = TrialCount(CountConfig(tokenizer, template, rule, reasoning, last_turn_only))
    totals = _Totals(tokenizer, trial)
    total, done, is_complete = corpus.size_bytes, 0, True
    for shard in corpus.shards():
        for block in corpus.blocks(shard):
            if not complete and done > LOOKED_AT:
                is_complete = False
                break
            done += block.file_bytes
            totals.add(block.batch(), block.rows)
            if progress:
                progress(done, total, "Looking at the corpus")
    totals.skipped.require_conversations(corpus.name)
    if not max_length:
        return totals.result(is_complete, None)
    options = {"reasoning": reasoning, "last_turn_only": last_turn_only}
    readings = (read(batch, i, template, rule, **options) for batch, i in sampled(corpus, sample))
    rendered = [reading for reading, refused in readings if not refused]
    return totals.result(is_complete, _length_loss(rendered, tokenizer, max_length))


class _Totals:
    """Sums over batches."""

    def __init__(self, tokenizer: Tokenizer, trial: TrialCount) -> None:
        self.trial = trial
        specials = sorted(set(tokenizer.specials.values()), key=lambda text: (-len(text), text))
        self.literal = re.compile("|".join(map(re.escape, specials)))
        self.pattern = "|".join(map(_re2, specials))
        self.rows = self.messages = self.structured = self.empty = self.special_messages = 0
        self.skipped, self.notes = SkipReport(), SkipReport()
        self.roles: Counter[str] = Counter()
        self.literals: Counter[str] = Counter()
        self.domains: Counter[str] = Counter()
        self.places: list[str] = []
        self.turns: list[np.ndarray] = []
        self.characters: list[np.ndarray] = []

    def add(self, batch: MessageBatch, rows: int) -> None:
        """Add the messages of a block with so many rows."""
        self.rows += rows
        self.messages += len(batch.contents)
        self.structured += len(batch.structured)
        self.skipped += SkipReport.of(batch)
        self.notes += notes_of(batch, reasoning=self.trial.recipe.reasoning)
        self.trial.add(batch)
        codes = batch.codes
        for code, count in enumerate(np.bincount(codes, minlength=len(ROLES) + 1).tolist()):
            self.roles[(*ROLES, PREFORMATTED)[code]] += count
        assistant = codes == ASSISTANT if not batch.preformatted else np.ones(len(codes), bool)
        lengths = np.asarray(pc.utf8_length(batch.contents))
        self.turns.append(_by_row(assistant, batch.offsets))
        self.characters.append(_by_row(assistant * lengths, batch.offsets))
        empty = assistant & blank(batch.contents)
        rows_with = np.flatnonzero(_by_row(empty, batch.offsets))
        rows_with = [int(i) for i in rows_with if int(i) not in batch.structured]
        self.empty += len(rows_with)
        self.places += [f"{batch.file}:{batch.rows[i]}" for i in rows_with[:5]]
        if batch.domains is not None:
            counted = batch.domains.value_counts().to_pylist()
            self.domains.update({d["values"] or "unlabelled": d["counts"] for d in counted})
        if self.pattern:
            with_special = pc.match_substring_regex(batch.contents, pattern=self.pattern)
            for text in batch.contents.filter(with_special).to_pylist():
                self.special_messages += 1
                self.literals.update(set(self.literal.findall(text)))

    def result(self, complete: bool, length: LengthLoss | None) -> Preflight:
        """The findings on all batches."""
        return Preflight(
            complete=complete,
            rows=self.rows,
            conversations=self.skipped.conversations,
            messages=self.messages,
            skipped=self.skipped,
            notes=self.notes,
            roles=tuple((role, count) for role, count in self.roles.items() if count),
            structured=self.structured,
            empty_spans=self.empty,
            empty_places=tuple(self.places[:5]),
            special_messages=self.special_messages,
            special_literals=tuple(sorted(self.literals.items(), key=lambda kv: (-kv[1], kv[0]))),
            turns=Spread.of(np.concatenate(self.turns)),
            characters=Spread.of(np.concatenate(self.characters)),
            domains=tuple(sorted(self.domains.items(), key=lambda kv: (-kv[1], kv[0]))),
            length=length,
            rendered=self.trial.rendered,
            refused=self.trial.refused,
            refused_share=self.trial.refused_share(self.skipped.conversations),
            unwritten=self.trial.unwritten,
        )


def _length_loss(readings: list[Reading], tokenizer: Tokenizer, max_length: int) -> LengthLoss:
    tokens = lost_tokens = cut_conversations = count = 0
    texts = [reading.text for reading in readings]
    for (_, spans, _), encoding in zip(readings, _encode(tokenizer, texts), strict=True):
        count += 1
        cut_conversations += len(encoding.ids) > max_length
        starts = np.array([start for start, _ in encoding.offsets], np.int64)
        for start, end in spans:
            first, last = np.searchsorted(starts, [start, end])
            tokens += int(last - first)
            lost_tokens += int(max(last, max_length) - max(first, max_length))
    return LengthLoss(max_length, count, tokens, lost_tokens, cut_conversations)


def _encode(tokenizer: Tokenizer, texts: list[str]) -> list[Any]:
    return tokenizer.backend.encode_batch(texts, add_special_tokens=False)


def _re2(text: str) -> str:
    """The text as a pattern of RE2, which escapes otherwise than `re`."""
    return "".join(c if c.isalnum() else f"\\x{{{ord(c):x}}}" for c in text)


def _by_row(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """int64[n]: sums of the values of each conversation's messages."""
    sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return sums[offsets[1:]] - sums[offsets[:-1]]
