"""Conversations that must be rendered: read through the template, then encoded span by span."""

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

BEGINNING = 64  # characters of a span that decide whether it begins with a token border
NEXT = 16  # characters of it that are encoded with what precedes it, to see where it begins
TOGETHER = 64  # conversations encoded whole in one call, which HF spreads over the cores
Check = Callable[[], None]


@dataclass(slots=True)
class RenderedRows:
    """Rows of a batch, by index: what was read of them, or why the template refused them."""

    readings: dict[int, Reading] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)

    def notes(self, batch: MessageBatch) -> SkipReport:
        """What the template does not write, with the number of turns and the first places."""
        found: dict[str, tuple[int, list[str]]] = {}
        for i, reading in self.readings.items():
            for reason, turns in reading.notes:
                count, places = found.get(reason, (0, []))
                found[reason] = count + turns, [*places, f"{batch.file}:{batch.rows[i]}"]
        most = SkipReport.PLACES
        return SkipReport(
            0, tuple((reason, n, tuple(places[:most])) for reason, (n, places) in found.items())
        )


def read_rows(
    batch: MessageBatch, recipe: CountConfig, rows: np.ndarray, check: Check = lambda: None
) -> RenderedRows:
    """Rows as the template renders them, with their counted ranges."""
    template, found = recipe.template, RenderedRows()
    options = {"reasoning": recipe.reasoning, "last_turn_only": recipe.last_turn_only}
    for i in rows.tolist():
        check()
        if batch.preformatted:
            text = batch.contents[int(batch.offsets[i])].as_py()
            found.readings[i] = template.read_text(text, recipe.rule, **options)
            continue
        try:
            found.readings[i] = template.read(
                batch.messages(i), recipe.rule, tools=batch.tools(i), **options
            )
        except RefusedError as error:
            found.refused[i] = error.said
        except InputError as error:
            found.refused[i] = str(error).rstrip(".")
    return found


def encode_whole(
    batch: MessageBatch, recipe: CountConfig, engine: ExactEngine, rendered: RenderedRows
) -> tuple[ResponseBatch, Proof]:
    """Conversations of which every token counts: encoded like any text."""
    texts = pa.array([r.text for r in rendered.readings.values()], pa.large_string())
    (ids, offsets), proof = engine.encode(texts, markup=True, block=block_of(batch))
    if recipe.max_length is not None:
        lengths = np.minimum(np.diff(offsets), recipe.max_length)
        ids, offsets = gather(ids, offsets[:-1], lengths, np.arange(len(lengths)))
    return ResponseBatch(ids, offsets, _numbers(list(rendered.readings))), proof


def encode_spans(
    recipe: CountConfig, engine: ExactEngine, rendered: RenderedRows
) -> tuple[ResponseBatch, Proof]:
    """Counted spans of rendered conversations, by the engine where they can be cut out."""
    cuts = _cuts(recipe, rendered)
    alone = np.array([cut.begin is not None for cut in cuts], bool)
    apart = [cut for cut in cuts if cut.begin is not None]
    texts = [rendered.readings[cut.row].text[cut.begin : cut.end] for cut in apart]
    (ids, offsets), proof = engine.encode(pa.array(texts, pa.large_string()), markup=True)
    before = _ids_before(recipe.tokenizer, texts, apart, ids, offsets)
    found = ResponseBatch(ids, offsets, _numbers([cut.row for cut in apart]))
    if before.any():
        known = np.flatnonzero(before >= 0)
        kept = gather(ids, offsets[:-1] + before, np.diff(offsets) - before, known)
        found = ResponseBatch(*kept, found.conversation[known])
        alone[np.flatnonzero(alone)[before < 0]] = False
    others = [cuts[i] for i in np.flatnonzero(~alone)]
    if others:
        places = np.concatenate([np.flatnonzero(alone), np.flatnonzero(~alone)])
        found = found.merged(_within(recipe, rendered, others), places)
        proof += Proof(texts=len(others), routed={WITHIN: len(others)})
    return found, proof


class _Cut(NamedTuple):
    """A counted span of a row. begin: from there to the end the text encodes to its ids in the
    whole; None where only the whole is known to."""

    row: int
    start: int
    end: int
    begin: int | None


def _cuts(recipe: CountConfig, rendered: RenderedRows) -> list[_Cut]:
    """Every span with the shortest stretch that is known to encode apart."""
    template, tokens = recipe.template, _added_tokens(recipe.tokenizer)
    whole = recipe.max_length is not None or template.masks or not tokens.cuts
    cuts, behind_header = [], []
    for i, (text, spans, _) in rendered.readings.items():
        for start, end in spans:
            begin: int | None = None
            if not whole and tokens.border(text, end):
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
    """int64[cuts]: how many of the ids of a text begin before the span in it; -1 for unknown.

    HF tokenizers says so for the beginning of the text. As ids say how long their tokens are, it is
    so for the whole text too if that has the same ids before the span.
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
            own = ids[offsets[n] : offsets[n + 1]][: len(lead)]
            before[n] = len(lead) if own.tolist() == lead else -1
    return before


def _within(recipe: CountConfig, rendered: RenderedRows, cuts: list[_Cut]) -> ResponseBatch:
    """Spans cut by offsets out of whole texts, which HF tokenizers encodes."""
    backend, masks = recipe.tokenizer.backend, recipe.template.masks
    spans: dict[int, list[Span]] = {}
    for cut in cuts:
        spans.setdefault(cut.row, []).append((cut.start, cut.end))
    rows = list(spans)
    found, conversation = [np.empty(0, np.uint32)], []
    for first in range(0, len(rows), TOGETHER):
        some = rows[first : first + TOGETHER]
        texts = [rendered.readings[row].text for row in some]
        encodings = backend.encode_batch(texts, add_special_tokens=False)
        for row, encoding in zip(some, encodings, strict=True):
            found += ids_inside(encoding, spans[row], masks=masks, limit=recipe.max_length)
            conversation += [row] * len(spans[row])
    offsets = np.cumsum([len(ids) for ids in found], dtype=np.int64)
    return ResponseBatch(np.concatenate(found), offsets, _numbers(conversation))


def _numbers(rows: Sequence[int]) -> np.ndarray:
    return np.array(rows, np.int64)
