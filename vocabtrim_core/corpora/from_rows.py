"""Rows as Python dicts -> MessageBatch: the exact, slower path, and the meaning of the fast one.

Takes every shape: lists of parts, tool calls, JSON kept as text, prompts that are messages.
Content given as parts is the parts' text joined without a separator, which is what templates that
accept parts print; a part that is not text is dropped and noted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from vocabtrim_core.corpora.batches import (
    PREFORMATTED,
    ROLE_CODES,
    ROLES,
    MessageBatch,
    Skip,
    canonical_role,
    place,
    role_array,
)
from vocabtrim_core.corpora.shapes import Mapping, as_list
from vocabtrim_core.errors import InputError

# Keys beside role and content that a template may render; the first three make it necessary.
RICH = ("tool_calls", "reasoning_content", "thinking")
CARRIED = (*RICH, "name", "tool_call_id")
NO_ASSISTANT = "no assistant text"
HALF_PAIR = "not valid Unicode (half a surrogate pair)"


class _UnusableError(Exception):
    """The row is left out; the message is the reason."""


def batch_from_rows(
    rows: Sequence[tuple[int, dict[str, Any] | str]], mapping: Mapping, file: str
) -> MessageBatch:
    """A batch from (row number, row) pairs; unusable rows are skipped with a reason.

    A text in place of a row is the reason why it is unusable.
    """
    codes: list[int] = []
    contents: list[str] = []
    offsets, kept, domains = [0], [], []
    structured: dict[int, dict[str, Any]] = {}
    skipped: list[Skip] = []
    notes: list[Skip] = []
    for number, row in rows:
        if isinstance(row, str):
            skipped.append(Skip(number, row))
            continue
        try:
            messages, tools, remarks = read_row(row, mapping, file, number)
        except _UnusableError as reason:
            skipped.append(Skip(number, str(reason)))
            continue
        if tools or any(m.get(key) for m in messages for key in RICH):
            structured[len(kept)] = {"messages": messages} | ({"tools": tools} if tools else {})
        notes.extend(Skip(number, remark) for remark in remarks)
        codes.extend(ROLE_CODES[m["role"]] for m in messages)
        contents.extend(m["content"] for m in messages)
        offsets.append(len(contents))
        kept.append(number)
        domains.append(label(row.get(mapping.domain)) if mapping.domain else None)
    return MessageBatch(
        roles=role_array(np.array(codes, np.int8)),
        contents=pa.array(contents, pa.large_string()),
        offsets=np.array(offsets, np.int64),
        rows=np.array(kept, np.int64),
        file=file,
        structured=structured,
        domains=pa.array(domains, pa.string()) if mapping.domain else None,
        preformatted=mapping.shape == "text",
        skipped=tuple(skipped),
        notes=tuple(notes),
    )


def read_row(
    row: dict[str, Any], mapping: Mapping, file: str, number: int
) -> tuple[list[dict[str, Any]], list[Any] | None, list[str]]:
    """(messages, tools, remarks) of one row, or _UnusableError; InputError on an unknown role."""
    remarks: list[str] = []
    if mapping.shape == "text":
        text = _text(row.get(mapping.text), mapping.text, remarks)
        if not text.strip():
            raise _UnusableError(f"`{mapping.text}` is empty")
        return [{"role": PREFORMATTED, "content": text}], None, remarks

    if mapping.shape == "conversation":
        turns = _conversation(row.get(mapping.conversation), mapping.conversation)
    else:
        turns = _pair(row, mapping)
    messages = _messages(turns, mapping, file, number, remarks)
    system = row.get(mapping.system) if mapping.system else None
    if system and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": _text(system, mapping.system, remarks)})
    if not any(
        m["role"] == "assistant" and (m["content"].strip() or any(m.get(key) for key in RICH))
        for m in messages
    ):
        raise _UnusableError(NO_ASSISTANT)
    tools = row.get(mapping.tools) if mapping.tools else None
    return messages, as_list(tools) if tools else None, remarks


def _conversation(value: Any, column: str) -> list[Any]:
    if value is None:
        raise _UnusableError(f"`{column}` is null or missing")
    turns = as_list(value)
    if turns is None:
        raise _UnusableError(f"`{column}` is not a list of messages")
    if not turns:
        raise _UnusableError(f"`{column}` is empty")
    return turns


def _pair(row: dict[str, Any], mapping: Mapping) -> list[Any]:
    """User and assistant turn of a prompt and a response; either may be a list of messages."""
    response = row.get(mapping.response)
    if response is None:
        raise _UnusableError(f"`{mapping.response}` is null or missing")
    prompts = [row.get(name) for name in mapping.prompts]
    if prompts[0] is None:
        raise _UnusableError(f"`{mapping.prompts[0]}` is null or missing")
    listed = as_list(prompts[0])
    if listed and isinstance(listed[0], dict):
        turns = listed
    else:
        user = "\n\n".join(str(prompt) for prompt in prompts if prompt not in (None, ""))
        turns = [{mapping.role: "user", mapping.content: user}]
    answers = as_list(response)
    if answers and isinstance(answers[0], dict):
        return turns + answers
    return [*turns, {mapping.role: "assistant", mapping.content: response}]


def _messages(
    turns: list[Any], mapping: Mapping, file: str, number: int, remarks: list[str]
) -> list[dict[str, Any]]:
    column = mapping.conversation or mapping.prompt
    if not all(isinstance(turn, dict) for turn in turns):
        raise _UnusableError(f"`{column}` holds something that is not a message")
    if any(turn.get(mapping.role) is None for turn in turns):
        raise _UnusableError(f"a message has no `{mapping.role}`")
    roles = [canonical_role(str(turn[mapping.role]), mapping.roles) for turn in turns]
    if None in roles:
        i = roles.index(None)
        raise UnknownRoleError(
            file, number, f"{column}[{i}].{mapping.role}", turns[i][mapping.role]
        )
    messages = []
    for role, turn in zip(roles, turns, strict=True):
        rich = {key: _without_nulls(turn[key]) for key in CARRIED if turn.get(key)}
        value = turn.get(mapping.content)
        if value is None and any(key in rich for key in RICH):
            value = ""  # an assistant that only calls a tool
        content = _text(value, mapping.content, remarks)
        messages.append({"role": role, "content": content, **rich})
    return messages


def _text(value: Any, field: str, remarks: list[str]) -> str:
    """Content as one string; parts are joined, parts that are not text are noted."""
    if value is None:
        raise _UnusableError(f"`{field}` is null")
    if isinstance(value, list):
        texts = []
        for part in value:
            text = (
                part
                if isinstance(part, str)
                else part.get("text")
                if isinstance(part, dict)
                else None
            )
            if text is None:
                kind = (
                    part.get("type", "unnamed") if isinstance(part, dict) else type(part).__name__
                )
                remarks.append(f"a part of type {kind} was dropped")
            texts.append(text or "")
        value = "".join(texts)
    if isinstance(value, bool | float | dict):
        raise _UnusableError(f"`{field}` is not text")
    return str(value)


def _without_nulls(value: Any) -> Any:
    """Arrow gives every struct the fields of all its siblings, filled with nulls: drop them."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def whole(row: Any) -> Any:
    """The row, or the reason why it is unusable when a text in it cannot be written as UTF-8."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return HALF_PAIR
    return row


def label(value: Any) -> str | None:
    """A domain label; null stays null."""
    return None if value is None else str(value)


class UnknownRoleError(InputError):
    """A role nobody knows, which only the user can: guessing would count the wrong text.

    found: where it stands and how it is written; role: its name as a Mapping takes it.
    """

    def __init__(self, file: str, row: int, field: str, role: Any) -> None:
        self.found = f"{place(file, row)}, {field}: unknown role {str(role)[:40]!r}"
        self.role = str(role).strip().lower()
        super().__init__(
            f"{self.found}; rename it to one of {', '.join(ROLES)}, "
            f"or map it with roles.{self.role[:40]}=ROLE."
        )
