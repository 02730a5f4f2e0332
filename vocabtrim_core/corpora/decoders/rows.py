"""Rows as Python dicts decoded into message batches: the exact, slower path.

It defines the meaning of the fast path too. A row that cannot be used is skipped with its reason;
what cannot be carried of a row is noted.
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
    MessageBatch,
    Skip,
    UnusableError,
    canonical_role,
    role_array,
)
from vocabtrim_core.corpora.content_parts import system_text
from vocabtrim_core.corpora.messages import plain_text, read_message
from vocabtrim_core.corpora.schema import ColumnMapping, value_at
from vocabtrim_core.corpora.skips import (
    HALF_PAIR,
    NO_ASSISTANT,
    TOO_DEEP,
    UNTRAINED_ROW,
    unknown_role,
)
from vocabtrim_core.corpora.tool_calls import tools_from
from vocabtrim_core.corpora.turns import turns_of


def batch_from_rows(
    rows: Sequence[tuple[int, dict[str, Any] | str]],
    mapping: ColumnMapping,
    file: str,
    *,
    padded: bool = False,
) -> MessageBatch:
    """Decode rows into a batch; unusable rows are skipped with a reason.

    Args:
        rows: (row number, row); a text in place of a row is the reason why it is unusable.
        mapping: Columns to read.
        file: Name of the file.
        padded: Whether the rows come from Arrow structs, which have every field of their siblings
            as a null; null fields of tool calls and tools are then dropped, because null and absent
            are the same there.

    Returns:
        The batch.
    """
    codes: list[int] = []
    contents: list[str] = []
    offsets, numbers, domains = [0], [], []
    structured: dict[int, dict[str, Any]] = {}
    skipped: list[Skip] = []
    notes: list[Skip] = []
    for number, row in rows:
        if isinstance(row, str):
            skipped.append(Skip(number, row))
            continue
        remarks: list[str] = []
        try:
            messages, tools = read_row(row, mapping, remarks, padded=padded)
        except UnusableError as reason:
            skipped.append(Skip(number, str(reason)))
            continue
        except RecursionError:
            skipped.append(Skip(number, TOO_DEEP))
            continue
        if tools or any(map(is_rich, messages)):
            structured[len(numbers)] = {"messages": messages} | ({"tools": tools} if tools else {})
        notes.extend(Skip(number, remark) for remark in dict.fromkeys(remarks))
        codes.extend(ROLE_CODES[m["role"]] for m in messages)
        contents.extend(m["content"] or "" for m in messages)
        offsets.append(len(contents))
        numbers.append(number)
        domains.append(label(value_at(row, mapping.domain)) if mapping.domain else None)
    return MessageBatch(
        roles=role_array(np.array(codes, np.int8)),
        contents=pa.array(contents, pa.large_string()),
        offsets=np.array(offsets, np.int64),
        rows=np.array(numbers, np.int64),
        file=file,
        structured=structured,
        domains=pa.array(domains, pa.string()) if mapping.domain else None,
        preformatted=mapping.shape == "text",
        skipped=tuple(skipped),
        notes=tuple(notes),
    )


def is_rich(message: dict[str, Any]) -> bool:
    """Whether a template must render the message from its full dict.

    Args:
        message: A message of `read_row`.

    Returns:
        True with tool calls, reasoning, or a weight of 0.
    """
    return len(message) > 2 and bool(
        "tool_calls" in message or "reasoning_content" in message or message.get("weight") == 0
    )


def read_row(
    row: dict[str, Any],
    mapping: ColumnMapping,
    remarks: list[str],
    *,
    padded: bool = False,
) -> tuple[list[dict[str, Any]], list[Any] | None]:
    """Read one row.

    Args:
        row: The row.
        mapping: Columns to read.
        remarks: List that receives a remark for everything that is lost.
        padded: As for `batch_from_rows`.

    Returns:
        (messages, tool definitions or None).

    Raises:
        UnusableError: The row has nothing to count.
    """
    if mapping.shape == "text":
        text = plain_text(value_at(row, mapping.text), mapping.text, remarks)
        if not text.strip():
            raise UnusableError(f"`{mapping.text}` is empty")
        return [{"role": PREFORMATTED, "content": text}], None

    column, turns = turns_of(row, mapping, remarks)
    messages = _messages(turns, column, mapping, remarks)
    system = value_at(row, mapping.system) if mapping.system else None
    if system and messages[0]["role"] != "system":
        text = system_text(system)
        text = plain_text(system, mapping.system, remarks) if text is None else text
        messages.insert(0, {"role": "system", "content": text})
    answers = [
        m.get("weight") != 0
        for m in messages
        if m["role"] == "assistant"
        and ((m["content"] or "").strip() or m.get("tool_calls") or m.get("reasoning_content"))
    ]
    if not any(answers):
        raise UnusableError(UNTRAINED_ROW if answers else NO_ASSISTANT)
    tools = tools_from(value_at(row, mapping.tools), remarks) if mapping.tools else None
    if padded:
        for message in messages:
            if "tool_calls" in message:
                message["tool_calls"] = _without_nulls(message["tool_calls"])
        tools = _without_nulls(tools)
    return messages, tools


def _messages(
    turns: list[Any], column: str, mapping: ColumnMapping, remarks: list[str]
) -> list[dict[str, Any]]:
    if not all(isinstance(turn, dict) for turn in turns):
        raise UnusableError(f"`{column}` holds something that is not a message")
    if any(turn.get(mapping.role) is None for turn in turns):
        raise UnusableError(f"a message has no `{mapping.role}`")
    roles = [canonical_role(str(turn[mapping.role]), mapping.roles) for turn in turns]
    keys, messages = (mapping.role, mapping.content), []
    if None in roles:
        raise UnusableError(
            unknown_role(
                *(
                    turn[mapping.role]
                    for turn, role in zip(turns, roles, strict=True)
                    if role is None
                )
            )
        )
    for role, turn in zip(filter(None, roles), turns, strict=True):
        messages += read_message(turn, role, keys, remarks)
    return messages


def _without_nulls(value: Any) -> Any:
    """Without the null fields that Arrow's structs are padded with."""
    if isinstance(value, dict):
        return {
            key: item if isinstance(item, str) else _without_nulls(item)
            for key, item in value.items()
            if item is not None
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def row_or_reason(row: Any) -> Any:
    """Replace a row that cannot be written as UTF-8 by the reason.

    Args:
        row: The row.

    Returns:
        The row, or the reason why it is unusable.
    """
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return HALF_PAIR
    except RecursionError:
        return TOO_DEEP
    return row


def label(value: Any) -> str | None:
    """A domain label as text.

    Args:
        value: The value of the domain column.

    Returns:
        The text; None for null.
    """
    return None if value is None else str(value)
