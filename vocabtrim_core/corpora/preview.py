"""Conversations as a template renders them, with the characters that a rule counts."""

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
    """One conversation: rendered text, counted character ranges [start, end), counted tokens.

    reading: the same without a limit, and what the template does not write.  refused: why the
    template does not take the conversation, and then there is no text.  messages, tools: what it
    was rendered from; None for text that was rendered before.
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
    def said(self) -> tuple[str, ...]:
        """What of the conversation does not count because it is not in the text, in sentences."""
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
    """The first n conversations, across the parts of the corpus.

    Spans end where a limit of max_length tokens per conversation cuts them.
    InputError when there is none, or no such rule.
    """
    from vocabtrim_core.templates.chat_template import ids_inside
    from vocabtrim_core.templates.spans import check_rule

    check_rule(rule)
    found = []
    for batch, i in itertools.islice(sampled(corpus, n), n):
        reading, refused = read(
            batch, i, template, rule, reasoning=reasoning, last_turn_only=last_turn_only
        )
        text, spans, _ = reading
        encoding = tokenizer.backend.encode(text, add_special_tokens=False)
        ids = ids_inside(encoding, spans, masks=template.masks, limit=max_length)
        seen = encoding.offsets[:max_length]
        end = seen[-1][1] if seen else 0
        rich = not batch.preformatted
        found.append(
            Preview(
                file=batch.file,
                row=int(batch.rows[i]),
                domain=batch.domains[i].as_py() if batch.domains is not None else None,
                text=text,
                spans=tuple((a, min(b, end)) for a, b in spans if a < end),
                tokens=sum(map(len, ids)),
                reading=reading,
                refused=refused,
                messages=batch.messages(i) if rich else None,
                tools=batch.tools(i) if rich else None,
            )
        )
    if not found:
        raise InputError(f"{corpus.name} has no conversation to show in its first rows.")
    return found


def read(
    batch: MessageBatch,
    i: int,
    template: ChatTemplate,
    rule: str,
    *,
    reasoning: bool = True,
    last_turn_only: bool = False,
) -> tuple[Reading, str]:
    """Conversation i under a rule, and why the template refuses it; "" where it does not."""
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
    """About n conversations, spread evenly: from the first two blocks of up to `places` shards.

    Deterministic and cheap at any size; a file that can only be read from its beginning gives
    conversations from its beginning.
    """
    shards = corpus.shards()
    step = max(1, -(-len(shards) // min(places, max(1, n))))
    chosen = shards[::step]
    for k, shard in enumerate(chosen):
        want = (n * (k + 1)) // len(chosen) - (n * k) // len(chosen)
        for batch in itertools.islice(corpus.batches(shard), 2):
            some = min(want, len(batch))
            for j in range(some):
                yield batch, j * len(batch) // some
            want -= some
