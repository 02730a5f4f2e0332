"""Conversations that must be rendered: read through the template, then encoded span by span."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vocabtrim_core.corpora import MessageBatch, SkipReport
from vocabtrim_core.counting.proof import WITHIN, ExactEngine, Proof, block_of
from vocabtrim_core.counting.recipe import Recipe
from vocabtrim_core.counting.response_batch import ResponseBatch, gather
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.boundaries import AddedTokens
from vocabtrim_core.templates.chat_template import Reading, Span, ids_inside
from vocabtrim_core.templates.render import RefusedError
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

BEGINNING = 64  # characters of a span that decide whether it begins with a token border
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
    batch: MessageBatch, recipe: Recipe, rows: np.ndarray, check: Check = lambda: None
) -> RenderedRows:
    """Rows as the template renders them, with their counted ranges."""
    template, found = recipe.template, RenderedRows()
    options = {"reasoning": recipe.reasoning, "last_turn_only": recipe.last_turn_only}
    for i in rows.tolist():
        check()
        if batch.preformatted:
            text = batch.contents[int(batch.offsets[i])].as_py()
            found.readings[i] = Reading(text, template.find_spans(text, recipe.rule, **options))
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
    batch: MessageBatch, recipe: Recipe, engine: ExactEngine, rendered: RenderedRows
) -> tuple[ResponseBatch, Proof]:
    """Conversations of which every token counts: encoded like any text."""
    texts = pa.array([r.text for r in rendered.readings.values()], pa.large_string())
    (ids, offsets), proof = engine.encode(texts, markup=True, block=block_of(batch))
    if recipe.max_length is not None:
        lengths = np.minimum(np.diff(offsets), recipe.max_length)
        ids, offsets = gather(ids, offsets[:-1], lengths, np.arange(len(lengths)))
    return ResponseBatch(ids, offsets, _numbers(list(rendered.readings))), proof


def encode_spans(
    recipe: Recipe, engine: ExactEngine, rendered: RenderedRows
) -> tuple[ResponseBatch, Proof]:
    """Counted spans of rendered conversations, by the engine where they can be cut out."""
    cuts = _cuts(recipe, rendered)
    exact = np.array([(cut.start, cut.end) == cut.window for cut in cuts], bool)
    apart = [cuts[i] for i in np.flatnonzero(exact)]
    others = [cuts[i] for i in np.flatnonzero(~exact)]
    texts = [rendered.readings[cut.row].text[slice(*cut.window)] for cut in apart]
    (ids, offsets), proof = engine.encode(pa.array(texts, pa.large_string()), markup=True)
    found = ResponseBatch(ids, offsets, _numbers([cut.row for cut in apart]))
    if others:
        places = np.concatenate([np.flatnonzero(exact), np.flatnonzero(~exact)])
        found = found.merged(_within(recipe, rendered, others), places)
        proof += Proof(texts=len(others), routed={WITHIN: len(others)})
    return found, proof


class _Cut(NamedTuple):
    """A counted span of a row, and the stretch around it that encodes to its ids in the text."""

    row: int
    start: int
    end: int
    window: tuple[int, int]


def _cuts(recipe: Recipe, rendered: RenderedRows) -> list[_Cut]:
    """Every span with the smallest stretch that is known to encode apart."""
    template, tokens = recipe.template, _added_tokens(recipe.tokenizer)
    whole = recipe.max_length is not None or template.masks or not tokens.cuts
    cuts, behind_header = [], []
    for i, (text, spans, _) in rendered.readings.items():
        for start, end in spans:
            begin: int | None = None if whole or not tokens.border(text, end) else start
            if begin is not None and not tokens.border(text, start):
                begin = tokens.border_before(text, start)
                if text.endswith(template.header, 0, start):
                    behind_header.append(len(cuts))
            window = (0, len(text)) if begin is None else (begin, end)
            cuts.append(_Cut(i, start, end, window))
    if template.fast_path is not None and behind_header:
        begins = [_beginning(rendered, cuts[at]) for at in behind_header]
        proved = template.fast_path.begins_apart(pa.array(begins, pa.large_string()))
        for at, safe in zip(behind_header, proved.tolist(), strict=True):
            if safe:
                cuts[at] = cuts[at]._replace(window=(cuts[at].start, cuts[at].end))
    return cuts


def _beginning(rendered: RenderedRows, cut: _Cut) -> str:
    return rendered.readings[cut.row].text[cut.start : cut.start + BEGINNING]


@functools.lru_cache(maxsize=8)
def _added_tokens(tokenizer: Tokenizer) -> AddedTokens:
    return AddedTokens(tokenizer)


def _within(recipe: Recipe, rendered: RenderedRows, cuts: list[_Cut]) -> ResponseBatch:
    """Spans cut by offsets out of longer stretches, which HF tokenizers encodes."""
    backend, masks = recipe.tokenizer.backend, recipe.template.masks
    windows = list(dict.fromkeys((cut.row, cut.window) for cut in cuts))
    spans: dict[tuple[int, Span], list[_Cut]] = {}
    for cut in cuts:
        spans.setdefault((cut.row, cut.window), []).append(cut)
    found, conversation = [np.empty(0, np.uint32)], []
    for first in range(0, len(windows), TOGETHER):
        some = windows[first : first + TOGETHER]
        texts = [rendered.readings[row].text[slice(*window)] for row, window in some]
        encodings = backend.encode_batch(texts, add_special_tokens=False)
        for window, encoding in zip(some, encodings, strict=True):
            at = window[1][0]
            inside = [(cut.start - at, cut.end - at) for cut in spans[window]]
            found += ids_inside(encoding, inside, masks=masks, limit=recipe.max_length)
            conversation += [window[0]] * len(inside)
    offsets = np.cumsum([len(ids) for ids in found], dtype=np.int64)
    return ResponseBatch(np.concatenate(found), offsets, _numbers(conversation))


def _numbers(rows: Sequence[int]) -> np.ndarray:
    return np.array(rows, np.int64)
