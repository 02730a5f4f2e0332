"""A batch of messages -> counted ids, response by response.

Most conversations need no rendering: where the template is proved `fast`, the ids of a turn are
those of its content in a frame. The others are rendered. A counted span of theirs is encoded by
itself where both its borders are proved to be token borders; else the whole text is encoded by HF
tokenizers with offsets and cut. Whatever the path, the ids are the same.
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
REMEDIES = {NOTHING_COUNTED: "choose another rule", BEYOND_LIMIT: "raise the length limit"}

Check = Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedBatch:
    """Counted ids of a batch, as they came: contents, each in one of two frames, and spans of
    rendered conversations. `conversation` counts within the batch."""

    contents: ResponseBatch
    last: np.ndarray  # bool[spans of contents]: it is its conversation's last message
    frames: tuple[Frame, Frame]  # of a content inside a conversation, of one that is last
    rendered: ResponseBatch
    counted: np.ndarray  # bool[conversations]: has a counted id
    report: SkipReport
    notes: SkipReport  # what was read or rendered without a part of it
    proof: Proof

    def counts(self, pieces: int, vocab_size: int) -> ShardCounts:
        """Counts of so many consecutive stretches of the batch."""
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
        more = np.array([len(frame.before) + len(frame.after) for frame in self.frames])
        added = np.bincount(self.contents.conversation, more[self.last.astype(int)], n)
        return self.contents.sizes(n) + added.astype(np.int64) + self.rendered.sizes(n)

    def responses(self, wanted: np.ndarray | None = None) -> ResponseBatch:
        """Complete spans in the order of their conversations: of all, or of wanted ones."""
        contents, last, other = self.contents, self.last, self.rendered
        if wanted is not None:
            last = last[wanted[contents.conversation]]
            contents, other = contents.of(wanted), other.of(wanted)
        if not len(contents.conversation):
            return other
        if not len(other.conversation) and not any(map(any, self.frames)):
            return contents
        both = np.concatenate([contents.conversation, other.conversation])
        order = np.argsort(both, kind="stable")
        frame = np.append(last, np.full(len(other.conversation), len(self.frames)))[order]
        own = frame < len(self.frames)
        before, after = _sides((*self.frames, Frame()), frame)
        return joined([before, contents.packed(own), other.packed(~own), after], both[order])


def encode_batch(
    batch: MessageBatch, recipe: CountConfig, engine: ExactEngine, check: Check = lambda: None
) -> EncodedBatch:
    """The counted ids of a batch; `check` is called now and then and may raise to stop.

    Conversations that the template refuses are skipped and reported.
    InputError naming the row that has an id outside V.
    """
    slow = must_render(batch, recipe)
    texts, conversation, last = spoken(batch, recipe, ~slow)
    (ids, offsets), proof = engine.encode(texts, block=block_of(batch))
    del texts  # copies, as large as the batch
    contents = ResponseBatch(ids, offsets, conversation)
    rendered = read_rows(batch, recipe, np.flatnonzero(slow), check)
    if recipe.counts_everything:
        spans, more = encode_whole(batch, recipe, engine, rendered)
    else:
        spans, more = encode_spans(recipe, engine, rendered)
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
        proof=proof + more,
    )
    _check_within(encoded, batch, recipe.tokenizer.vocab_size)
    return encoded


def must_render(batch: MessageBatch, recipe: CountConfig) -> np.ndarray:
    """bool[n]: conversations for which encoding the contents alone is not proved to be enough."""
    if batch.preformatted or recipe.max_length is not None:
        return np.ones(len(batch), bool)
    slow = recipe.template.rendering_rows(
        batch.roles, batch.contents, batch.offsets, recipe.rule, reasoning=recipe.reasoning
    )
    slow[list(batch.structured)] = True
    return slow


def spoken(
    batch: MessageBatch, recipe: CountConfig, wanted: np.ndarray
) -> tuple[pa.LargeStringArray, np.ndarray, np.ndarray]:
    """(texts, conversation int64[], last bool[]) of the counted messages of wanted conversations.

    A text is what the template writes; last tells whether it is its conversation's last message.
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
    return texts, conversation, picked + 1 == batch.offsets[conversation + 1]


def first_texts(batch: MessageBatch, recipe: CountConfig, most: int) -> pa.LargeStringArray:
    """The first texts of a batch that an engine is to encode."""
    if recipe.counts_everything:
        readings = read_rows(batch, recipe, np.arange(min(most, len(batch)))).readings
        return pa.array([reading.text for reading in readings.values()], pa.large_string())
    return spoken(batch, recipe, ~must_render(batch, recipe))[0][:most]


def _uncounted(batch: MessageBatch, empty: np.ndarray, recipe: CountConfig) -> SkipReport:
    """The correction for conversations without a counted id: not counted, but skipped."""
    rows = batch.rows[empty].tolist()
    if not rows:
        return SkipReport()
    reason = NOTHING_COUNTED if recipe.max_length is None else BEYOND_LIMIT
    places = tuple(f"{batch.file}:{row}" for row in rows[: SkipReport.PLACES])
    return SkipReport(-len(rows), ((reason, len(rows), places),))


def refused_report(batch: MessageBatch, refused: dict[int, str]) -> SkipReport:
    """Conversations that the template refused, with what it said."""
    reasons: dict[str, list[str]] = {}
    for i, said in refused.items():
        reasons.setdefault(f"{REFUSED} ({said})", []).append(f"{batch.file}:{batch.rows[i]}")
    return SkipReport(
        -len(refused),
        tuple(
            (reason, len(places), tuple(places[: SkipReport.PLACES]))
            for reason, places in sorted(reasons.items())
        ),
    )


def _sides(frames: Sequence[Frame], which: np.ndarray) -> Iterator[pa.LargeBinaryArray]:
    """What stands before every span, and after it, packed. which: int[spans], its frame."""
    for side in zip(*frames, strict=True):
        packed = [np.array(ids, np.uint32).tobytes() for ids in side]
        yield pa.array(packed, pa.large_binary()).take(pa.array(which))


def _histogram(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """int64[V] occurrences of uint32 ids."""
    counts = np.zeros(vocab_size, np.int64)
    np.add.at(counts, ids, 1)  # np.bincount looks for the largest and widens all of them first
    return counts


def _check_within(encoded: EncodedBatch, batch: MessageBatch, vocab_size: int) -> None:
    """InputError, naming the row, for an id outside V."""
    found = []
    for ids, offsets, conversation in (encoded.contents, encoded.rendered):
        if len(ids) and ids.max() >= vocab_size:
            at = int(np.argmax(ids >= vocab_size))
            span = np.searchsorted(offsets, at, side="right") - 1
            found.append((conversation[span], ids[at]))
    for last, frame in enumerate(encoded.frames):
        framed = encoded.contents.conversation[encoded.last == bool(last)]
        largest = max((*frame.before, *frame.after), default=0)
        if len(framed) and largest >= vocab_size:
            found.append((framed[0], largest))
    for conversation, id_ in sorted(found)[:1]:
        raise InputError(
            f"{place(batch.file, int(batch.rows[conversation]))}: the tokenizer gives id {id_:,}, "
            f"which a model with V = {vocab_size:,} does not have; check that config.json belongs "
            "to this tokenizer."
        )
