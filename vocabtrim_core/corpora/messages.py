"""One message of a row, in the form that a chat template takes.

Every source format (OpenAI chat and Responses, Anthropic, ShareGPT) becomes: `role` one of ROLES;
`content` a text or None; `reasoning_content`, whatever the row calls it; `tool_calls` in OpenAI's
shape, their arguments unchanged; `name`, `tool_call_id`; `weight` (0: the turn is not trained on).
Null stays null and a text of arguments stays a text: the template decides what to make of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vocabtrim_core.corpora.batches import UnusableError
from vocabtrim_core.corpora.content_parts import (
    CALL_PARTS,
    RESULT_PARTS,
    TEXT_PARTS,
    THOUGHT_PARTS,
    kind_in,
    text_in,
    with_type,
)
from vocabtrim_core.corpora.loss_flags import is_untrained
from vocabtrim_core.corpora.reasoning import reasoning_in, why_unread
from vocabtrim_core.corpora.tool_calls import calls_from, is_call_role, move_call_from_text
from vocabtrim_core.corpora.unread_keys import CALLS, note_unread


def read_message(
    turn: dict[str, Any], role: str, keys: tuple[str, str], remarks: list[str]
) -> list[dict[str, Any]]:
    """The messages of one turn of a row: one, and another for each tool result in its parts.

    Args:
        turn: The turn as the row gives it.
        role: Its canonical role.
        keys: Keys under which the turn holds its role and its content.
        remarks: List that receives a remark for everything that cannot be carried.

    Returns:
        The messages, in order.

    Raises:
        UnusableError: The turn has no usable content.
    """
    value = turn.get(keys[1])
    message: dict[str, Any] = {"role": role, "content": value}
    messages = [message]
    if isinstance(value, dict) and (value.get("type") or isinstance(value.get("text"), str)):
        value = [value]
    if isinstance(value, list):
        messages = _from_parts(value, role, keys[1], remarks)
        message = next((m for m in reversed(messages) if m["role"] == role), messages[-1])
        role = message["role"]  # tool, where the turn holds nothing but results
    elif value is not None and not isinstance(value, str):
        message["content"] = plain_text(value, keys[1], remarks)
    if role == "assistant":
        if isinstance(value, str) and turn.get(keys[0]) != role and is_call_role(turn[keys[0]]):
            move_call_from_text(value, message)
        _other_answers(turn, value, message, remarks)
        _carry_answer(turn, message, messages, remarks)
        note_unread(turn, keys, remarks)
    elif turn.get("tool_calls") or turn.get("function_call"):
        remarks.append(f"tool calls of a {role} message were dropped")
    for key in ("name", "tool_call_id"):
        if isinstance(value := turn.get(key), str) and value:
            message.setdefault(key, value)
    if message["content"] is None and not (
        role == "tool" or message.get("tool_calls") or message.get("reasoning_content")
    ):
        raise UnusableError(f"`{keys[1]}` is null")
    return messages


def _other_answers(
    turn: dict[str, Any], value: Any, message: dict[str, Any], remarks: list[str]
) -> None:
    """The text of a refusal, or what a spoken answer says, where the content is empty."""
    audio = turn.get("audio")
    spoken = audio.get("transcript") if isinstance(audio, dict) else None
    for name, text in (("refusal", turn.get("refusal")), ("audio.transcript", spoken)):
        if not isinstance(text, str) or not text.strip():
            continue
        if message["content"] or value:
            remarks.append(f"`{name}` beside the content of a message was dropped")
        else:
            message["content"] = text
            if name != "refusal":
                remarks.append(f"the content of a message was taken from `{name}`")


def _carry_answer(
    turn: dict[str, Any],
    message: dict[str, Any],
    messages: Sequence[dict[str, Any]],
    remarks: list[str],
) -> None:
    """Reasoning and calls of an assistant turn into its last message, its weight into all."""
    if thought := reasoning_in(turn, message.get("reasoning_content", ""), remarks):
        message["reasoning_content"] = thought
    for key in CALLS:
        if turn.get(key):
            calls = calls_from(turn[key], key)
            if key != "function_call" or not message.get("tool_calls"):
                message["tool_calls"] = [*message.get("tool_calls", ()), *calls]
    if is_untrained(turn, remarks):
        for carried in messages:
            carried |= {"weight": 0} if carried["role"] == "assistant" else {}
    elif isinstance(weight := turn.get("weight"), int | float):
        message["weight"] = weight


def _from_parts(
    parts: Sequence[Any], role: str, field: str, remarks: list[str]
) -> list[dict[str, Any]]:
    """The messages that a list of parts is; tool results end a message of the assistant."""
    messages: list[dict[str, Any]] = []
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    mixed = False

    def close() -> None:
        message = {"role": role, "content": "".join(texts) if texts or not calls else None}
        message |= {"reasoning_content": "\n\n".join(thoughts)} if thoughts else {}
        messages.append(message | ({"tool_calls": [*calls]} if calls else {}))
        for parts_so_far in (texts, thoughts, calls):
            parts_so_far.clear()

    for part in map(with_type, parts):
        kind = part.get("type") if isinstance(part, dict) else "text"
        kind = "text" if kind is None and isinstance(part.get("text"), str) else kind
        if kind in THOUGHT_PARTS and (why := why_unread(part)):
            remarks.append(why)
            continue
        text = text_in(part) if kind in TEXT_PARTS or kind in THOUGHT_PARTS else None
        if kind in RESULT_PARTS:
            if role == "assistant" and (texts or thoughts or calls):
                close()
            messages.append(_result(part, remarks))
        elif kind in CALL_PARTS and role == "assistant":
            calls += calls_from([part], field)
        elif text is not None and kind in TEXT_PARTS:
            mixed |= bool(calls)
            texts.append(text)
        elif text is not None and role == "assistant":
            mixed |= bool(texts or calls) and bool(text)
            thoughts += [text] if text else []
        else:
            kind = type(part).__name__ if not isinstance(part, dict) else kind
            remarks.append(f"a part of type {str(kind or 'unnamed')[:40]} was dropped")
    if texts or thoughts or calls or not messages:
        close()
    if mixed:
        remarks.append("parts of a message were put in the order reasoning, text, calls")
    return messages


def _result(part: dict[str, Any], remarks: list[str]) -> dict[str, Any]:
    """A tool result among the parts of a turn as a message of the tool."""
    value = part["content"] if part.get("content") is not None else part.get("output")
    text = text_in(value)
    if text is None and value is not None:
        remarks.append("a tool result that is not text was dropped")
    call = part.get("tool_use_id") or part.get("call_id")
    message: dict[str, Any] = {"role": "tool", "content": text or ""}
    return message | ({"tool_call_id": call} if isinstance(call, str) else {})


def plain_text(value: Any, field: str, remarks: list[str]) -> str:
    """A value as one text; parts are joined, and parts that are not text are noted.

    Args:
        value: A text, a number or a list of parts.
        field: The column or key, for messages.
        remarks: List that receives remarks on what was dropped or converted.

    Returns:
        The text.

    Raises:
        UnusableError: The value is null or of another kind.
    """
    if isinstance(value, str):
        return value
    if value is None:
        raise UnusableError(f"`{field}` is null")
    if isinstance(value, list) and any(
        isinstance(part, str) or (isinstance(part, dict) and ("type" in part or "text" in part))
        for part in value
    ):
        messages = _from_parts(value, "user", field, remarks)
        return "".join(message["content"] for message in messages)
    if isinstance(value, int) and not isinstance(value, bool):
        remarks.append(f"`{field}` is a number and was read as text")
        return str(value)
    raise UnusableError(f"`{field}` is not text but {kind_in(value)}")
