"""Counted spans of a conversation held against the definition carried out literally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.render import Messages

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate


SHORT = 4  # characters of a text that may stand anywhere by chance


class SpanError(Exception):
    """A turn was found elsewhere than the definition has it; the message says which."""


def check_spans(template: ChatTemplate, messages: Messages, tools: list[Any] | None = None) -> int:
    """How many assistant turns were compared and found equal.

    Every turn is compared as the last one of the conversation up to it. Not compared are turns the
    template refuses to have last or first, those before which it writes the conversation anew, and
    those of a template that marks the assistant's text itself, whose marks are the definition.
    In the whole conversation no turn may hold what only another role says.
    SpanError for the first that differs.
    """
    template = template.for_tools(tools)
    if template.masks:
        return 0
    checked = 0
    for i, message in enumerate(messages):
        if message.get("role") != "assistant":
            continue
        some = messages[: i + 1]
        try:
            expected = template.generated(some, i, tools)
            rendered = template.renderer.render(some, tools)
            turns = template.turns(rendered, some, tools)
        except InputError:
            continue
        if expected is None:
            continue
        own = [t for t in turns if t.message == i]
        found = "".join(rendered.text[t.start : t.tail] for t in own)
        if found != expected:
            raise SpanError(
                f"message {i + 1} (role assistant): the counted text begins {found[:60]!r}, the "
                f"definition's {expected[:60]!r}"
            )
        checked += 1
    _check_roles(template, messages, tools)
    return checked


def _check_roles(template: ChatTemplate, messages: Messages, tools: list[Any] | None) -> None:
    """SpanError where a turn holds a text of another role that stands nowhere else."""
    try:
        rendered = template.renderer.render(messages, tools)
        turns = template.turns(rendered, messages, tools)
    except InputError:
        return
    spoken = str([m for m in rendered.chat if m.get("role") == "assistant"])
    for i, message in enumerate(rendered.chat):
        said = str(message.get("content") or "").strip()
        if message.get("role") == "assistant" or len(said) < SHORT or said in spoken:
            continue
        at = rendered.text.find(said)
        alone = at >= 0 and rendered.text.find(said, at + 1) < 0
        if alone and any(turn.start <= at < turn.end for turn in turns):
            raise SpanError(
                f"message {i + 1} (role {message.get('role')}): its text {said[:60]!r} would count "
                "as the assistant's"
            )
