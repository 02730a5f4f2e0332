"""Where messages are in a file's rows: columns, or paths into nested values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vocabtrim_core.corpora.batches import canonical_role
from vocabtrim_core.corpora.langchain import is_langchain
from vocabtrim_core.corpora.response_items import are_items, is_item
from vocabtrim_core.corpora.schema import as_list, from_text, value_at
from vocabtrim_core.corpora.speaker_keys import speaker_keys_of
from vocabtrim_core.corpora.trees import is_object_of_turns

ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value", "parts")
# Names are in order of preference. Only in these columns are pairs of texts read as turns.
CONVERSATIONS = ("messages", "conversations", "conversation", "chat", "dialogue", "dialog")
HISTORY = ("history",)  # turns before a prompt
DEPTH = 6  # nesting of objects that are searched

LISTED = re.compile(r"(choices|generations(\.0)?)$")  # of OpenAI, of LangSmith
KEYS = ("role", "content")
Keys = tuple[str, str]  # keys under which a message holds its role and its content


@dataclass(slots=True)
class MessagePaths:
    """Where messages are in nested values.

    Attributes:
        chats: Path of a list of messages -> the keys of its messages.
        answers: Path of a single answer -> the keys of its message.
    """

    chats: dict[str, Keys] = field(default_factory=dict)
    answers: dict[str, Keys] = field(default_factory=dict)


def chats_among(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> dict[str, Keys]:
    """The columns that hold lists of messages.

    Args:
        columns: Names of the columns.
        sample: The first rows of the file.

    Returns:
        Column -> (role key, content key).
    """
    return {name: keys for name in columns if (keys := message_keys(sample, name))}


def message_keys(sample: Sequence[dict[str, Any]], name: str) -> Keys | None:
    """The keys of the messages in a column or path.

    Args:
        sample: The first rows of the file.
        name: Column or path.

    Returns:
        (role key, content key) of the first row with a list of messages; None where no row has one.
    """
    for row in sample:
        if keys := _keys(value_at(row, name), name):
            return keys
    return None


def _keys(value: Any, path: str) -> Keys | None:
    """The keys of the messages in a list, in JSON text of one, or in an object of turns."""
    value = as_list(value) or value
    if is_object_of_turns(value):
        return KEYS
    if isinstance(value, dict):
        names = {key for key, items in value.items() if isinstance(items, list)}
        return _keys_of(names) if len(names) > 1 else None
    value = [m for m in value if m is not None] if isinstance(value, list) else []
    if not value or not all(isinstance(m, dict) for m in value):
        return None
    pairs = path.rpartition(".")[2].lower() in (*CONVERSATIONS, *HISTORY)
    if any(map(is_item, value)) or all(map(is_langchain, value)):
        return KEYS
    if pairs and all(map(speaker_keys_of, value)):
        return KEYS
    return _keys_of({key for message in value for key in message})


def _keys_of(names: set[str]) -> Keys | None:
    role = next((key for key in ROLE_KEYS if key in names), "")
    content = next((key for key in CONTENT_KEYS if key in names), "")
    if role and not content and names & {"tool_calls", "function_call"}:
        content = "content"
    return (role, content) if role and content else None


def ends_open(sample: Sequence[dict[str, Any]], name: str, keys: Keys) -> bool:
    """Whether no conversation of a column ends with an answer.

    Args:
        sample: The first rows of the file.
        name: Column or path with lists of messages.
        keys: The keys of the messages.

    Returns:
        True where there are conversations and the last message of each is not the assistant's.
    """
    last = [turns[-1] for row in sample if (turns := as_list(value_at(row, name)))]
    roles = [canonical_role(str(m.get(keys[0]))) for m in last if isinstance(m, dict)]
    return bool(roles) and "assistant" not in roles


def list_of_texts(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column holds lists of texts only, also as JSON text.

    Args:
        sample: The first rows of the file.
        name: The column.

    Returns:
        True where at least one value is not null and all such values are lists of texts.
    """
    lists = [as_list(row.get(name)) for row in sample if row.get(name) is not None]
    return bool(lists) and all(
        texts is not None and all(isinstance(text, str) for text in texts) for texts in lists
    )


def list_of_calls(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column holds lists of tool calls, also as JSON text.

    Args:
        sample: The first rows of the file.
        name: The column.

    Returns:
        True where there are calls and each has a name.
    """
    lists = [as_list(row.get(name)) for row in sample if row.get(name) is not None]
    calls = [call for items in lists for call in items or ()]
    return bool(calls) and all(
        isinstance(call, dict)
        and isinstance(call.get("function", call), dict)
        and isinstance(call.get("function", call).get("name"), str)
        for call in calls
    )


def list_of_pairs(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column holds lists with pairs of texts, lists of messages, or empty lists.

    Lists may also be stored as JSON text.

    Args:
        sample: The first rows of the file.
        name: The column.

    Returns:
        True where all filled values are lists and at least one holds such items, or all are empty.
    """
    lists = [as_list(row[name]) for row in sample if row.get(name) not in (None, "")]
    if None not in lists and any(_keys(items, name) for items in lists):
        return True
    pairs = [from_text(pair) for items in lists for pair in items or ()]
    is_pair = [isinstance(pair, list) and [*map(type, pair)] == [str, str] for pair in pairs]
    return bool(lists) and None not in lists and (any(is_pair) or not is_pair)


def find_message_paths(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> MessagePaths:
    """Find messages and answers inside columns that may be objects, or JSON text of objects.

    Args:
        columns: Names of the columns to search.
        sample: The first rows of the file.

    Returns:
        The paths, in the order in which they are found.
    """
    places = MessagePaths()
    for row in sample:
        for name in columns:
            if isinstance(row.get(name), dict | list | str):
                _search(row[name], name, places, DEPTH)
    return places


def _search(stored: Any, path: str, places: MessagePaths, depth: int) -> None:
    value = from_text(stored)
    if LISTED.search(path) and isinstance(value, list) and value and isinstance(value[0], dict):
        inner = value[0]
        if isinstance(inner.get("message"), dict):
            places.answers.setdefault(f"{path}.0.message", ("role", "content"))
        elif isinstance(inner.get("text"), str):
            places.answers.setdefault(f"{path}.0.text", ("role", "content"))
    elif path.endswith("candidates") and isinstance(value, list) and value:  # of Gemini
        inner = value[0].get("content") if isinstance(value[0], dict) else None
        if isinstance(inner, dict) and isinstance(inner.get("parts"), list):
            places.answers.setdefault(f"{path}.0.content", ("role", "parts"))
    elif path.endswith("output") and are_items(value):
        places.answers.setdefault(path, ("role", "content"))
    elif isinstance(value, list) and value and isinstance(value[0], list) and depth:
        _search(value[0], f"{path}.0", places, depth - 1)  # a batch of one
    elif is_langchain(value):
        places.answers.setdefault(path, KEYS)
    elif keys := _keys(value, path):
        places.chats.setdefault(path, keys)
    elif isinstance(value, dict) and depth:
        if (keys := _keys_of(set(value))) and value is stored:
            if canonical_role(str(value[keys[0]])) == "assistant":
                places.answers.setdefault(path, keys)
            return
        for key, inner in value.items():
            if isinstance(inner, dict | list | str):
                _search(inner, f"{path}.{key}", places, depth - 1)
