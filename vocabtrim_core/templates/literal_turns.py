"""The assistant turns of a template whose messages leave no parts in the rendered text.

They are found by carrying out the definition: every beginning of the conversation is rendered.
"""

from __future__ import annotations

from typing import Any, Protocol

from vocabtrim_core.templates.render import Messages, RefusedError, Rendered, Renderer
from vocabtrim_core.templates.turns import Turn, TurnFinder, common_start, turn_with_stop


class Rendering(Protocol):
    """What the search needs of a chat template; `ChatTemplate` is one."""

    @property
    def renderer(self) -> Renderer:
        """What renders conversations."""
        ...

    @property
    def finder(self) -> TurnFinder:
        """What finds turns by their parts."""
        ...

    @property
    def literal(self) -> bool:
        """Whether a turn that cannot be found refuses the conversation."""
        ...

    @property
    def header(self) -> str:
        """The text that usually precedes an answer."""
        ...

    def generated(self, messages: Messages, i: int, tools: list[Any] | None = None) -> str | None:
        """See `ChatTemplate.generated`."""
        ...


def turns_by_definition(
    template: Rendering, rendered: Rendered, messages: Messages, tools: list[Any] | None
) -> list[Turn]:
    """The assistant turns of a conversation, found by rendering it message by message.

    A turn begins where the full text stops agreeing with the prompt before the turn, and ends where
    it stops agreeing with the text up to and including the turn.

    Args:
        template: The chat template.
        rendered: The conversation as it renders it.
        messages: The conversation.
        tools: Its tool definitions.

    Returns:
        The turns, in order; a turn that is written as another role's, or not at all, is missing.

    Raises:
        RefusedError: A turn is missing, and the template is `literal`.
    """
    text, turns = rendered.text, []
    finder = template.finder
    for i, message in enumerate(messages):
        if message.get("role") != "assistant":
            continue
        try:
            turn_text = template.generated(messages, i, tools)
            up_to_turn = template.renderer.text(messages[: i + 1], tools)
            up_to_turn = up_to_turn.removesuffix(finder.trailer)
        except RefusedError:  # such as an answer to nothing
            turn_text = up_to_turn = None
        if turn_text is None or up_to_turn is None:
            turns += _opened_as_usual(template, i, rendered, tools) or _lose(template, i)
            continue
        start = len(common_start(up_to_turn.removesuffix(turn_text), text))
        tail = len(common_start(up_to_turn, text))
        if not text[start:tail].strip():
            # The full render writes the turn differently; its own part shows where.
            part = [] if template.literal else finder.turns_of(i, rendered, tools)
            turns += part or _lose(template, i)
            continue
        turns.append(turn_with_stop(text, i, start, tail, finder.stops))
    return turns


def _opened_as_usual(
    template: Rendering, i: int, rendered: Rendered, tools: list[Any] | None
) -> list[Turn]:
    """The part of a message without a definition, such as an answer to nothing.

    It is a turn where it begins as answers do.

    Returns:
        The turns of the part; none where it begins otherwise.
    """
    part = [] if template.literal else template.finder.turns_of(i, rendered, tools)
    before = rendered.text[: part[0].start].rstrip() if part else ""
    header = template.header
    return part if header.strip() and before.endswith(header.rstrip()) else []


def _lose(template: Rendering, i: int) -> list[Turn]:
    """No turn for a message that is written as another role's, or not at all.

    Returns:
        An empty list.

    Raises:
        RefusedError: The template is `literal`; the conversation is then left out.
    """
    if template.literal:
        reason = "cannot be found in what the chat template writes"
        raise RefusedError(
            f"The part of message {i + 1} (role assistant) {reason}; choose a named template.",
            f"a turn {reason}",
        )
    return []
