"""Counted spans: which characters, and which tokens, of a conversation carry training loss.

A turn is what the target would have generated after the generation prompt, up to and including the
token it stops with (see `turns`). Rules (`RULES`) name what of it is counted:
`assistant`  the turn: text, reasoning, calls, channel headers, stop token.
`content`    the same without the stop token.
`all`        everything that is rendered.
`reference`  the paper's released code: found by the strings around answers; a span ends only where
             end-of-turn and a user header follow each other, or at the end of the text. So the last
             end-of-turn counts, earlier ones do not, and what stands between two user turns does.

`SPAN_ENDS` name where a turn ends under the rule `assistant`:
`stop`       with its stop token; where the template writes none, with its text.
`template`   with all that the template writes for it, the newline after the stop token included:
             what SpecForge gives loss to.
`next-role`  as `stop`, and where the template writes no stop token, with the marker of the next
             role (GLM: <|user|>, <|observation|>), which is what the model emits there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.render import Span
from vocabtrim_core.templates.turns import MARKUP, Turn

if TYPE_CHECKING:
    from tokenizers import Encoding

    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

RULES = ("assistant", "content", "all", "reference")
SPAN_ENDS = ("stop", "template", "next-role")
THOUGHT = re.compile(r"<think>(?:(?!<think>).)*?</think>\s*", re.S)
# Inside an assistant turn the opening tag may be missing: it stands in the prompt then.
TURN_THOUGHT = re.compile(rf"\A(?:(?!<think>).)*?</think>\s*|{THOUGHT.pattern}", re.S)


def check_rule(rule: str) -> None:
    """InputError for a rule that does not exist."""
    if rule not in RULES:
        raise InputError(f"There is no counting rule {rule}; choose one of {', '.join(RULES)}.")


def span_of(text: str, turn: Turn, rule: str, span_end: str) -> Span:
    """The counted range of a turn under the rules `assistant` and `content`."""
    if rule == "content":
        return turn.start, turn.stop
    if span_end == "template":
        return turn.start, turn.tail
    if span_end == "next-role" and turn.stop == turn.end:
        marker = MARKUP.match(text, turn.tail)
        return turn.start, marker.end() if marker else turn.end
    return turn.start, turn.end


def reference_spans(
    text: str, headers: tuple[str, ...], ends: tuple[str, ...], user_header: str
) -> list[Span]:
    """Spans of rendered text as the paper's code finds them."""
    pattern = _reference(headers, ends, user_header)
    return [match.span(1) for match in pattern.finditer(text)]


@functools.lru_cache
def _reference(
    headers: tuple[str, ...], ends: tuple[str, ...], user_header: str
) -> re.Pattern[str]:
    stop = any_of(ends) + re.escape(user_header)
    return re.compile(rf"{any_of(headers)}([\s\S]*?(?={stop or '(?!)'}|\Z))")


def any_of(texts: Sequence[str]) -> str:
    """Pattern of any of the texts, longest first; "" for none."""
    longest_first = sorted(filter(None, texts), key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, longest_first))})" if longest_first else ""


def without_thoughts(
    text: str, spans: Sequence[Span], rule: str, channel: tuple[str, str] | None
) -> list[Span]:
    """Spans with their thoughts cut out. channel: what opens and closes a thought that is no
    <think> block."""
    pattern = THOUGHT if rule == "all" else TURN_THOUGHT
    pieces = [piece for span in spans for piece in _without(pattern, "</think>", text, span)]
    if channel:
        opening, closing = map(re.escape, channel)
        thought = re.compile(rf"{opening}(?:(?!{opening}).)*?{closing}", re.S)
        pieces = [part for piece in pieces for part in _without(thought, channel[0], text, piece)]
    return pieces


def _without(pattern: re.Pattern[str], hint: str, text: str, span: Span) -> list[Span]:
    """What is left of a span when all matches, which hold the hint, are cut out of it."""
    start, end = span
    if text.find(hint, start, end) < 0:
        return [span]
    cuts = [start]
    for match in pattern.finditer(text[start:end]):
        cuts += [start + match.start(), start + match.end()]
    cuts.append(end)
    return list(zip(cuts[::2], cuts[1::2], strict=True))


def span_ids(
    tokenizer: Tokenizer, text: str, spans: Sequence[Span], *, masks: bool = False
) -> list[np.ndarray]:
    """Reference path: the ids of a rendered text that stand in each span, uint32[]."""
    encoding = tokenizer.backend.encode(text, add_special_tokens=False)
    return ids_inside(encoding, spans, masks=masks)


def ids_inside(
    encoding: Encoding, spans: Sequence[Span], *, masks: bool = False, limit: int | None = None
) -> list[np.ndarray]:
    """The ids of an encoded text that stand in each span, uint32[]; only the first `limit` exist.

    A token belongs to the span in which it begins. masks: with a template that marks the assistant
    text itself, a token that begins before the mark and reaches into it counts too, which is what
    transformers' assistant mask says.
    """
    ids = np.array(encoding.ids[:limit], np.uint32)
    starts, ends = np.array(encoding.offsets, np.int64).reshape(-1, 2).T
    found = []
    for start, end in spans:
        first = np.searchsorted(ends, start, "right") if masks else np.searchsorted(starts, start)
        found.append(ids[first : np.searchsorted(starts, end)])
    return found


def counted_mask(
    encoding: Encoding, spans: Sequence[Span], *, masks: bool = False, limit: int | None = None
) -> np.ndarray:
    """bool[n]: the tokens of an encoded text that `ids_inside` would give."""
    starts, ends = np.array(encoding.offsets, np.int64).reshape(-1, 2)[:limit].T
    counted = np.zeros(len(starts), bool)
    for start, end in spans:
        first = np.searchsorted(ends, start, "right") if masks else np.searchsorted(starts, start)
        counted[first : np.searchsorted(starts, end)] = True
    return counted
