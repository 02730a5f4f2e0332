"""A batch of messages -> counted ids, response by response.

Most conversations need no rendering: where the template is proved `fast`, the ids of a turn are
those of its content and the end-of-turn. The others are rendered, encoded by HF tokenizers with
offsets, and cut at the counted spans; whatever the path, the ids are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vocabtrim_core.corpora import MessageBatch, SkipReport
from vocabtrim_core.corpora.batches import ASSISTANT, place
from vocabtrim_core.counting.proof import RENDERED, ExactEngine, Proof, block_of
from vocabtrim_core.counting.recipe import Recipe
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import Span, ids_inside

TOGETHER = 64  # rendered conversations encoded in one call, which HF spreads over the cores
WINDOW = 1 << 19  # ids counted at once: widened, they take four megabytes
NOTHING_COUNTED = "no text that counts under this rule"
BEYOND_LIMIT = "no text that counts within the length limit"
REMEDIES = {NOTHING_COUNTED: "choose another rule", BEYOND_LIMIT: "raise the length limit"}

Check = Callable[[], None]


class ResponseBatch(NamedTuple):
    """Counted spans in the order of the corpus: span i has ids[offsets[i]:offsets[i + 1]].

    ids: uint32[n]; offsets: int64[spans + 1]; conversation: int64[spans], non-decreasing.
    """

    ids: np.ndarray
    offsets: np.ndarray
    conversation: np.ndarray

    def filled(self) -> np.ndarray:
        """bool[spans]: the span has ids."""
        return np.diff(self.offsets) > 0

    def sizes(self, conversations: int) -> np.ndarray:
        """int64[conversations]: how many ids each has."""
        spans = np.diff(self.offsets)
        return np.bincount(self.conversation, spans, conversations).astype(np.int64)

    def of(self, wanted: np.ndarray) -> ResponseBatch:
        """The spans of wanted conversations, which keep their numbers."""
        inside = wanted[self.conversation]
        if inside.all():
            return self
        starts, spans = self.offsets[:-1], np.diff(self.offsets)
        ids, offsets = _gather(self.ids, starts, spans, np.flatnonzero(inside))
        return ResponseBatch(ids, offsets, self.conversation[inside])

    def ids_between(self, start: int, stop: int) -> np.ndarray:
        """Ids of conversations start … stop - 1."""
        first, last = np.searchsorted(self.conversation, [start, stop])
        return self.ids[self.offsets[first] : self.offsets[last]]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedBatch:
    """Counted ids of a batch, as they came: contents, some of them followed by `end_ids`, and spans
    of rendered conversations. `conversation` counts within the batch."""

    contents: ResponseBatch
    ends: np.ndarray  # bool[spans of contents]: `end_ids` follow
    end_ids: tuple[int, ...]
    rendered: ResponseBatch
    counted: np.ndarray  # bool[conversations]: has a counted id
    report: SkipReport
    proof: Proof

    def counts(self, pieces: int, vocab_size: int) -> ShardCounts:
        """Counts of so many consecutive stretches of the batch."""
        cuts = np.linspace(0, len(self.counted), pieces + 1).round().astype(np.int64)
        ended = np.diff(np.searchsorted(self.contents.conversation[self.ends], cuts))
        ends = np.array(self.end_ids, np.uint32)

        def rows() -> Iterator[np.ndarray]:
            for times, (start, stop) in zip(ended, pairwise(cuts.tolist()), strict=True):
                row = _histogram(self.contents.ids_between(start, stop), vocab_size)
                if len(self.rendered.ids):
                    row += _histogram(self.rendered.ids_between(start, stop), vocab_size)
                np.add.at(row, ends, times)
                yield row

        return ShardCounts.of(rows(), np.diff(np.append(0, np.cumsum(self.counted))[cuts]))

    def sizes(self) -> np.ndarray:
        """int64[conversations]: how many ids count in each."""
        n = len(self.counted)
        ends = np.bincount(self.contents.conversation[self.ends], minlength=n)
        return self.contents.sizes(n) + ends * len(self.end_ids) + self.rendered.sizes(n)

    def responses(self, wanted: np.ndarray | None = None) -> ResponseBatch:
        """Complete spans in the order of their conversations: of all, or of wanted ones."""
        contents, ends, other = self.contents, self.ends, self.rendered
        if wanted is not None:
            ends = ends[wanted[contents.conversation]]
            contents, other = contents.of(wanted), other.of(wanted)
        found = _ended(contents, ends, self.end_ids)
        if not len(other.conversation):
            return found
        both = np.concatenate([found.conversation, other.conversation])
        lengths = np.concatenate([np.diff(found.offsets), np.diff(other.offsets)])
        order = np.argsort(both, kind="stable")
        ids = np.concatenate([found.ids, other.ids])
        ids, offsets = _gather(ids, np.cumsum(lengths) - lengths, lengths, order)
        return ResponseBatch(ids, offsets, both[order])


def encode_batch(
    batch: MessageBatch, recipe: Recipe, engine: ExactEngine, check: Check = lambda: None
) -> EncodedBatch:
    """The counted ids of a batch; `check` is called now and then and may raise to stop.

    InputError naming the row where a template refuses a conversation, or that has an id outside V.
    """
    slow = must_render(batch, recipe)
    texts, conversation, ends = spoken(batch, recipe, ~slow)
    (ids, offsets), proof = engine.encode(texts, block=block_of(batch))
    del texts  # copies, as large as the batch
    contents = ResponseBatch(ids, offsets, conversation)
    rows = np.flatnonzero(slow)
    if recipe.counts_everything:
        rendered, more = _whole(batch, recipe, engine, rows, check)
    else:
        rendered, more = _cut(batch, recipe, rows, check)
    end_ids = recipe.template.end_of_turn_ids
    counted = np.zeros(len(batch), bool)
    counted[conversation[contents.filled() | (ends & bool(end_ids))]] = True
    counted[rendered.conversation[rendered.filled()]] = True
    report = SkipReport.of(batch) + _uncounted(batch, ~counted, recipe)
    encoded = EncodedBatch(contents, ends, end_ids, rendered, counted, report, proof + more)
    _check_within(encoded, batch, recipe.tokenizer.vocab_size)
    return encoded


def must_render(batch: MessageBatch, recipe: Recipe) -> np.ndarray:
    """bool[n]: conversations for which encoding the contents alone is not proved to be enough."""
    if batch.preformatted or recipe.max_length is not None:
        return np.ones(len(batch), bool)
    slow = recipe.template.rendering_rows(
        batch.roles, batch.contents, batch.offsets, recipe.rule, reasoning=recipe.reasoning
    )
    slow[list(batch.structured)] = True
    return slow


def spoken(
    batch: MessageBatch, recipe: Recipe, wanted: np.ndarray
) -> tuple[pa.LargeStringArray, np.ndarray, np.ndarray]:
    """(texts, conversation int64[], ends bool[]) of the counted messages of wanted conversations.

    A text is what the template writes; ends tells whether the end-of-turn counts after it.
    """
    row = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))  # of each message
    mine = (batch.codes == ASSISTANT) & wanted[row]
    picked = np.flatnonzero(mine)
    if recipe.last_turn_only and len(picked):
        picked = picked[np.append(np.diff(row[picked]) > 0, True)]
        mine[:] = False
        mine[picked] = True
    texts = recipe.template.as_rendered(batch.contents.filter(pa.array(mine)))
    conversation = row[picked]
    ends = np.full(len(picked), recipe.rule == "assistant")
    if recipe.rule == "reference":
        ends = picked + 1 == batch.offsets[conversation + 1]
    return texts, conversation, ends


def first_texts(batch: MessageBatch, recipe: Recipe, most: int) -> pa.LargeStringArray:
    """The first texts of a batch that an engine is to encode."""
    if recipe.counts_everything:
        return rendered_texts(batch, recipe, np.arange(min(most, len(batch))))
    return spoken(batch, recipe, ~must_render(batch, recipe))[0][:most]


def rendered_texts(
    batch: MessageBatch, recipe: Recipe, rows: np.ndarray, check: Check = lambda: None
) -> pa.LargeStringArray:
    """Whole conversations as the model sees them."""
    texts = []
    for i in rows.tolist():
        check()
        texts.append(_text_and_spans(batch, i, recipe)[0])
    return pa.array(texts, pa.large_string())


def _whole(
    batch: MessageBatch, recipe: Recipe, engine: ExactEngine, rows: np.ndarray, check: Check
) -> tuple[ResponseBatch, Proof]:
    """Conversations of which every token counts: rendered, then encoded like any text."""
    texts = rendered_texts(batch, recipe, rows, check)
    (ids, offsets), proof = engine.encode(texts, markup=True, block=block_of(batch))
    if recipe.max_length is not None:
        lengths = np.minimum(np.diff(offsets), recipe.max_length)
        ids, offsets = _gather(ids, offsets[:-1], lengths, np.arange(len(lengths)))
    return ResponseBatch(ids, offsets, rows), proof


def _cut(
    batch: MessageBatch, recipe: Recipe, rows: np.ndarray, check: Check
) -> tuple[ResponseBatch, Proof]:
    """Counted spans of rendered conversations, by the reference path."""
    backend, masks = recipe.tokenizer.backend, recipe.template.masks
    found, conversation = [np.empty(0, np.uint32)], []
    for start in range(0, len(rows), TOGETHER):
        check()
        some = rows[start : start + TOGETHER].tolist()
        pairs = [_text_and_spans(batch, i, recipe) for i in some]
        encodings = backend.encode_batch([text for text, _ in pairs], add_special_tokens=False)
        for i, (_, spans), encoding in zip(some, pairs, encodings, strict=True):
            found += ids_inside(encoding, spans, masks=masks, limit=recipe.max_length)
            conversation += [i] * len(spans)
    offsets = np.cumsum([len(ids) for ids in found], dtype=np.int64)
    rendered = ResponseBatch(np.concatenate(found), offsets, np.array(conversation, np.int64))
    return rendered, Proof(texts=len(rows), routed={RENDERED: len(rows)} if len(rows) else {})


def _text_and_spans(batch: MessageBatch, i: int, recipe: Recipe) -> tuple[str, list[Span]]:
    """Conversation i as the model sees it, and its counted ranges."""
    template = recipe.template
    options = {"reasoning": recipe.reasoning, "last_turn_only": recipe.last_turn_only}
    with _naming(batch, i):
        if batch.preformatted:
            text = batch.contents[int(batch.offsets[i])].as_py()
            return text, template.find_spans(text, recipe.rule, **options)
        return template.spans(batch.messages(i), recipe.rule, tools=batch.tools(i), **options)


@contextmanager
def _naming(batch: MessageBatch, i: int) -> Iterator[None]:
    """Say which row an InputError is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place(batch.file, int(batch.rows[i]))}: {error}") from error


