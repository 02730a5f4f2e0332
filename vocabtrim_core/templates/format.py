"""How a chat template writes turns, found by rendering marked conversations.

No template is recognised by its model's name: the strings around an assistant turn, trimming,
dropped reasoning and refused role orders are all taken from rendered text.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, repeat
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.render import Renderer
from vocabtrim_core.templates.turns import MARKUP, common_start

# Contents that no template treats specially and that occur once in a rendered conversation.
SYSTEM, TOOL = "Kyanite sets a tone", "Wulfenite reports"
USERS = ("Quartz asks once", "Zircon asks again", "Jasper asks more")
ASSISTANTS = ("Beryl answers once", "Olivine answers again", "Spinel answers more")
THOUGHT = "Garnet ponders"


@dataclass(frozen=True, slots=True)
class TemplateFormat:
    """How a template writes an assistant turn.

    Attributes:
        headers: Texts just before assistant content, the usual one first; after a tool result there
            may be another.
        opening: Text with which every part of an assistant begins, answer or reasoning.
        user_header: Text that opens a user turn.
        end_of_turn: Text just after assistant content.
        last_end: The same after the last message.
        preamble: Text before the first user turn without a system message.
        trims: Whether contents are stripped at both ends.
        alternates: Whether role orders other than user, assistant, user, … are refused.
        drops_thinking: Whether <think> blocks of earlier turns are removed.
        reasoning: Whether a `reasoning_content` field is rendered.
    """

    headers: tuple[str, ...]
    opening: str
    user_header: str
    end_of_turn: str
    last_end: str
    preamble: str
    trims: bool
    alternates: bool
    drops_thinking: bool
    reasoning: bool


def conversation(roles: str, assistants: Sequence[str] = ASSISTANTS) -> list[dict[str, Any]]:
    """Messages with marked contents in a given role order.

    Args:
        roles: First letters of the roles: "suta" is system, user, tool, assistant.
        assistants: Contents of the assistant's messages, used in turn.

    Returns:
        The messages.
    """
    supply = {
        "s": ("system", repeat(SYSTEM)),
        "u": ("user", cycle(USERS)),
        "a": ("assistant", cycle(assistants)),
        "t": ("tool", repeat(TOOL)),
    }
    return [{"role": supply[r][0], "content": next(supply[r][1])} for r in roles]


def probe_format(render: Renderer) -> TemplateFormat:
    """Find out how a template writes turns.

    Args:
        render: The template.

    Returns:
        The format.

    Raises:
        InputError: The template does not show every content once, or refuses a user and an
            assistant in turn.
    """
    text = render.text(conversation("uaua"))
    at = [_place(text, content) for content in (USERS[0], ASSISTANTS[0], USERS[1], ASSISTANTS[1])]
    (_, user_end), (start, end), (user2, user2_end), (start2, end2) = at
    before, between, tail = text[user_end:start], text[end:user2], text[end2:]
    end_of_turn, last_end = _ends(between, tail)
    opening = text[: at[0][0]].removesuffix(between.removeprefix(end_of_turn))
    header = _header(render, before, text[user2_end:start2])
    after_tool = _header_after_tool(render, header)
    return TemplateFormat(
        headers=(header, after_tool) if after_tool else (header,),
        opening=_opening(render, header),
        user_header=between.removeprefix(end_of_turn),
        end_of_turn=end_of_turn,
        last_end=last_end,
        preamble=opening,
        trims=_trims(render),
        alternates=not all(_accepts(render, roles) for roles in ("uuaa", "aua")),
        drops_thinking=_drops_thinking(render),
        reasoning=THOUGHT in render.text(_thoughtful()),
    )


def _place(text: str, content: str) -> tuple[int, int]:
    if text.count(content) != 1:
        raise InputError(
            f"The chat template shows a message {text.count(content)} times instead of once, so "
            "the assistant's part cannot be found; choose a named template."
        )
    start = text.index(content)
    return start, start + len(content)


def _ends(between: str, tail: str) -> tuple[str, str]:
    """The text that closes an assistant turn in the middle, and the last one (often the same)."""
    if shared := common_start(between, tail):
        return shared, shared
    units = MARKUP.match(between), MARKUP.match(tail)
    return (units[0][0], units[1][0]) if units[0] and units[1] else ("", "")


def _header(render: Renderer, before: str, before_last: str) -> str:
    """The text before assistant content, without what closes the user turn.

    A template may write more before the last answer (an empty <think> block), so the header is what
    both have in common. Blanks at its end belong to the answer: tokens begin with their blank.

    Args:
        render: The template.
        before: Text between the first user content and the first answer.
        before_last: Text between the last user content and the last answer.

    Returns:
        The header.
    """
    shared = common_start(before, before_last)
    try:
        text = render.text(conversation("u"))
        closing = common_start(shared, text[_place(text, USERS[0])[1] :])
    except InputError:
        closing = ""
    header = shared[len(closing) :] if shared[len(closing) :].strip() else shared
    return header.rstrip(" ")


def _header_after_tool(render: Renderer, header: str) -> str:
    """The text before an answer to a tool result, where that is not the usual header."""
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
    chat = conversation("uata")
    chat[1] = {"role": "assistant", "content": "", "tool_calls": [call]}
    chat[2] |= {"name": "f", "tool_call_id": "abcdefghi"}
    chat[3]["content"] = ASSISTANTS[1]
    try:
        text = render.text(chat)
        before = text[_place(text, TOOL)[1] : _place(text, ASSISTANTS[1])[0]]
    except InputError:
        return ""
    if header in before or not (units := list(MARKUP.finditer(before))):
        return ""
    return before[units[-1].start() :]


def _trims(render: Renderer) -> bool:
    padded = [f"\n \t\u00a0{content}\u3000 \n" for content in ASSISTANTS]
    return render.text(conversation("uaua", padded)) == render.text(conversation("uaua"))


def _accepts(render: Renderer, roles: str) -> bool:
    try:
        render.text(conversation(roles))
    except InputError:
        return False
    return True


def _drops_thinking(render: Renderer) -> bool:
    thoughtful = [f"<think>\n{THOUGHT}\n</think>\n\n{content}" for content in ASSISTANTS]
    return render.text(conversation("uaua", thoughtful)).count(THOUGHT) < 2


def _thoughtful() -> list[dict[str, Any]]:
    chat = conversation("ua")
    chat[1]["reasoning_content"] = THOUGHT
    return chat


def _opening(render: Renderer, header: str) -> str:
    """The common beginning of answers and reasoning; the header where there are no parts."""
    written = []
    for chat in (conversation("uaua"), _thoughtful()):
        text, parts, generated, _ = render.render(chat)
        parts_of_assistant = [part for part in parts if chat[part.message]["role"] == "assistant"]
        marked = [
            at
            for at, _ in generated
            if parts_of_assistant and parts_of_assistant[0].start <= at < parts_of_assistant[0].end
        ]
        if marked:  # the template itself marks what is generated
            return text[parts_of_assistant[0].start : marked[0]]
        written += [text[part.start : part.end] for part in parts_of_assistant]
    if not written:
        return header
    return functools.reduce(common_start, written).rstrip(" ")
