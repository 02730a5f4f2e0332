"""The items of OpenAI's Responses API: what `input` and `output` hold beside messages.

An item is a message, or one step of the model: `reasoning`, `function_call`,
`function_call_output`, `custom_tool_call`, `mcp_call` and others. Adjacent items of the model
become one assistant turn, with the items as its parts.
"""

from __future__ import annotations

from typing import Any

from vocabtrim_core.corpora.batches import canonical_role

ENDINGS = ("_call", "_output")  # web_search_call, local_shell_call_output, …
OTHERS = (
    "reasoning",
    "item_reference",
    "compaction",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
)


def is_item(value: Any) -> bool:
    """Whether a value is an item that is not a message.

    Args:
        value: Any value.

    Returns:
        True for an object with such a type and without a role.
    """
    kind = value.get("type") if isinstance(value, dict) and value.get("role") is None else None
    return isinstance(kind, str) and (kind.endswith(ENDINGS) or kind in OTHERS)


def are_items(value: Any) -> bool:
    """Whether a value is a list of items.

    Args:
        value: Any value.

    Returns:
        True for a list with at least one item, or one message with type "message".
    """
    return isinstance(value, list) and any(
        is_item(item) or (isinstance(item, dict) and item.get("type") == "message")
        for item in value
    )


def turns_of_items(items: list[Any], role: str, content: str) -> list[Any]:
    """Items as turns.

    Args:
        items: Items and messages.
        role: Key for the role.
        content: Key for the content.

    Returns:
        The turns; messages of other roles stay as they are, and so does a list without items.
    """
    if not any(map(is_item, items)):
        return items
    turns: list[Any] = []
    parts: list[Any] = []
    message: dict[str, Any] | None = None  # the previous item, where it was an assistant's message

    def close() -> None:
        if parts:
            turns.append({role: "assistant", content: [*parts]})
        parts.clear()

    for item in items:
        if is_item(item):
            parts.append(item)
            message = None
        elif isinstance(item, dict) and canonical_role(str(item.get(role))) == "assistant":
            if message is not None:  # two answers
                close()
            message, value = item, item.get(content)
            parts += value if isinstance(value, list) else [{"type": "text", "text": value or ""}]
        else:
            close()
            turns.append(item)
            message = None
    close()
    return turns
