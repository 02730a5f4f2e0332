"""The result of reading a rendered conversation: its counted ranges, and what is not written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vocabtrim_core.templates.forms import call_names, reasoning_of
from vocabtrim_core.templates.render import Rendered
from vocabtrim_core.templates.spans import Span
from vocabtrim_core.templates.turns import Turn, has_content

LOST_REASONING = "reasoning that the chat template does not write"
LOST_CALLS = "tool calls that the chat template does not write"
LOST_TEXT = "text beside tool calls that the chat template does not write"
UNOPENED = "answers that the chat template writes without the text that opens an answer"
LOST_TURNS = "assistant turns that the chat template does not write as such"


class Reading(NamedTuple):
    """A rendered conversation and what of it is counted.

    Attributes:
        text: The rendered text.
        spans: Counted character ranges [start, end), ascending.
        notes: (reason, number of turns) for everything that is not in the text.
    """

    text: str
    spans: list[Span]
    notes: tuple[tuple[str, int], ...] = ()


def has_zero_weight(message: Mapping[str, Any]) -> bool:
    """Whether the row marks a turn as not trained on.

    Args:
        message: The message.

    Returns:
        True for a weight of 0 or false.
    """
    weight = message.get("weight")
    return weight is not None and not weight


def _stands_in(content: Any, text: str) -> bool:
    """Whether a turn's text is written, judged by its last line.

    A template may cut reasoning off the beginning of a text.

    Args:
        content: The content of the message.
        text: The text that its turn wrote.

    Returns:
        True where the line is in the text, or the content is no text.
    """
    last_line = content.strip().rpartition("\n")[2] if isinstance(content, str) else ""
    return last_line in text


def lost_content(
    rendered: Rendered, turns: Sequence[Turn], *, reasoning: bool = True
) -> tuple[tuple[str, int], ...]:
    """What messages hold and their turns do not show.

    Args:
        rendered: The rendered conversation.
        turns: Its assistant turns.
        reasoning: Whether reasoning counts; if not, it is not reported.

    Returns:
        (reason, number of turns).
    """
    lost = {LOST_REASONING: 0, LOST_CALLS: 0, LOST_TEXT: 0, LOST_TURNS: 0}
    written: dict[int, str] = {}
    for turn in turns:
        text = rendered.text[turn.start : turn.end]
        written[turn.message] = written.get(turn.message, "") + text
    for i, message in enumerate(rendered.chat):
        if message.get("role") == "assistant":
            text, thought = written.get(i), reasoning_of(message).strip()
            if text is None:
                lost[LOST_TURNS] += has_content(message)
                continue
            lost[LOST_REASONING] += reasoning and bool(thought) and thought not in text
            names = Counter(call_names(message))
            lost[LOST_CALLS] += any(count > text.count(name) for name, count in names.items())
            lost[LOST_TEXT] += bool(names) and not _stands_in(message.get("content"), text)
    return tuple((reason, count) for reason, count in lost.items() if count)
