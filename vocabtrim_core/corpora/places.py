"""Where in a file's rows messages stand, as columns or as paths into nested values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vocabtrim_core.corpora.batches import canonical_role
from vocabtrim_core.corpora.items import are_items, is_item
from vocabtrim_core.corpora.langchain import is_wrapped
from vocabtrim_core.corpora.pairs import speakers
from vocabtrim_core.corpora.schema import as_list, from_text, value_at

ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value", "parts")
# Names in order of preference; elsewhere, pairs of an input and an output are mere examples.
CONVERSATIONS = ("messages", "conversations", "conversation", "chat", "dialogue", "dialog")
HISTORY = ("history",)  # turns before a prompt
DEPTH = 6  # of nested objects that are searched

LISTED = re.compile(r"(choices|generations(\.0)?)$")  # of OpenAI, of LangSmith
KEYS = ("role", "content")
Keys = tuple[str, str]  # under which a message holds its role and its content


@dataclass(slots=True)
class Places:
    """Paths of lists of messages and of single answers, and the keys of their messages."""

    chats: dict[str, Keys] = field(default_factory=dict)
    answers: dict[str, Keys] = field(default_factory=dict)


def chats_among(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> dict[str, Keys]:
    """The columns that hold lists of messages, and the keys of these."""
    return {name: keys for name in columns if (keys := message_keys(sample, name))}


def message_keys(sample: Sequence[dict[str, Any]], name: str) -> Keys | None:
    """(role key, content key) of a column or path that holds lists of messages, else None."""
    for row in sample:
        if keys := _keys(value_at(row, name), name):
            return keys
    return None


def _keys(value: Any, path: str) -> Keys | None:
    """The keys of the messages in a list, in JSON text of one, or in a struct of lists."""
    value = from_text(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else value
    if isinstance(value, dict):
        names = {key for key, items in value.items() if isinstance(items, list)}
        return _keys_of(names) if len(names) > 1 else None
    if not isinstance(value, list) or not value or not all(isinstance(m, dict) for m in value):
        return None
    pairs = path.rpartition(".")[2].lower() in (*CONVERSATIONS, *HISTORY)
    if any(map(is_item, value)) or all(map(is_wrapped, value)):
        return KEYS
    if pairs and all(map(speakers, value)):
        return KEYS
    return _keys_of({key for message in value for key in message})


def _keys_of(names: set[str]) -> Keys | None:
    role = next((key for key in ROLE_KEYS if key in names), "")
    content = next((key for key in CONTENT_KEYS if key in names), "")
    if role and not content and names & {"tool_calls", "function_call"}:
        content = "content"
    return (role, content) if role and content else None


def ends_open(sample: Sequence[dict[str, Any]], name: str, keys: Keys) -> bool:
    """Whether no conversation of a column ends with an answer."""
    last = [turns[-1] for row in sample if (turns := as_list(value_at(row, name)))]
    roles = [canonical_role(str(m.get(keys[0]))) for m in last if isinstance(m, dict)]
    return bool(roles) and "assistant" not in roles


def list_of_texts(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column holds lists of nothing but texts, also as JSON text."""
    lists = [as_list(row.get(name)) for row in sample if row.get(name) is not None]
    return bool(lists) and all(
        texts is not None and all(isinstance(text, str) for text in texts) for texts in lists
    )


def list_of_calls(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column holds lists of tool calls, also as JSON text."""
    lists = [as_list(row.get(name)) for row in sample if row.get(name) is not None]
    calls = [call for found in lists for call in found or ()]
    return bool(calls) and all(
        isinstance(call, dict)
        and isinstance(call.get("function", call), dict)
        and isinstance(call.get("function", call).get("name"), str)
        for call in calls
    )


def list_of_pairs(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column holds lists with pairs of texts in them, messages, or nothing; also as
    JSON."""
    lists = [as_list(row[name]) for row in sample if row.get(name) not in (None, "")]
    if None not in lists and any(_keys(each, name) for each in lists):
        return True
    pairs = [from_text(pair) for found in lists for pair in found or ()]
    are = [isinstance(pair, list) and [*map(type, pair)] == [str, str] for pair in pairs]
    return bool(lists) and None not in lists and (any(are) or not are)


def find_places(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> Places:
    """Messages and answers inside of these columns, which may be objects or JSON text of them."""
    places = Places()
    for row in sample:
        for name in columns:
            if isinstance(row.get(name), dict | list | str):
                _search(row[name], name, places, DEPTH)
    return places


def _search(given: Any, path: str, places: Places, depth: int) -> None:
    value = from_text(given)
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
    elif is_wrapped(value):
        places.answers.setdefault(path, KEYS)
    elif keys := _keys(value, path):
        places.chats.setdefault(path, keys)
    elif isinstance(value, dict) and depth:
        if (keys := _keys_of(set(value))) and value is given:
            if canonical_role(str(value[keys[0]])) == "assistant":
                places.answers.setdefault(path, keys)
            return
        for key, inner in value.items():
            if isinstance(inner, dict | list | str):
                _search(inner, f"{path}.{key}", places, depth - 1)
