"""The tokens with which an assistant turn ends, found by rendering marked conversations.

A turn ends with the tokenizer's end-of-sequence token, with another one that `generation_config`
names, or with what the template writes after an answer, a call or reasoning (`<|eom_id|>`,
`<|call|>`, `<|return|>`). A template may write none: the next role's marker stops such a turn.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.format import ASSISTANTS, THOUGHT, conversation
from vocabtrim_core.templates.render import Renderer
from vocabtrim_core.templates.turns import CALL, CALLED, MARKUP, common_start
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "Wolframite",
            "description": "Wolframite",
            "parameters": {"type": "object", "properties": {}},
        },
    }
]


def probes() -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """Conversations with every kind of turn, in the middle and at the end.

    Yields:
        (conversation, whether a turn calls a tool).
    """
    for roles in ("ua", "uaua", "sua", "suasua", "usa"):
        yield conversation(roles), False
        thoughtful = conversation(roles)
        for message in thoughtful:
            if message["role"] == "assistant":
                message["reasoning_content"] = THOUGHT
        yield thoughtful, False
    for roles in ("ua", "uat", "uata"):
        calling = conversation(roles)
        calling[1] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
        for result in calling[2:3]:
            result |= {"tool_call_id": CALL["id"], "name": CALLED}
        yield calling, True


@dataclass(frozen=True, slots=True)
class Stops:
    """The stop tokens of a template and the openings of other roles.

    Attributes:
        tokens: Texts of the stop tokens.
        soft: The stop tokens that occur only inside conversations, or between two calls of a turn.
        roles: Texts that open a turn of another role.
    """

    tokens: tuple[str, ...]
    soft: tuple[str, ...]
    roles: tuple[str, ...]


def probe_stops(renderer: Renderer, tokenizer: Tokenizer) -> Stops:
    """Find the stop tokens of a template and a tokenizer.

    Args:
        renderer: The template.
        tokenizer: The tokenizer.

    Returns:
        The stop tokens.
    """
    specials = sorted({text for text in tokenizer.specials.values() if text}, key=len, reverse=True)
    special = re.compile("|".join(map(re.escape, specials)) if specials else r"(?!)")
    last: dict[str, None] = dict.fromkeys(tokenizer.stop_tokens)
    inside: dict[str, None] = {}
    roles: dict[str, None] = {}
    for (chat, calls), tools in itertools.product(probes(), (None, TOOLS)):
        try:
            text, parts, *_ = renderer.render(chat, tools)
        except InputError:  # a template without tools, or of a strict order
            continue
        for part in parts:
            written = text[part.start : part.end]
            if chat[part.message]["role"] == "assistant":
                if text.startswith(tuple(last), part.end):
                    continue  # the stop token is at the beginning of the next part
                stops = _stop(written, special, calls, {**last, **inside})
                (last if part.message == len(chat) - 1 else inside).update(dict.fromkeys(stops))
            elif opening := _opening(written, chat[part.message]):
                roles[opening] = None
    between = _between_calls(renderer, special) - {*tokenizer.stop_tokens}
    only_inside = [token for token in inside if token not in last]
    soft = (*only_inside, *(token for token in last if token in between))
    return Stops((*last, *only_inside), soft, tuple(roles))


def _between_calls(renderer: Renderer, special: re.Pattern[str]) -> set[str]:
    """Special tokens between two calls of one turn, after which the model continues."""
    chat = conversation("ua")
    second: dict[str, Any] = {
        **CALL,
        "function": {**CALL["function"], "name": THOUGHT.partition(" ")[0]},
    }
    chat[1] = {"role": "assistant", "content": None, "tool_calls": [CALL, second]}
    try:
        text = renderer.text(chat)
    except InputError:  # one call a turn
        return set()
    first = text[: text.find(second["function"]["name"])]
    return set(special.findall(first[first.rfind(CALLED) :]))


@dataclass(frozen=True, slots=True)
class Opening:
    """The text after a conversation.

    Attributes:
        answers: Whether the template writes a generation prompt, on request or always.
        trailer: Text after the last message of every conversation, whatever its role.
    """

    answers: bool
    trailer: str


def probe_opening(renderer: Renderer) -> Opening:
    """Find the text after conversations, and whether it opens an answer.

    A trailer opens one if more of it begins an assistant's part than begins any other part.

    Args:
        renderer: The template.

    Returns:
        The opening.
    """
    chat = conversation("u")
    adds_prompt = renderer.text(chat, prompt=True) != renderer.text(chat)
    parts: list[tuple[bool, str]] = []  # (is it an assistant's?, its text)
    trailers: set[str] = set()
    for (chat, _), tools in itertools.product(probes(), (None, TOOLS)):
        with suppress(InputError):  # a template without tools, or of a strict order
            text, written, *_ = renderer.render(chat, tools)
            trailers.add(text[written[-1].end :] if written else "")
            parts += [
                (chat[p.message]["role"] == "assistant", text[p.start : p.end]) for p in written
            ]
    trailer = trailers.pop() if len(trailers) == 1 else ""
    longest_match = {True: 0, False: 0}
    for is_assistant, text in parts:
        longest_match[is_assistant] = max(
            longest_match[is_assistant], len(common_start(trailer, text).strip())
        )
    return Opening(adds_prompt or longest_match[True] > longest_match[False], trailer)


def _opening(written: str, message: dict[str, Any]) -> str:
    """What a message's part begins with: a piece of markup, else what precedes its text."""
    if unit := MARKUP.match(written):
        return unit[0]
    content = message["content"] or ""
    return written[: written.find(content)].strip() if content else ""


def _stop(turn: str, special: re.Pattern[str], calls: bool, known: dict[str, None]) -> list[str]:
    """The stop token after the last marked text of a turn, if there is one."""
    marked = [turn.rfind(text) + len(text) for text in (*ASSISTANTS, CALLED) if text in turn]
    ending = turn[max(marked, default=len(turn)) :]
    tokens = special.findall(ending)  # the end of a call or a channel comes first
    if stop := next((token for token in tokens if token in known), ""):
        return [stop]
    if tokens and not (calls and re.match(r"</|\[/", tokens[-1])):
        return tokens[-1:]
    unit = MARKUP.match(ending.strip())  # for templates whose markers are no tokens
    return [unit[0]] if unit and not calls else []
