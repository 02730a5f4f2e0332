"""Counted spans: which characters, and which tokens, of a conversation carry training loss.

A turn is what the target would have generated after the generation prompt, up to and including the
token it stops with (see `turns`).

`RULES` name what of a turn is counted. `assistant`: the turn with text, reasoning, calls, channel
headers and stop token. `content`: the same without the stop token. `all`: everything that is
rendered. `reference`: as in the paper's released code, by the strings around answers; a span ends
only where an end of turn and a user header follow each other, or at the end of the text, so the
last end of turn counts, earlier ones do not, and text between two user turns does.

`SPAN_ENDS` name where a turn ends under the rule `assistant`. `stop`: after its stop token, or
after its text where the template writes none. `template`: after all that the template writes for
it, the newline after the stop token included, on which SpecForge computes the loss. `next-role`: as
`stop`, but where the template writes no stop token, after the marker of the next role (GLM:
<|user|>, <|observation|>), which is what the model emits there.
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
# Inside an assistant turn the opening tag may be missing: it is in the prompt then.
TURN_THOUGHT = re.compile(rf"\A(?:(?!<think>).)*?</think>\s*|{THOUGHT.pattern}", re.S)


def check_rule(rule: str) -> None:
    """Refuse an unknown counting rule.

    Args:
        rule: The name.

    Raises:
        InputError: It is not one of `RULES`.
    """
    if rule not in RULES:
        raise InputError(f"There is no counting rule {rule}; choose one of {', '.join(RULES)}.")


def span_of(text: str, turn: Turn, rule: str, span_end: str) -> Span:
    """The counted range of a turn under the rules `assistant` and `content`.

    Args:
        text: The rendered text.
        turn: The turn.
        rule: "assistant" or "content".
        span_end: One of `SPAN_ENDS`; used by the rule `assistant`.

    Returns:
        Characters [start, end).
    """
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
    """Spans of rendered text as the paper's code finds them.

    Args:
        text: The rendered text.
        headers: Texts that open an answer.
        ends: Texts that close an answer.
        user_header: Text that opens a user turn.

    Returns:
        Character ranges [start, end), ascending.
    """
    pattern = _reference(headers, ends, user_header)
    return [match.span(1) for match in pattern.finditer(text)]


@functools.lru_cache
def _reference(
    headers: tuple[str, ...], ends: tuple[str, ...], user_header: str
) -> re.Pattern[str]:
    stop = any_of(ends) + re.escape(user_header)
    return re.compile(rf"{any_of(headers)}([\s\S]*?(?={stop or '(?!)'}|\Z))")


def any_of(texts: Sequence[str]) -> str:
    """A regular expression that matches any of some texts, longest first.

    Args:
        texts: The texts; empty ones are left out.

    Returns:
        The pattern; "" where no text is left.
    """
    longest_first = sorted(filter(None, texts), key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, longest_first))})" if longest_first else ""


def without_thoughts(
    text: str, spans: Sequence[Span], rule: str, channel: tuple[str, str] | None
) -> list[Span]:
    """Cut reasoning out of spans.

    Args:
        text: The rendered text.
        spans: Character ranges, ascending.
        rule: The rule under which the spans were found.
        channel: What opens and closes reasoning that is not in a <think> block; None without.

    Returns:
        What is left of the spans; pieces may be empty.
    """
    pattern = THOUGHT if rule == "all" else TURN_THOUGHT
    pieces = [piece for span in spans for piece in _without(pattern, "</think>", text, span)]
    if channel:
        opening, closing = map(re.escape, channel)
        channel_pattern = re.compile(rf"{opening}(?:(?!{opening}).)*?{closing}", re.S)
        pieces = [
            part for piece in pieces for part in _without(channel_pattern, channel[0], text, piece)
        ]
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
    """The ids of the tokens in each span of a rendered text, by encoding it completely.

    Args:
        tokenizer: The tokenizer.
        text: The rendered text.
        spans: Character ranges.
        masks: Whether the template marks the assistant text itself (see `ids_inside`).

    Returns:
        uint32[] for each span.
    """
    encoding = tokenizer.backend.encode(text, add_special_tokens=False)
    return ids_inside(encoding, spans, masks=masks)


def ids_inside(
    encoding: Encoding, spans: Sequence[Span], *, masks: bool = False, limit: int | None = None
) -> list[np.ndarray]:
    """The ids of the tokens in each span of an encoded text.

    A token belongs to the span in which it begins.

    Args:
        encoding: The encoded text.
        spans: Character ranges.
        masks: Whether a token that begins before a span and reaches into it belongs to it too, as
            in transformers' assistant mask for templates that mark the assistant text.
        limit: Number of tokens at which the text is cut; None for no limit.

    Returns:
        uint32[] for each span.
    """
    ids = np.array(encoding.ids[:limit], np.uint32)
    starts, ends = np.array(encoding.offsets, np.int64).reshape(-1, 2).T
    ids_by_span = []
    for start, end in spans:
        first = np.searchsorted(ends, start, "right") if masks else np.searchsorted(starts, start)
        ids_by_span.append(ids[first : np.searchsorted(starts, end)])
    return ids_by_span


def counted_mask(
    encoding: Encoding, spans: Sequence[Span], *, masks: bool = False, limit: int | None = None
) -> np.ndarray:
    """The tokens of an encoded text that `ids_inside` gives.

    Args:
        encoding: The encoded text.
        spans: Character ranges.
        masks: As for `ids_inside`.
        limit: As for `ids_inside`.

    Returns:
        bool[n], n being the number of tokens up to the limit.
    """
    starts, ends = np.array(encoding.offsets, np.int64).reshape(-1, 2)[:limit].T
    counted = np.zeros(len(starts), bool)
    for start, end in spans:
        first = np.searchsorted(ends, start, "right") if masks else np.searchsorted(starts, start)
        counted[first : np.searchsorted(starts, end)] = True
    return counted
