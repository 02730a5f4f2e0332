"""Conversations as a chat template renders them, with the counted characters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vocabtrim_core.corpora.batches import MessageBatch
from vocabtrim_core.corpora.corpus import Corpus
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate, Reading
    from vocabtrim_core.templates.render import Messages
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Preview:
    """One rendered conversation and what of it is counted.

    Attributes:
        file: Name of the file.
        row: Row number, counted from 1.
        domain: Domain label of the row, None without one.
        text: The rendered text; "" where the template refuses the conversation.
        spans: Counted character ranges [start, end), cut at the length limit.
        tokens: Number of counted tokens.
        reading: Text and spans without the length limit, and what the template does not write.
        refused: Why the template does not accept the conversation, "" where it does.
        messages: What was rendered; None for text that was rendered before.
        tools: The tool definitions it was rendered with.
    """

    file: str
    row: int
    domain: str | None
    text: str
    spans: tuple[tuple[int, int], ...]
    tokens: int
    reading: Reading
    refused: str = ""
    messages: Messages | None = None
    tools: list[Any] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What does not count because it is not in the text, a sentence each."""
        if self.refused:
            return (f"The chat template refuses this conversation: {self.refused}",)
        notes = self.reading.notes
        return tuple(f"{turns:,} turn{'s' * (turns > 1)}: {reason}." for reason, turns in notes)


def preview(
    corpus: Corpus,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    rule: str = "assistant",
    n: int = 5,
    *,
    max_length: int | None = None,
    reasoning: bool = True,
    last_turn_only: bool = False,
) -> list[Preview]:
    """The first conversations of each part of the corpus, rendered and counted.

    Args:
        corpus: The corpus.
        tokenizer: Tokenizer that counts the tokens.
        template: Chat template that renders the messages.
        rule: Name of the counting rule, one of `RULES`.
        n: Number of conversations.
        max_length: Limit in tokens at which every conversation is cut; None for none.
        reasoning: Whether reasoning counts.
        last_turn_only: Whether only the last assistant turn counts.

    Returns:
        At most n previews.

    Raises:
        InputError: The corpus has no conversation in its first rows, or there is no such rule.
    """
    from vocabtrim_core.templates.chat_template import ids_inside
    from vocabtrim_core.templates.spans import check_rule

    check_rule(rule)
    previews = []
    for batch, i in itertools.islice(sampled(corpus, n), n):
        reading, refused = read(
            batch, i, template, rule, reasoning=reasoning, last_turn_only=last_turn_only
        )
        text, spans, _ = reading
        encoding = tokenizer.backend.encode(text, add_special_tokens=False)
        ids = ids_inside(encoding, spans, masks=template.masks, limit=max_length)
        offsets = encoding.offsets[:max_length]
        end = offsets[-1][1] if offsets else 0
        has_messages = not batch.preformatted
        previews.append(
            Preview(
                file=batch.file,
                row=int(batch.rows[i]),
                domain=batch.domains[i].as_py() if batch.domains is not None else None,
                text=text,
                spans=tuple((a, min(b, end)) for a, b in spans if a < end),
                tokens=sum(map(len, ids)),
                reading=reading,
                refused=refused,
                messages=batch.messages(i) if has_messages else None,
                tools=batch.tools(i) if has_messages else None,
            )
        )
    if not previews:
        raise InputError(f"{corpus.name} has no conversation to show in its first rows.")
    return previews


def read(
    batch: MessageBatch,
    i: int,
    template: ChatTemplate,
    rule: str,
    *,
    reasoning: bool = True,
    last_turn_only: bool = False,
) -> tuple[Reading, str]:
    """Read one conversation of a batch under a counting rule.

    Args:
        batch: The batch.
        i: Index of the conversation in the batch.
        template: Chat template that renders the messages.
        rule: Name of the counting rule.
        reasoning: Whether reasoning counts.
        last_turn_only: Whether only the last assistant turn counts.

    Returns:
        The reading, and why the template refuses the conversation ("" where it accepts it).
    """
    from vocabtrim_core.templates.chat_template import Reading

    options = {"reasoning": reasoning, "last_turn_only": last_turn_only}
    if batch.preformatted:
        text = batch.contents[i].as_py()
        return template.read_text(text, rule, **options), ""
    try:
        return template.read(batch.messages(i), rule, tools=batch.tools(i), **options), ""
    except InputError as error:
        return Reading("", []), str(error)


def sampled(corpus: Corpus, n: int, places: int = 8) -> Iterator[tuple[MessageBatch, int]]:
    """About n conversations, spread evenly over the corpus.

    They come from the first two blocks of up to `places` shards, so the result is deterministic and
    cheap at any size. A file that can only be read from its beginning gives conversations from its
    beginning.

    Args:
        corpus: The corpus.
        n: Number of conversations.
        places: Largest number of shards that are read.

    Yields:
        (batch, index of the conversation in the batch).
    """
    shards = corpus.shards()
    step = max(1, -(-len(shards) // min(places, max(1, n))))
    chosen = shards[::step]
    for k, shard in enumerate(chosen):
        missing = (n * (k + 1)) // len(chosen) - (n * k) // len(chosen)
        for batch in itertools.islice(corpus.batches(shard), 2):
            taken = min(missing, len(batch))
            for j in range(taken):
                yield batch, j * len(batch) // taken
            missing -= taken
