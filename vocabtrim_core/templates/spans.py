"""Counted spans: which characters, and which tokens, of a conversation carry training loss.

Rules (`RULES`) name what is counted:
`assistant`  assistant text and its end-of-turn: the span SpecForge and speculators train on.
`content`    assistant text alone.
`all`        everything that is rendered.
`reference`  the paper's released code: a span ends only where end-of-turn and a user header follow
             each other, or at the end of the text. So the last end-of-turn counts, earlier ones do
             not, and what stands between two user turns does.
An empty thought (`<think></think>`, which templates write to say "do not think") is part of the
prompt when a model generates, so `assistant` and `content` leave it out, as SpecForge does.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Encoding

    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

RULES = ("assistant", "content", "all", "reference")
Span = tuple[int, int]  # characters [start, end)
THOUGHT = re.compile(r"<think>(?:(?!<think>).)*?</think>\s*", re.S)
# Inside an assistant turn the opening tag may be missing: it stands in the header then.
TURN_THOUGHT = re.compile(rf"\A(?:(?!<think>).)*?</think>\s*|{THOUGHT.pattern}", re.S)
EMPTY_THOUGHT = re.compile(r"<think>[ \t\r\n]*</think>\s*")


def find_turns(
    text: str, headers: tuple[str, ...], ends: tuple[str, ...], user_header: str, rule: str
) -> list[Span]:
    """Spans of rendered text, by the strings that open and close assistant turns."""
    if rule not in RULES:
        raise InputError(f"There is no counting rule {rule}; choose one of {', '.join(RULES)}.")
    if rule == "all":
        return [(0, len(text))]
    pattern = _pattern(headers, ends, user_header, rule)
    return [match.span(1) for match in pattern.finditer(text)]


@functools.lru_cache
def _pattern(
    headers: tuple[str, ...], ends: tuple[str, ...], user_header: str, rule: str
) -> re.Pattern[str]:
    """An assistant turn; group 1 is its span."""
    opening, end = _any_of(headers), _any_of(ends)
    user = re.escape(user_header)
    stop = end + user if rule == "reference" else end or user
    closing = f"{end}?" if rule == "assistant" and ends else ""
    return re.compile(rf"{opening}([\s\S]*?(?={stop or '(?!)'}|\Z){closing})")


def _any_of(texts: tuple[str, ...]) -> str:
    longest_first = sorted(texts, key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, longest_first))})" if texts else ""


def narrow(
    text: str, spans: list[Span], rule: str, reasoning: bool, last_turn_only: bool
) -> list[Span]:
    """Spans, the last one alone or without thoughts where that is asked for; empty ones dropped."""
    spans = spans[-1:] if last_turn_only else spans
    turns = rule in ("assistant", "content")
    if not reasoning:
        pattern = THOUGHT if rule == "all" else TURN_THOUGHT
        spans = [piece for span in spans for piece in _without(pattern, text, span)]
    elif turns:
        spans = [piece for span in spans for piece in _without(EMPTY_THOUGHT, text, span)]
    return [(start, end) for start, end in spans if start < end]


def _without(pattern: re.Pattern[str], text: str, span: Span) -> list[Span]:
    """What is left of a span when all matches are cut out of it."""
    start, end = span
    if text.find("</think>", start, end) < 0:
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
