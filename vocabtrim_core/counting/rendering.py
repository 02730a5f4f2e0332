"""Conversations that must be rendered: written by the template, then encoded span by span."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vocabtrim_core.corpora import MessageBatch, SkipReport
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.proof import WITHIN, ExactEngine, Proof, block_of
from vocabtrim_core.counting.response_batch import ResponseBatch, gather
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.boundaries import AddedTokens
from vocabtrim_core.templates.chat_template import Reading, Span, ids_inside
from vocabtrim_core.templates.render import RefusedError
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

BEGINNING = 64  # first characters of a span, which decide whether a token begins there
NEXT = 16  # of these, encoded with the text before the span to find its first token
TOGETHER = 64  # conversations encoded in one call, which HF spreads over the cores
Check = Callable[[], None]


@dataclass(slots=True)
class RenderedRows:
    """Rows of a batch after rendering.

    Attributes:
        readings: Index of a row to its text and counted ranges.
        refused: Index of a row to the message with which the template refused it.
    """

    readings: dict[int, Reading] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)

    def notes(self, batch: MessageBatch) -> SkipReport:
        """Report what the template does not write.

        Args:
            batch: The batch of the rows, for the places.

        Returns:
            Per reason the number of turns and the first places.
        """
        turns_and_places: dict[str, tuple[int, list[str]]] = {}
        for i, reading in self.readings.items():
            for reason, turns in reading.notes:
                count, places = turns_and_places.get(reason, (0, []))
                turns_and_places[reason] = count + turns, [*places, f"{batch.file}:{batch.rows[i]}"]
        most = SkipReport.PLACES
        return SkipReport(
            0,
            tuple(
                (reason, n, tuple(places[:most]))
                for reason, (n, places) in turns_and_places.items()
            ),
        )


def read_rows(
    batch: MessageBatch, recipe: CountConfig, rows: np.ndarray, check: Check = lambda: None
) -> RenderedRows:
    """Render rows and find their counted ranges.

    Args:
        batch: Messages of a block.
        recipe: Template and rule.
        rows: int64, indices of the conversations to render.
        check: Called before each row; may raise to stop.

    Returns:
        What was rendered and what the template refused.
    """
    template, rendered = recipe.template, RenderedRows()
    options = {"reasoning": recipe.reasoning, "last_turn_only": recipe.last_turn_only}
    for i in rows.tolist():
        check()
        if batch.preformatted:
            text = batch.contents[int(batch.offsets[i])].as_py()
            rendered.readings[i] = template.read_text(text, recipe.rule, **options)
            continue
        try:
            rendered.readings[i] = template.read(
                batch.messages(i), recipe.rule, tools=batch.tools(i), **options
            )
        except RefusedError as error:
            rendered.refused[i] = error.reason
        except InputError as error:
            rendered.refused[i] = str(error).rstrip(".")
    return rendered


def encode_whole(
    batch: MessageBatch, recipe: CountConfig, engine: ExactEngine, rendered: RenderedRows
) -> tuple[ResponseBatch, Proof]:
    """Encode conversations of which every token counts.

    Args:
        batch: The batch of the rows.
        recipe: Gives the length limit.
        engine: The engine.
        rendered: The rendered rows.

    Returns:
        One span per conversation, and the evidence.

    Raises:
        MismatchError: The engine gives other ids than HF tokenizers.
    """
    texts = pa.array([r.text for r in rendered.readings.values()], pa.large_string())
    (ids, offsets), proof = engine.encode(texts, markup=True, block=block_of(batch))
    if recipe.max_length is not None:
        lengths = np.minimum(np.diff(offsets), recipe.max_length)
        ids, offsets = gather(ids, offsets[:-1], lengths, np.arange(len(lengths)))
    return ResponseBatch(ids, offsets, _numbers(list(rendered.readings))), proof


def encode_spans(
    recipe: CountConfig, engine: ExactEngine, rendered: RenderedRows
) -> tuple[ResponseBatch, Proof]:
    """Encode the counted spans of rendered conversations.

    The engine encodes those that can be encoded alone, HF tokenizers the others.

    Args:
        recipe: Tokenizer and template.
        engine: The engine.
        rendered: The rendered rows.

    Returns:
        The spans in the order of the conversations, and the evidence.

    Raises:
        MismatchError: The engine gives other ids than HF tokenizers.
    """
    cuts = _cuts(recipe, rendered)
    alone = np.array([cut.begin is not None for cut in cuts], bool)
    separate = [cut for cut in cuts if cut.begin is not None]
    texts = [rendered.readings[cut.row].text[cut.begin : cut.end] for cut in separate]
    (ids, offsets), proof = engine.encode(pa.array(texts, pa.large_string()), markup=True)
    lengths_before = _ids_before(recipe.tokenizer, texts, separate, ids, offsets)
    spans = ResponseBatch(ids, offsets, _numbers([cut.row for cut in separate]))
    if lengths_before.any():
        known_spans = np.flatnonzero(lengths_before >= 0)
        tails = gather(
            ids, offsets[:-1] + lengths_before, np.diff(offsets) - lengths_before, known_spans
        )
        spans = ResponseBatch(*tails, spans.conversation[known_spans])
        alone[np.flatnonzero(alone)[lengths_before < 0]] = False
    remaining = [cuts[i] for i in np.flatnonzero(~alone)]
    if remaining:
        places = np.concatenate([np.flatnonzero(alone), np.flatnonzero(~alone)])
        spans = spans.merged(_within(recipe, rendered, remaining), places)
        proof += Proof(texts=len(remaining), routed={WITHIN: len(remaining)})
    return spans, proof


class _Cut(NamedTuple):
    """A counted span of a row.

    Attributes:
        row: Index of the conversation.
        start: First character of the span.
        end: End of the span.
        begin: From here to `end` the text can be encoded alone with the ids of the whole; None
            where only the whole text is known to give them.
    """

    row: int
    start: int
    end: int
    begin: int | None


def _cuts(recipe: CountConfig, rendered: RenderedRows) -> list[_Cut]:
    """Every span, with the shortest stretch that is known to encode alone."""
    template, tokens = recipe.template, _added_tokens(recipe.tokenizer)
    only_whole = recipe.max_length is not None or template.masks or not tokens.cuts
    cuts, behind_header = [], []
    for i, (text, spans, _) in rendered.readings.items():
        for start, end in spans:
            begin: int | None = None
            if not only_whole and tokens.border(text, end):
                begin = tokens.border_before(text, start)
                if begin != start and text.endswith(template.header, 0, start):
                    behind_header.append(len(cuts))
            cuts.append(_Cut(i, start, end, begin))
    if template.fast_path is not None and behind_header:
        begins = [_beginning(rendered, cuts[at]) for at in behind_header]
        proved = template.fast_path.begins_apart(pa.array(begins, pa.large_string()))
        for at, safe in zip(behind_header, proved.tolist(), strict=True):
            if safe:
                cuts[at] = cuts[at]._replace(begin=cuts[at].start)
    return cuts


def _beginning(rendered: RenderedRows, cut: _Cut) -> str:
    return rendered.readings[cut.row].text[cut.start : cut.start + BEGINNING]


@functools.lru_cache(maxsize=8)
def _added_tokens(tokenizer: Tokenizer) -> AddedTokens:
    return AddedTokens(tokenizer)


def _ids_before(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    cuts: Sequence[_Cut],
    ids: np.ndarray,
    offsets: np.ndarray,
) -> np.ndarray:
    """Count the ids of each text that begin before its span.

    HF tokenizers counts them on the beginning of the text. The same count holds for the whole text
    if its first ids are the same, since ids determine the length of their tokens.

    Returns:
        int64[cuts]; -1 where the first ids differ.
    """
    before = np.zeros(len(cuts), np.int64)
    leads: dict[tuple[str, int], list[int]] = {}
    for n, (text, cut) in enumerate(zip(texts, cuts, strict=True)):
        if ahead := cut.start - (cut.begin or 0):
            leads.setdefault((text[: ahead + NEXT], ahead), []).append(n)
    heads = [head for head, _ in leads]
    encodings = tokenizer.backend.encode_batch(heads, add_special_tokens=False)
    for ((_, ahead), places), encoding in zip(leads.items(), encodings, strict=True):
        lead = [
            id_ for id_, (at, _) in zip(encoding.ids, encoding.offsets, strict=True) if at < ahead
        ]
        for n in places:
            head_ids = ids[offsets[n] : offsets[n + 1]][: len(lead)]
            before[n] = len(lead) if head_ids.tolist() == lead else -1
    return before


def _within(recipe: CountConfig, rendered: RenderedRows, cuts: list[_Cut]) -> ResponseBatch:
    """Spans cut by character offsets out of whole texts that HF tokenizers encodes."""
    backend, masks = recipe.tokenizer.backend, recipe.template.masks
    spans: dict[int, list[Span]] = {}
    for cut in cuts:
        spans.setdefault(cut.row, []).append((cut.start, cut.end))
    rows = list(spans)
    ids_of_spans, conversation = [np.empty(0, np.uint32)], []
    for first in range(0, len(rows), TOGETHER):
        group = rows[first : first + TOGETHER]
        texts = [rendered.readings[row].text for row in group]
        encodings = backend.encode_batch(texts, add_special_tokens=False)
        for row, encoding in zip(group, encodings, strict=True):
            ids_of_spans += ids_inside(encoding, spans[row], masks=masks, limit=recipe.max_length)
            conversation += [row] * len(spans[row])
    offsets = np.cumsum([len(ids) for ids in ids_of_spans], dtype=np.int64)
    return ResponseBatch(np.concatenate(ids_of_spans), offsets, _numbers(conversation))


def _numbers(rows: Sequence[int]) -> np.ndarray:
    return np.array(rows, np.int64)
