"""Conversations that must be rendered: read through the template, then encoded span by span."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from vocabtrim_core.corpora import MessageBatch, SkipReport
from vocabtrim_core.counting.proof import RENDERED, ExactEngine, Proof, block_of
from vocabtrim_core.counting.recipe import Recipe
from vocabtrim_core.counting.response_batch import ResponseBatch, gather
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.boundaries import AddedTokens
from vocabtrim_core.templates.chat_template import Reading, ids_inside
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
    batch: MessageBatch, recipe: Recipe, engine: ExactEngine, rendered: RenderedRows
) -> tuple[ResponseBatch, Proof]:
    """Counted spans of rendered conversations, by the engine where they can be cut out."""
    apart = _cut_apart(recipe, rendered) if recipe.max_length is None else set()
    whole = [i for i in rendered.readings if i not in apart]
    cut, proof = _cut_out(recipe, engine, rendered, sorted(apart))
    rest, more = _within(recipe, rendered, whole)
    return _joined(cut, rest), proof + more


def _cut_apart(recipe: Recipe, rendered: RenderedRows) -> set[int]:
    """Rows whose spans may be cut out before they are encoded."""
    template, tokens = recipe.template, _added_tokens(recipe.tokenizer)
    if template.masks or not tokens.cuts:
        return set()
    apart, begins, owners = set(rendered.readings), [], []
    for i, (text, spans, _) in rendered.readings.items():
        for start, end in spans:
            if not tokens.border(text, end):
                apart.discard(i)
            elif not tokens.border(text, start):
                if text.endswith(template.header, 0, start):
                    begins.append(text[start : start + BEGINNING])
                    owners.append(i)
                else:
                    apart.discard(i)
    if template.fast_path is None:
        return apart.difference(owners)
    proved = template.fast_path.begins_apart(pa.array(begins, pa.large_string()))
    return apart.difference(i for i, safe in zip(owners, proved.tolist(), strict=True) if not safe)


@functools.lru_cache(maxsize=8)
def _added_tokens(tokenizer: Tokenizer) -> AddedTokens:
    return AddedTokens(tokenizer)


def _cut_out(
    recipe: Recipe, engine: ExactEngine, rendered: RenderedRows, rows: list[int]
) -> tuple[ResponseBatch, Proof]:
    """Spans encoded each by itself."""
    texts, conversation = [], []
    for i in rows:
        text, spans, _ = rendered.readings[i]
        texts += [text[start:end] for start, end in spans]
        conversation += [i] * len(spans)
    (ids, offsets), proof = engine.encode(pa.array(texts, pa.large_string()), markup=True)
    return ResponseBatch(ids, offsets, _numbers(conversation)), proof


def _within(recipe: Recipe, rendered: RenderedRows, rows: list[int]) -> tuple[ResponseBatch, Proof]:
    """Spans of conversations that HF tokenizers encode whole."""
    backend, masks = recipe.tokenizer.backend, recipe.template.masks
    found, conversation = [np.empty(0, np.uint32)], []
    for start in range(0, len(rows), TOGETHER):
        some = rows[start : start + TOGETHER]
        texts = [rendered.readings[i].text for i in some]
        encodings = backend.encode_batch(texts, add_special_tokens=False)
        for i, encoding in zip(some, encodings, strict=True):
            spans = rendered.readings[i].spans
            found += ids_inside(encoding, spans, masks=masks, limit=recipe.max_length)
            conversation += [i] * len(spans)
    offsets = np.cumsum([len(ids) for ids in found], dtype=np.int64)
    batch = ResponseBatch(np.concatenate(found), offsets, _numbers(conversation))
    return batch, Proof(texts=len(rows), routed={RENDERED: len(rows)} if rows else {})


def _joined(first: ResponseBatch, second: ResponseBatch) -> ResponseBatch:
    """Both, in the order of their conversations."""
    if not len(second.conversation):
        return first
    return first.merged(second)


def _numbers(rows: Sequence[int]) -> np.ndarray:
    return np.array(rows, np.int64)
