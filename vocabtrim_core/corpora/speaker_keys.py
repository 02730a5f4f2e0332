"""Turns that name their speaker in a key.

They are pairs of a question and an answer, as ms-swift and XTuner take them ({"human": …,
"assistant": …}, {"system": …, "input": …, "output": …}), or texts of one speaker ({"user": …}).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vocabtrim_core.corpora.batches import canonical_role
from vocabtrim_core.corpora.langchain import turns_of_langchain
from vocabtrim_core.corpora.response_items import turns_of_items

ASKED = ("human", "user", "query", "question", "prompt", "instruction", "input", "tool")
ANSWERED = ("assistant", "gpt", "bot", "model", "response", "answer", "output")


def speaker_keys_of(turn: Any) -> tuple[str, ...]:
    """The keys of a turn that hold texts of its speakers.

    Args:
        turn: Any value.

    Returns:
        The keys in the order in which they are spoken; none where the turn has another form.
    """
    if not isinstance(turn, Mapping) or not {"role", "from", "content"}.isdisjoint(turn):
        return ()
    written_keys = {str(key).lower(): key for key, value in turn.items() if value is not None}
    system = [
        written_keys[name]
        for name in ("system",)
        if isinstance(turn.get(written_keys.get(name)), str)
    ]
    questions = [written_keys[name] for name in ASKED if name in written_keys]
    answers = [written_keys[name] for name in ANSWERED if name in written_keys]
    if len(questions) == 1 and len(answers) == 1:
        return (*system, *questions, *answers)
    single = (
        [*written_keys.values()]
        if len(written_keys) == 1 and canonical_role(next(iter(written_keys)))
        else []
    )
    return tuple(key for key in single if isinstance(turn[key], str))


def turns_of_pairs(turns: list[Any], role: str, content: str) -> list[Any]:
    """Turns with speakers as keys, as messages; what is beside an answer stays with it.

    Args:
        turns: A list of turns of any form.
        role: Key for the role.
        content: Key for the content.

    Returns:
        The messages; the list itself where not all of its turns have speakers as keys.
    """
    speaker_keys = [speaker_keys_of(turn) for turn in turns]
    if not turns or not all(speaker_keys):
        return turns
    messages = []
    for turn, keys in zip(turns, speaker_keys, strict=True):
        for key in keys:
            role_name = canonical_role(key) or ("user" if key.lower() in ASKED else "assistant")
            extra = {k: v for k, v in turn.items() if k not in keys}
            messages.append(
                {role: role_name, content: turn[key]} | (extra if role_name == "assistant" else {})
            )
    return messages


def as_messages(turns: list[Any], role: str, content: str) -> list[Any]:
    """Turns of every known form as messages.

    Args:
        turns: Messages, or turns of OpenAI's Responses, of LangChain or with speakers as keys.
        role: Key for the role.
        content: Key for the content.

    Returns:
        The messages; turns of an unknown form stay as they are.
    """
    for convert in (turns_of_items, turns_of_langchain, turns_of_pairs):
        turns = convert(turns, role, content)
    return turns
