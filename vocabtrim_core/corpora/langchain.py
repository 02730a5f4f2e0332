"""Messages as LangChain and LangSmith write them: the role is a type, often in a wrapper."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.corpora.batches import canonical_role

CLASSES = {
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "tool",
}


def langchain_message(turn: Any) -> dict[str, Any] | None:
    """Read a message of LangChain.

    The forms are {"type": "ai", "content": …}, {"type": "ai", "data": {…}} and {"type":
    "constructor", "id": […, "AIMessage"], "kwargs": {…}}.

    Args:
        turn: Any value.

    Returns:
        The message with a `role` and a `content`; None where the value has another form.
    """
    if not isinstance(turn, dict) or turn.get("role") is not None or turn.get("from") is not None:
        return None
    kind, class_path = turn.get("type"), turn.get("id")
    inner: Any = turn
    if kind == "constructor":
        inner = turn.get("kwargs")
        role = (
            CLASSES.get(str(class_path[-1]))
            if isinstance(class_path, list) and class_path
            else None
        )
    else:
        inner = turn.get("data") if isinstance(turn.get("data"), dict) else turn
        role = canonical_role(kind) if isinstance(kind, str) else None
    if role is None or not isinstance(inner, dict) or "content" not in inner:
        return None
    return {key: value for key, value in inner.items() if key not in ("type", "id")} | {
        "role": role
    }


def is_langchain(turn: Any) -> bool:
    """Whether a value is a message of LangChain.

    Args:
        turn: Any value.

    Returns:
        True where `langchain_message` reads it.
    """
    return langchain_message(turn) is not None


def turns_of_langchain(turns: list[Any], role: str, content: str) -> list[Any]:
    """Messages of LangChain as messages under the given keys.

    Args:
        turns: A list of turns of any form.
        role: Key for the role.
        content: Key for the content.

    Returns:
        The messages; the list itself where not all of its turns are LangChain's.
    """
    messages = [message for turn in turns if (message := langchain_message(turn))]
    if not turns or len(messages) < len(turns):
        return turns
    return [{**message, role: message["role"], content: message["content"]} for message in messages]