def _uncounted(batch: MessageBatch, empty: np.ndarray, recipe: Recipe) -> SkipReport:
    """The correction for conversations without a counted id: not counted, but skipped."""
    rows = batch.rows[empty].tolist()
    if not rows:
        return SkipReport()
    reason = NOTHING_COUNTED if recipe.max_length is None else BEYOND_LIMIT
    places = tuple(f"{batch.file}:{row}" for row in rows[: SkipReport.PLACES])
    return SkipReport(-len(rows), ((reason, len(rows), places),))


def _ended(contents: ResponseBatch, ends: np.ndarray, end_ids: tuple[int, ...]) -> ResponseBatch:
    """The contents with the ids that end some of them (bool[spans]) in place."""
    ids, offsets, conversation = contents
    if not (end_ids and ends.any()):
        return contents
    offsets = offsets + np.append(0, np.cumsum(ends)) * len(end_ids)
    last = offsets[1:][ends]
    whole = np.empty(offsets[-1], ids.dtype)
    own = np.ones(len(whole), bool)
    for back, id_ in enumerate(reversed(end_ids), 1):
        whole[last - back] = id_
        own[last - back] = False
    whole[own] = ids
    return ResponseBatch(whole, offsets, conversation)


def _histogram(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """int64[V] occurrences of uint32 ids."""
    # A window at a time, as int32, which NumPy widens (uint32 it would check one by one).
    counts = np.zeros(vocab_size, np.int64)
    for start in range(0, len(ids), WINDOW):
        counts += np.bincount(ids[start : start + WINDOW].view(np.int32), minlength=vocab_size)
    return counts


def _check_within(encoded: EncodedBatch, batch: MessageBatch, vocab_size: int) -> None:
    """InputError, naming the row, for an id outside V."""
    found = []
    for ids, offsets, conversation in (encoded.contents, encoded.rendered):
        if len(ids) and ids.max() >= vocab_size:
            at = int(np.argmax(ids >= vocab_size))
            span = np.searchsorted(offsets, at, side="right") - 1
            found.append((conversation[span], ids[at]))
    if encoded.ends.any() and (last := max(encoded.end_ids, default=0)) >= vocab_size:
        found.append((encoded.contents.conversation[encoded.ends][0], last))
    for conversation, id_ in sorted(found)[:1]:
        raise InputError(
            f"{place(batch.file, int(batch.rows[conversation]))}: the tokenizer gives id {id_:,}, "
            f"which a model with V = {vocab_size:,} does not have; check that config.json belongs "
            "to this tokenizer."
        )


def _gather(
    ids: np.ndarray, starts: np.ndarray, lengths: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(ids, offsets) of the stretches ids[starts[i]:][:lengths[i]] in another order."""
    starts, lengths = starts[order], lengths[order]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    take = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return ids[take], offsets
