"""Checks that the columns a user mapped hold what they were mapped as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vocabtrim_core.corpora.column_contents import describe_columns, message_key_options
from vocabtrim_core.corpora.content_parts import kind_in, system_text
from vocabtrim_core.corpora.recognise import Recognition
from vocabtrim_core.corpora.schema import ColumnMapping, from_text, value_at
from vocabtrim_core.corpora.speaker_keys import as_messages
from vocabtrim_core.corpora.speaker_labels import labelled_turns
from vocabtrim_core.errors import InputError

Rows = Sequence[dict[str, Any]]


def check_mapping(given: ColumnMapping, guess: Recognition, head: Rows, called: str) -> None:
    """Refuse a column of which no value in the first rows is what it was mapped as.

    Columns that the guess maps in the same way are not checked.

    Args:
        given: The mapping to check.
        guess: What was recognised in the file.
        head: The first rows of the file.
        called: Name of the file in the message.

    Raises:
        InputError: A column holds values of another kind, or no message has the mapped keys.
    """
    for field, (expected, fits) in FIELDS.items():
        columns = getattr(given, field)
        if not columns or columns == getattr(guess.mapping, field):
            continue
        for column in given.columns_in(field):
            values = [v for row in head if (v := value_at(row, column)) is not None]
            if values and not any(fits(from_text(value)) for value in values):
                raise InputError(
                    f"{called}: `{column}` holds {kind_in(from_text(values[0]))}, but it is mapped "
                    f"as {field}, which is {expected}; {_advice(column, guess, head)}."
                )
    if given.shape == "conversation":
        _require_keys(given, head, called)


def _require_keys(given: ColumnMapping, head: Rows, called: str) -> None:
    """InputError where no message has the keys that are mapped."""
    lists = [
        from_text(value_at(row, name)) for row in head for name in given.columns_in("conversation")
    ]
    turns = [
        turn
        for messages in lists
        if isinstance(messages, list)
        for turn in as_messages(messages, given.role, given.content)
    ]
    keys = list(dict.fromkeys(key for turn in turns if isinstance(turn, dict) for key in turn))
    for field in ("role", "content"):
        if keys and getattr(given, field) not in keys and not _calls_only(keys, field):
            raise InputError(
                f"{called}: no message in `{given.conversation}` has `{getattr(given, field)}`, "
                f"which is mapped as its {field}; map one of its keys: {', '.join(keys[:8])}."
            )


def _calls_only(keys: Sequence[str], field: str) -> bool:
    return field == "content" and not {"tool_calls", "function_call"}.isdisjoint(keys)


def _advice(column: str, guess: Recognition, head: Rows) -> str:
    """What to map instead."""
    value = next(from_text(v) for row in head if (v := value_at(row, column)) is not None)
    if kind_in(value) == "a list of messages":
        return f"map it as the conversation (--map conversation={column})"
    if odd := message_key_options(head, column):
        return f"map the keys of its objects (--map {odd})"
    if guess.mapping.shape:
        return f"without this mapping the file is read: {guess.mapping.sentence()}"
    columns = tuple(dict.fromkeys(key for row in head for key in row))
    return f"map another column, of {describe_columns(columns, head)}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list)
        and any(isinstance(p, str) or (isinstance(p, dict) and "type" in p) for p in value)
    )


def _is_said(value: Any) -> bool:
    """A prompt or a response: text, a number, a message, messages, texts."""
    if isinstance(value, list):
        return all(isinstance(item, str | dict) for item in value)
    if isinstance(value, dict):
        return not {"role", "from", "content", "value", "type", "text"}.isdisjoint(value)
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _is_chat(value: Any) -> bool:
    if isinstance(value, str):
        return bool(labelled_turns(value, "role", "content"))
    if isinstance(value, dict):
        return any(isinstance(item, list) for item in value.values())
    return isinstance(value, list) and (
        all(isinstance(item, dict) for item in value) or all(isinstance(e, str) for e in value)
    )


def _are_objects(value: Any) -> bool:
    """An object, or a list of them or of their JSON texts."""
    items = value if isinstance(value, list) else [value]
    return all(isinstance(from_text(item), dict) for item in items)


# Field of a mapping -> what it takes, in words, and whether a value is that.
FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "conversation": ("a list of messages", _is_chat),
    "prompt": ("text or messages", _is_said),
    "response": ("text or messages", _is_said),
    "history": ("a list of pairs of texts", lambda v: isinstance(v, list) or v == ""),
    "text": ("a rendered conversation", _is_text),
    "system": ("text", lambda v: _is_text(v) or system_text(v) is not None),
    "domain": ("a label", lambda v: isinstance(v, str | int)),
    "tools": ("a list of definitions", lambda v: v == "" or _are_objects(v)),
    "calls": ("a list of tool calls", lambda v: v == "" or _are_objects(v)),
}
