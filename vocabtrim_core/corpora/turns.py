"""The turns of a row, each with a role and a content, from every shape a row may have.

A conversation is a list of messages, also as JSON text, a struct of lists, a tree or numbered turns
(`trees`), or texts by user and assistant in turn. A pair is a prompt and a response, each a text, a
message, messages, or several texts. Of two answers the winner is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from vocabtrim_core.corpora.batches import UnusableError, canonical_role
from vocabtrim_core.corpora.content_parts import kind_in
from vocabtrim_core.corpora.langchain import langchain_message
from vocabtrim_core.corpora.schema import (
    ColumnMapping,
    as_list,
    from_text,
    from_texts,
    unread_because,
    value_at,
)
from vocabtrim_core.corpora.speaker_keys import as_messages
from vocabtrim_core.corpora.speaker_labels import labelled_turns
from vocabtrim_core.corpora.tool_calls import calls_from
from vocabtrim_core.corpora.trees import CURRENT, is_object_of_turns, turns_of_object

NO_WINNER = "no winner of the two answers (a tie, or none named)"
WINNER = re.compile(r"(?:(?:model|assistant|response|answer|conversation|chosen)[ _-]?)?([ab])")


def turns_of(
    row: dict[str, Any], mapping: ColumnMapping, remarks: list[str]
) -> tuple[str, list[Any]]:
    """The turns of a row of shape conversation or prompt_response.

    Args:
        row: The row.
        mapping: How its columns are read.
        remarks: List that receives a remark for everything that is left out.

    Returns:
        (the column for messages about the row, its turns under the mapping's keys).

    Raises:
        UnusableError: The row has no turn, or none that is read.
    """
    if mapping.shape == "conversation":
        column = _winning("conversation", row, mapping)
        value = from_text(value_at(row, column))
        if is_object_of_turns(value):
            around, point, _ = column.rpartition(".")
            current = value_at(row, f"{around}{point}{CURRENT}")
            keys = (mapping.role, mapping.content)
            return column, turns_of_object(value, current, keys, remarks)
        return column, _turns(value, column, mapping)
    column = "".join(mapping.prompts[:1]) or mapping.response
    return column, _pair(row, mapping, remarks)


def _winning(field: str, row: dict[str, Any], mapping: ColumnMapping) -> str:
    """The column to read: the one of two that the row's winner names, where there is one."""
    columns, flags = mapping.columns_in(field), mapping.columns_in("winner")
    if not flags:
        return columns[0] if columns else ""
    if len(flags) == 2:  # one flag for each
        is_winner = [bool(value_at(row, flag)) for flag in flags]
        chosen = is_winner.index(True) if sum(is_winner) == 1 else None
    elif isinstance(verdict := value_at(row, flags[0]), bool):  # of a single answer
        if not verdict:
            raise UnusableError(f"an answer to be avoided (`{flags[0]}` is false)")
        return columns[0]
    else:
        match = WINNER.fullmatch(str(verdict).strip().lower())
        chosen = "ab".index(match[1]) if match else None
    if chosen is None:
        raise UnusableError(NO_WINNER)
    return columns[chosen]


def _turns(value: Any, column: str, mapping: ColumnMapping) -> list[Any]:
    """The turns of a conversation: dicts as they are, texts in turn, a struct of lists by row."""
    if value is None:
        raise UnusableError(f"`{column}` is null or missing")
    if isinstance(value, dict):
        value = _by_turn(value, column)
    if isinstance(value, str) and (turns := labelled_turns(value, mapping.role, mapping.content)):
        return turns
    if isinstance(value, str) and (why := unread_because(value)):
        raise UnusableError(f"`{column}` {why}")
    if not isinstance(value, list):
        raise UnusableError(f"`{column}` is not a list of messages but {kind_in(value)}")
    if not value:
        raise UnusableError(f"`{column}` is empty")
    value = from_texts(value)
    if _are_texts(value):
        return _alternating(value, mapping)
    return as_messages(value, mapping.role, mapping.content)


def _by_turn(columns: dict[str, Any], column: str) -> list[dict[str, Any]]:
    """{"role": [...], "content": [...]} as a list of messages."""
    lists = {key: value for key, value in columns.items() if isinstance(value, list)}
    if len({len(value) for value in lists.values()}) != 1:
        raise UnusableError(f"`{column}` is not a list of messages")
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _alternating(texts: Sequence[str], mapping: ColumnMapping) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [{mapping.role: roles[i % 2], mapping.content: text} for i, text in enumerate(texts)]


def _pair(row: dict[str, Any], mapping: ColumnMapping, remarks: list[str]) -> list[Any]:
    """The turns of a prompt and a response, each a text, a message, messages or texts in turn."""
    column = _winning("response", row, mapping)
    response = value_at(row, column) if column else None
    calls = from_text(value_at(row, mapping.calls)) if mapping.calls else None
    if response is None and calls is None:
        raise UnusableError(f"`{column or mapping.calls}` is null or missing")
    prompts = [value_at(row, name) for name in mapping.prompts]
    if prompts and prompts[0] is None:
        raise UnusableError(f"`{mapping.prompts[0]}` is null or missing")
    if ".0." in column and (count := _others(row, column)):
        remarks.append(f"{count} more answers of a row were left out: its first is counted")

    earlier = _earlier(value_at(row, mapping.history), mapping) if mapping.history else []
    if (
        not earlier
        and len(prompts) == 1
        and (turns_in_order := _in_turn(prompts[0], response, mapping))
    ):
        return turns_in_order
    turns, answers = _prompt(prompts, mapping), _answer(response, mapping)
    if calls:
        calls = calls_from(calls, mapping.calls)
        answers = answers or [{mapping.role: "assistant", mapping.content: None}]
        answers = [*answers[:-1], {**answers[-1], "tool_calls": calls}]
    if not answers:
        raise UnusableError(f"`{mapping.calls}` is empty")
    return [*earlier, *_joined(turns, answers, mapping)]


def _earlier(value: Any, mapping: ColumnMapping) -> list[dict[str, Any]]:
    """The turns before a prompt, from pairs of texts, texts in turn, or messages."""
    items = as_list(value)
    if value in (None, "") or items == []:
        return []
    if turns := _listed(items, mapping):
        return turns
    pairs = [from_text(pair) for pair in items or ()]
    if pairs and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        pairs = [text for pair in pairs for text in pair]
    if not pairs or len(pairs) % 2 or not _are_texts(pairs):
        raise UnusableError(f"`{mapping.history}` is not a list of pairs of texts")
    return _alternating(pairs, mapping)


def _in_turn(prompt: Any, response: Any, mapping: ColumnMapping) -> list[dict[str, Any]] | None:
    """Lists of texts, one of prompts and one of responses, as turns; None where they are not."""
    prompts, responses = _list_in(prompt), _list_in(response)
    alike = (
        prompts and responses and len(prompts) == len(responses) and _are_texts(prompts + responses)
    )
    if prompts and responses and alike:
        texts = [text for pair in zip(prompts, responses, strict=True) for text in pair]
        return _alternating(texts, mapping)
    for value in (prompt, response):
        if isinstance(value, list) and len(value) > 1 and _are_texts(value):
            raise UnusableError("not as many prompts as responses in its lists of texts")
    return None


def _list_in(value: Any) -> list[Any] | None:
    """A list, or text that begins with "[" and holds one; None for anything else."""
    return None if isinstance(value, str) and value[:1] != "[" else as_list(value)


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _others(row: dict[str, Any], column: str) -> int:
    """The number of values after the first in a path's list."""
    return len(as_list(value_at(row, column.partition(".0.")[0])) or [0]) - 1


def _listed(value: Any, mapping: ColumnMapping) -> list[dict[str, Any]] | None:
    """A list of messages, also when it was stored as JSON text."""
    turns = as_messages(_list_in(value) or [], mapping.role, mapping.content)
    is_chat = turns and all(isinstance(turn, dict) and mapping.role in turn for turn in turns)
    return turns if is_chat else None


def _prompt(prompts: Sequence[Any], mapping: ColumnMapping) -> list[dict[str, Any]]:
    turns = _listed(prompts[0], mapping) if prompts else None
    if turns:
        return turns
    if len(prompts) == 1 and isinstance(prompts[0], list | dict):
        return [{mapping.role: "user", mapping.content: prompts[0]}]  # parts
    user = "\n\n".join(str(prompt) for prompt in prompts if prompt not in (None, ""))
    return [{mapping.role: "user", mapping.content: user}]


def _answer(response: Any, mapping: ColumnMapping) -> list[dict[str, Any]]:
    """The messages of a response: messages, one message, items of OpenAI's Responses, a text."""
    if response is None:
        return []
    if turns := _listed(response, mapping):
        return turns
    if message := langchain_message(response):
        response = message
    if isinstance(response, dict) and (mapping.role in response or mapping.content in response):
        return [{mapping.role: "assistant", **response}]
    return [{mapping.role: "assistant", mapping.content: response}]


def _joined(
    turns: list[dict[str, Any]], answers: list[dict[str, Any]], mapping: ColumnMapping
) -> list[dict[str, Any]]:
    """Prompt and answer as one conversation, without what the answer repeats of the prompt."""

    def spoken(messages: Sequence[dict[str, Any]]) -> list[tuple[str | None, Any]]:
        return [
            (canonical_role(str(turn.get(mapping.role)), mapping.roles), turn.get(mapping.content))
            for turn in messages
        ]

    prompt_turns, answer_turns = spoken(turns), spoken(answers)
    for n in range(min(len(turns), len(answers)), 0, -1):
        if prompt_turns[-n:] == answer_turns[:n]:
            return turns + answers[n:]
    is_complete = answer_turns[0][0] in ("user", "system") and prompt_turns[-1][0] != "assistant"
    return answers if is_complete else turns + answers
