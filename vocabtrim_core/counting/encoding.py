"""Encodes a batch of messages to counted ids, response by response.

Most conversations need no rendering: where the template is proved `fast`, the ids of a turn are
those of its content in a frame. The others are rendered. A counted span of a rendered conversation
is encoded alone where both its ends are proved to be token borders. Otherwise the whole text is
encoded by HF tokenizers with offsets and cut. All paths give the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from vocabtrim_core.corpora import MessageBatch, SkipReport
from vocabtrim_core.corpora.batches import ASSISTANT, place
from vocabtrim_core.corpora.reasoning import notes_of
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.proof import ExactEngine, Proof, block_of
from vocabtrim_core.counting.rendering import encode_spans, encode_whole, read_rows
from vocabtrim_core.counting.response_batch import ResponseBatch, joined
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.fast_path import Frame

NOTHING_COUNTED = "no text that counts under this rule"
BEYOND_LIMIT = "no text that counts within the length limit"
REFUSED = "the chat template refuses the conversation"
REMEDIES = {
    NOTHING_COUNTED: "choose another rule or, for rendered text, the chat template that wrote it",
    BEYOND_LIMIT: "raise the length limit",
}

Check = Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedBatch:
    """Counted ids of a batch: contents in frames, and spans of rendered conversations.

    Conversations are numbered within the batch.

    Attributes:
        contents: Ids of message contents, one span each.
        last: bool[spans of contents]: whether the message is the last of its conversation.
        frames: Ids around a content inside a conversation, and around one that is last.
        rendered: Ids of the counted spans of rendered conversations.
        counted: bool[conversations]: whether it has a counted id.
        report: Rows left out, with reasons and first places.
        notes: What was read or rendered without a part of it.
        proof: Evidence that the ids are HF's.
    """

    contents: ResponseBatch
    last: np.ndarray
    frames: tuple[Frame, Frame]
    rendered: ResponseBatch
    counted: np.ndarray
    report: SkipReport
    notes: SkipReport
    proof: Proof

    def counts(self, pieces: int, vocab_size: int) -> ShardCounts:
        """Count the ids of consecutive stretches of the batch.

        Args:
            pieces: Number of stretches, about equal in conversations.
            vocab_size: V.

        Returns:
            Counts with one piece per stretch.
        """
        cuts = np.linspace(0, len(self.counted), pieces + 1).round().astype(np.int64)
        framed = [
            (frame, np.diff(np.searchsorted(self.contents.conversation[self.last == last], cuts)))
            for last, frame in enumerate(self.frames)
        ]

        def rows() -> Iterator[np.ndarray]:
            for piece, (start, stop) in enumerate(pairwise(cuts.tolist())):
                row = _histogram(self.contents.ids_between(start, stop), vocab_size)
                if len(self.rendered.ids):
                    row += _histogram(self.rendered.ids_between(start, stop), vocab_size)
                for frame, times in framed:
                    np.add.at(row, [*frame.before, *frame.after], times[piece])
                yield row

        return ShardCounts.of(rows(), np.diff(np.append(0, np.cumsum(self.counted))[cuts]))

    def sizes(self) -> np.ndarray:
        """int64[conversations]: how many ids count in each."""
        n = len(self.counted)
        frame_lengths = np.array([len(frame.before) + len(frame.after) for frame in self.frames])
        frame_ids = np.bincount(self.contents.conversation, frame_lengths[self.last.astype(int)], n)
        return self.contents.sizes(n) + frame_ids.astype(np.int64) + self.rendered.sizes(n)

    def responses(self, chosen: np.ndarray | None = None) -> ResponseBatch:
        """Join the complete counted spans, in the order of their conversations.

        Args:
            chosen: bool[conversations] whose spans are returned; None for all.

        Returns:
            The spans, with the ids of their frames.
        """
        contents, last, rendered = self.contents, self.last, self.rendered
        if chosen is not None:
            last = last[chosen[contents.conversation]]
            contents, rendered = contents.of(chosen), rendered.of(chosen)
        if not len(contents.conversation):
            return rendered
        if not len(rendered.conversation) and not any(map(any, self.frames)):
            return contents
        conversations = np.concatenate([contents.conversation, rendered.conversation])
        order = np.argsort(conversations, kind="stable")
        frame = np.append(last, np.full(len(rendered.conversation), len(self.frames)))[order]
        is_content = frame < len(self.frames)
        before, after = _sides((*self.frames, Frame()), frame)
        return joined(
            [before, contents.packed(is_content), rendered.packed(~is_content), after],
            conversations[order],
        )


def encode_batch(
    batch: MessageBatch, recipe: CountConfig, engine: ExactEngine, check: Check = lambda: None
) -> EncodedBatch:
    """Encode the counted parts of a batch.

    Conversations that the template refuses are skipped and reported.

    Args:
        batch: Messages of a block.
        recipe: Tokenizer, template and rule.
        engine: Encodes contents, and spans that can be encoded alone.
        check: Called before each rendered row; may raise to stop.

    Returns:
        The counted ids, with reports and evidence.

    Raises:
        InputError: A row has an id outside V; the message has the row.
        MismatchError: The engine gives other ids than HF tokenizers.
    """
    slow = must_render(batch, recipe)
    texts, conversation, last = spoken(batch, recipe, ~slow)
    (ids, offsets), proof = engine.encode(texts, block=block_of(batch))
    del texts  # copies, as large as the batch
    contents = ResponseBatch(ids, offsets, conversation)
    rendered = read_rows(batch, recipe, np.flatnonzero(slow), check)
    if recipe.counts_everything:
        spans, span_proof = encode_whole(batch, recipe, engine, rendered)
    else:
        spans, span_proof = encode_spans(recipe, engine, rendered)
    frames = recipe.template.frames(recipe.rule)
    counted = np.zeros(len(batch), bool)
    counted[spans.conversation[spans.filled()]] = True
    framed = np.array([any(frame) for frame in frames])[last.astype(int)]
    counted[conversation[contents.filled() | framed]] = True
    unread = ~counted
    unread[list(rendered.refused)] = False
    report = SkipReport.of(batch) + _uncounted(batch, unread, recipe)
    encoded = EncodedBatch(
        contents=contents,
        last=last,
        frames=frames,
        rendered=spans,
        counted=counted,
        report=report + refused_report(batch, rendered.refused),
        notes=notes_of(batch, reasoning=recipe.reasoning) + rendered.notes(batch),
        proof=proof + span_proof,
    )
    _check_within(encoded, batch, recipe.tokenizer.vocab_size)
    return encoded


def must_render(batch: MessageBatch, recipe: CountConfig) -> np.ndarray:
    """Find the conversations for which encoding the contents alone is not proved to be exact.

    Args:
        batch: Messages of a block.
        recipe: Template and rule.

    Returns:
        bool[conversations].
    """
    if batch.preformatted or recipe.max_length is not None:
        return np.ones(len(batch), bool)
    slow = recipe.template.rendering_rows(
        batch.roles, batch.contents, batch.offsets, recipe.rule, reasoning=recipe.reasoning
    )
    slow[list(batch.structured)] = True
    return slow


def spoken(
    batch: MessageBatch, recipe: CountConfig, chosen: np.ndarray
) -> tuple[pa.LargeStringArray, np.ndarray, np.ndarray]:
    """Select the counted messages of a batch's conversations.

    Args:
        batch: Messages of a block.
        recipe: Template and rule.
        chosen: bool[conversations]: whose messages are returned.

    Returns:
        texts, as the template writes them; int64[texts], the conversation of each; bool[texts],
        whether it is the last message of its conversation.
    """
    row = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))  # of each message
    is_counted = (batch.codes == ASSISTANT) & chosen[row]
    messages = np.flatnonzero(is_counted)
    if recipe.last_turn_only and len(messages):
        messages = messages[np.append(np.diff(row[messages]) > 0, True)]
        is_counted[:] = False
        is_counted[messages] = True
    texts = recipe.template.as_rendered(batch.contents.filter(pa.array(is_counted)))
    conversation = row[messages]
    return texts, conversation, messages + 1 == batch.offsets[conversation + 1]


def first_texts(batch: MessageBatch, recipe: CountConfig, most: int) -> pa.LargeStringArray:
    """Select the first texts of a batch that an engine is to encode.

    Args:
        batch: Messages of a block.
        recipe: Template and rule.
        most: Texts at most.

    Returns:
        Rendered conversations where every token counts, else contents that need no rendering.
    """
    if recipe.counts_everything:
        readings = read_rows(batch, recipe, np.arange(min(most, len(batch)))).readings
        return pa.array([reading.text for reading in readings.values()], pa.large_string())
    return spoken(batch, recipe, ~must_render(batch, recipe))[0][:most]


def _uncounted(batch: MessageBatch, empty: np.ndarray, recipe: CountConfig) -> SkipReport:
    """The correction of the report for conversations without a counted id: skipped, not counted."""
    rows = batch.rows[empty].tolist()
    if not rows:
        return SkipReport()
    reason = NOTHING_COUNTED if recipe.max_length is None else BEYOND_LIMIT
    places = tuple(f"{batch.file}:{row}" for row in rows[: SkipReport.PLACES])
    return SkipReport(-len(rows), ((reason, len(rows), places),))


def refused_report(batch: MessageBatch, refused: dict[int, str]) -> SkipReport:
    """Report conversations that the template refused.

    Args:
        batch: Messages of a block.
        refused: Row of the batch to the message of the template.

    Returns:
        A correction of the report: these conversations are skipped, not counted.
    """
    reasons: dict[str, list[str]] = {}
    for i, reason in refused.items():
        reasons.setdefault(f"{REFUSED} ({reason})", []).append(f"{batch.file}:{batch.rows[i]}")
    return SkipReport(
        -len(refused),
        tuple(
            (reason, len(places), tuple(places[: SkipReport.PLACES]))
            for reason, places in sorted(reasons.items())
        ),
    )


def _sides(frames: Sequence[Frame], frame_of_span: np.ndarray) -> Iterator[pa.LargeBinaryArray]:
    """Packed ids before every span, then after it; `frame_of_span`: int64[spans]."""
    for side in zip(*frames, strict=True):
        packed = [np.array(ids, np.uint32).tobytes() for ids in side]
        yield pa.array(packed, pa.large_binary()).take(pa.array(frame_of_span))


def _histogram(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """int64[V] occurrences of uint32 ids."""
    counts = np.zeros(vocab_size, np.int64)
    np.add.at(counts, ids, 1)  # np.bincount would search the maximum and copy all to int64 first
    return counts


def _check_within(encoded: EncodedBatch, batch: MessageBatch, vocab_size: int) -> None:
    """InputError, naming the row, for an id outside V."""
    too_large = []
    for ids, offsets, conversation in (encoded.contents, encoded.rendered):
        if len(ids) and ids.max() >= vocab_size:
            at = int(np.argmax(ids >= vocab_size))
            span = np.searchsorted(offsets, at, side="right") - 1
            too_large.append((conversation[span], ids[at]))
    for last, frame in enumerate(encoded.frames):
        framed = encoded.contents.conversation[encoded.last == bool(last)]
        largest = max((*frame.before, *frame.after), default=0)
        if len(framed) and largest >= vocab_size:
            too_large.append((framed[0], largest))
    for conversation, id_ in sorted(too_large)[:1]:
        raise InputError(
            f"{place(batch.file, int(batch.rows[conversation]))}: the tokenizer gives id {id_:,}, "
            f"which a model with V = {vocab_size:,} does not have; check that config.json belongs "
            "to this tokenizer."
        )
