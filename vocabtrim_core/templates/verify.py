"""Checks of a conversation's counted spans against the definition carried out literally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.render import Messages

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate


SHORT = 4  # characters; shorter texts may occur anywhere by chance


class SpanError(Exception):
    """A turn was found in another place than the definition gives; the message names it."""


def check_spans(template: ChatTemplate, messages: Messages, tools: list[Any] | None = None) -> int:
    """Compare the turns of a conversation with the definition.

    Every turn is compared as the last one of the conversation up to it. Not compared are turns that
    the template refuses as the last or first, those for which it changes the earlier messages, and
    those of a template that marks the assistant's text itself, whose marks are the definition. In
    the complete conversation no turn may hold what only another role says.

    Args:
        template: The chat template.
        messages: The conversation.
        tools: Tool definitions, None without any.

    Returns:
        Number of assistant turns that were compared and found equal.

    Raises:
        SpanError: A turn differs; the message names the first one.
    """
    template = template.for_tools(tools)
    if template.masks:
        return 0
    checked = 0
    for i, message in enumerate(messages):
        if message.get("role") != "assistant":
            continue
        beginning = messages[: i + 1]
        try:
            expected = template.generated(beginning, i, tools)
            rendered = template.renderer.render(beginning, tools)
            turns = template.turns(rendered, beginning, tools)
        except InputError:
            continue
        if expected is None:
            continue
        own_turns = [t for t in turns if t.message == i]
        turn_text = "".join(rendered.text[t.start : t.tail] for t in own_turns)
        if turn_text != expected:
            raise SpanError(
                f"message {i + 1} (role assistant): the counted text begins "
                f"{turn_text[:60]!r}, the definition's {expected[:60]!r}"
            )
        checked += 1
    _check_roles(template, messages, tools)
    return checked


def _check_roles(template: ChatTemplate, messages: Messages, tools: list[Any] | None) -> None:
    """Raise SpanError where a turn holds a text that occurs only in another role's message."""
    try:
        rendered = template.renderer.render(messages, tools)
        turns = template.turns(rendered, messages, tools)
    except InputError:
        return
    assistant_messages = str([m for m in rendered.chat if m.get("role") == "assistant"])
    for i, message in enumerate(rendered.chat):
        content = str(message.get("content") or "").strip()
        if (
            message.get("role") == "assistant"
            or len(content) < SHORT
            or content in assistant_messages
        ):
            continue
        at = rendered.text.find(content)
        occurs_once = at >= 0 and rendered.text.find(content, at + 1) < 0
        if occurs_once and any(turn.start <= at < turn.end for turn in turns):
            raise SpanError(
                f"message {i + 1} (role {message.get('role')}): its text {content[:60]!r} would "
                "count as the assistant's"
            )
