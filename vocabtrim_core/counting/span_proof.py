"""Evidence, gathered while counting, that the counted spans are those of the definition.

A sample of every corpus is counted again by the definition, and with it the first conversation in
which a message of one kind follows one of another. Each assistant turn is rendered once as the
prompt before it and once with it. The whole conversation is encoded by HF tokenizers and cut by
character offsets. After one difference the fast path is not used for the count.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from vocabtrim_core.corpora import MessageBatch
from vocabtrim_core.corpora.batches import place
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import EncodedBatch, spoken
from vocabtrim_core.counting.engines import Reference
from vocabtrim_core.counting.proof import Proof, compare_ids
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import span_ids
from vocabtrim_core.templates.verify import SpanError, check_spans

FIRST = 8  # rows of every file that are checked
ONE_IN = 2_000  # after these, one row in so many, and
MANY, ONE_IN_MANY = 50_000, 10_000  # fewer after MANY rows, which resemble each other
OUTSIDE = 8  # the code of no message; codes of roles are smaller
RICH_FIRST, RICH_ONE_IN = 1, 500  # of the structured rows of a block


def check_sample(batch: MessageBatch, recipe: CountConfig, encoded: EncodedBatch) -> Proof:
    """Check the counted spans of a sample of a batch against the definition.

    Args:
        batch: Messages of a block.
        recipe: Template and rule; gets the kinds of messages that were seen (`checked`).
        encoded: The counted ids of the batch.

    Returns:
        The conversations and turns that were checked.

    Raises:
        SpanError: A counted span differs; the message has the row.
        MismatchError: It differs because the engine gives other ids than HF tokenizers.
    """
    if batch.preformatted or recipe.rule not in ("assistant", "content"):
        return Proof()
    conversations = turns = 0
    for i in sorted({*_sample(batch), *_new_kinds(batch, recipe)}):
        if not encoded.counted[i]:
            continue
        messages, tools = batch.messages(i), batch.tools(i)
        row = place(batch.file, int(batch.rows[i]))
        try:
            turns += check_spans(recipe.template, messages, tools)
        except SpanError as error:
            raise SpanError(f"{row}, {error}") from None
        if recipe.max_length is None:
            _check_ids(batch, i, recipe, encoded, row)
        conversations += 1
    return Proof(conversations=conversations, turns=turns)


def _sample(batch: MessageBatch) -> list[int]:
    rows = batch.rows
    every = np.where(rows <= MANY, ONE_IN, ONE_IN_MANY)
    chosen = np.flatnonzero((rows <= FIRST) | (rows % every == 1))
    rich = sorted(batch.structured)
    return sorted({*chosen.tolist(), *rich[:RICH_FIRST], *rich[::RICH_ONE_IN]})


def _new_kinds(batch: MessageBatch, recipe: CountConfig) -> list[int]:
    """The first rows with a pair of adjacent messages that no row before had.

    Kinds are role, calls, reasoning and missing content for structured rows, and the role for
    others.

    Returns:
        Ascending indices within each of the two groups.
    """
    new_rows: list[int] = []
    seen, path = recipe.checked, (recipe.template.fast, recipe.template.literal)

    def add(i: int, pairs: set[tuple[Any, ...]]) -> None:
        kinds = {(path, *pair) for pair in pairs}
        if not kinds <= seen:
            seen.update(kinds)
            new_rows.append(i)

    for i, row in batch.structured.items():
        kinds = [_kind(message) for message in row["messages"]]
        tools = bool(row.get("tools"))
        add(i, {(tools, *pair) for pair in itertools.pairwise([(), *kinds, ()])})
    codes, starts = batch.codes.astype(np.int64), batch.offsets[:-1]
    previous = np.concatenate([[OUTSIDE], codes[:-1]])
    previous[starts[starts < len(codes)]] = OUTSIDE
    pairs, first = np.unique(previous * OUTSIDE + codes, return_index=True)
    rows = np.searchsorted(batch.offsets, first, "right") - 1
    for pair, i in zip(pairs.tolist(), rows.tolist(), strict=True):
        if i not in batch.structured:
            add(i, {(pair,)})
    return new_rows


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
    batch: MessageBatch, i: int, recipe: CountConfig, encoded: EncodedBatch, row: str
) -> None:
    """Compare the counted ids of a row with those that HF tokenizers has in its spans."""
    template = recipe.template
    options = {"reasoning": recipe.reasoning, "last_turn_only": recipe.last_turn_only}
    try:
        text, spans = template.spans(
            batch.messages(i), recipe.rule, tools=batch.tools(i), **options
        )
    except InputError as error:
        raise SpanError(f"{row}: counted, but it cannot be rendered ({error})") from None
    expected = span_ids(recipe.tokenizer, text, spans, masks=template.masks)
    chosen = np.zeros(len(batch), bool)
    chosen[i] = True
    ids = encoded.responses(chosen).ids
    if not np.array_equal(ids, np.concatenate(expected)):
        _check_engine(batch, chosen, recipe, encoded)
        raise SpanError(
            f"{row}: {len(ids):,} counted ids are not the {sum(map(len, expected)):,} that HF "
            "tokenizers has in the counted spans of the whole text"
        )


def _check_engine(
    batch: MessageBatch, chosen: np.ndarray, recipe: CountConfig, encoded: EncodedBatch
) -> None:
    """MismatchError where the engine, not the spans, is at fault: it read a content otherwise."""
    texts = spoken(batch, recipe, chosen)[0]
    contents = encoded.contents.of(chosen)
    if len(texts) == len(contents.offsets) - 1:  # the row was not rendered
        rows, truth = np.arange(len(texts)), Reference(recipe.tokenizer).encode(texts)
        encoded_texts = contents.ids, contents.offsets
        compare_ids(encoded.proof.engine, texts, encoded_texts, rows, truth, rows)
