"""Messages as LangChain and LangSmith write them: their role is a type, often wrapped."""

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


def unwrapped(turn: Any) -> dict[str, Any] | None:
    """The message with a `role` and a `content`; None for anything else.

    {"type": "ai", "content": …}, {"type": "ai", "data": {…}} or
    {"type": "constructor", "id": […, "AIMessage"], "kwargs": {…}}.
    """
    if not isinstance(turn, dict) or turn.get("role") is not None or turn.get("from") is not None:
        return None
    kind, named = turn.get("type"), turn.get("id")
    inner: Any = turn
    if kind == "constructor":
        inner = turn.get("kwargs")
        role = CLASSES.get(str(named[-1])) if isinstance(named, list) and named else None
    else:
        inner = turn.get("data") if isinstance(turn.get("data"), dict) else turn
        role = canonical_role(kind) if isinstance(kind, str) else None
    if role is None or not isinstance(inner, dict) or "content" not in inner:
        return None
    return {key: value for key, value in inner.items() if key not in ("type", "id")} | {
        "role": role
    }


def is_wrapped(turn: Any) -> bool:
    """Whether a value is such a message."""
    return unwrapped(turn) is not None


def turns_of_langchain(turns: list[Any], role: str, content: str) -> list[Any]:
    """Such messages under the keys role and content; any other list as it is."""
    found = [message for turn in turns if (message := unwrapped(turn))]
    if not turns or len(found) < len(turns):
        return turns
    return [{**message, role: message["role"], content: message["content"]} for message in found]
