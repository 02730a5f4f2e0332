"""Evidence, gathered while counting, that the counted spans are those of the definition.

A sample of every corpus is counted a second time, literally, and with it the first conversation in
which one kind of turn follows another, wherever it stands: each assistant turn is rendered once as
the prompt before it and once with it, and the whole conversation is encoded by HF tokenizers and
cut by character offsets. One difference and nothing of the quick way is believed for this count.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from vocabtrim_core.corpora import MessageBatch
from vocabtrim_core.corpora.batches import place
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import EncodedBatch
from vocabtrim_core.counting.proof import Proof
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import span_ids
from vocabtrim_core.templates.verify import SpanError, check_spans

FIRST = 8  # rows of every file
ONE_IN = 2_000  # rows per checked row after that, and
MANY, ONE_IN_MANY = 50_000, 10_000  # where so many were read: rows of a file are much alike
OUTSIDE = 8  # beside the codes of roles
RICH_FIRST, RICH_ONE_IN = 1, 500  # of the rows of a block that have calls, tools or reasoning


def check_sample(batch: MessageBatch, recipe: CountConfig, encoded: EncodedBatch) -> Proof:
    """The evidence of one batch. SpanError, naming the row, for the first difference."""
    if batch.preformatted or recipe.rule not in ("assistant", "content"):
        return Proof()
    conversations = turns = 0
    for i in sorted({*_sample(batch), *_new_kinds(batch, recipe)}):
        if not encoded.counted[i]:
            continue
        messages, tools = batch.messages(i), batch.tools(i)
        where = place(batch.file, int(batch.rows[i]))
        try:
            turns += check_spans(recipe.template, messages, tools)
        except SpanError as error:
            raise SpanError(f"{where}, {error}") from None
        if recipe.max_length is None:
            _check_ids(batch, i, recipe, encoded, where)
        conversations += 1
    return Proof(conversations=conversations, turns=turns)


def _sample(batch: MessageBatch) -> list[int]:
    rows = batch.rows
    every = np.where(rows <= MANY, ONE_IN, ONE_IN_MANY)
    chosen = np.flatnonzero((rows <= FIRST) | (rows % every == 1))
    rich = sorted(batch.structured)
    return sorted({*chosen.tolist(), *rich[:RICH_FIRST], *rich[::RICH_ONE_IN]})


def _new_kinds(batch: MessageBatch, recipe: CountConfig) -> list[int]:
    """The first rows in which one kind of message follows another as in none before: of rich rows
    by role, calls, reasoning and what is null or empty, of the others by role."""
    found: list[int] = []
    seen, way = recipe.checked, (recipe.template.fast, recipe.template.literal)

    def add(i: int, pairs: set[tuple[Any, ...]]) -> None:
        kinds = {(way, *pair) for pair in pairs}
        if not kinds <= seen:
            seen.update(kinds)
            found.append(i)

    for i, row in batch.structured.items():
        kinds = [_kind(message) for message in row["messages"]]
        tools = bool(row.get("tools"))
        add(i, {(tools, *pair) for pair in itertools.pairwise([(), *kinds, ()])})
    codes, starts = batch.codes.astype(np.int64), batch.offsets[:-1]
    before = np.concatenate([[OUTSIDE], codes[:-1]])
    before[starts[starts < len(codes)]] = OUTSIDE
    pairs, first = np.unique(before * OUTSIDE + codes, return_index=True)
    rows = np.searchsorted(batch.offsets, first, "right") - 1
    for pair, i in zip(pairs.tolist(), rows.tolist(), strict=True):
        if i not in batch.structured:
            add(i, {(pair,)})
    return found


def _kind(message: Mapping[str, Any]) -> tuple[Any, ...]:
    content, calls = message.get("content"), message.get("tool_calls") or ()
    return (
        message["role"],
        None if content is None else bool(content.strip()),
        min(len(calls), 2),
        {type(c.get("function", c).get("arguments")) for c in calls if isinstance(c, dict)}
        == {str},
        bool(message.get("reasoning_content")),
        message.get("weight") == 0,
    )


def _check_ids(
    batch: MessageBatch, i: int, recipe: CountConfig, encoded: EncodedBatch, where: str
) -> None:
    template = recipe.template
    options = {"reasoning": recipe.reasoning, "last_turn_only": recipe.last_turn_only}
    try:
        text, spans = template.spans(
            batch.messages(i), recipe.rule, tools=batch.tools(i), **options
        )
    except InputError as error:
        raise SpanError(f"{where}: counted, but it cannot be rendered ({error})") from None
    expected = span_ids(recipe.tokenizer, text, spans, masks=template.masks)
    wanted = np.zeros(len(batch), bool)
    wanted[i] = True
    found = encoded.responses(wanted).ids
    if not np.array_equal(found, np.concatenate(expected)):
        raise SpanError(
            f"{where}: {len(found):,} counted ids are not the {sum(map(len, expected)):,} that HF "
            "tokenizers has in the counted spans of the whole text"
        )
