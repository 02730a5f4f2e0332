"""Parts of a message's content, and the text inside them."""

from __future__ import annotations

import json
from typing import Any

TEXT_PARTS = ("text", "input_text", "output_text", "refusal")
THOUGHT_PARTS = ("thinking", "reasoning", "reasoning_text", "summary_text")
CALL_PARTS = ("tool_use", "server_tool_use", "function_call", "custom_tool_call", "mcp_call")
RESULT_PARTS = (
    "tool_result",
    "web_search_tool_result",
    "function_call_output",
    "custom_tool_call_output",
)
# Keys under which a part or an object has its text, in order of preference.
TEXT_KEYS = ("text", "thinking", "reasoning", "refusal", "content", "summary")


def with_type(part: Any) -> Any:
    """Give a part of Gemini or of Bedrock's Converse API the `type` key that other APIs use.

    Those two APIs name the kind of a part by the key that it has.

    Args:
        part: A part of a content list, of any type.

    Returns:
        A dict with a `type`, or the part itself where it has one or its kind is not known.
    """
    if not isinstance(part, dict) or part.get("type") is not None:
        return part
    filled = {key: value for key, value in part.items() if value is not None}
    if isinstance(call := filled.get("functionCall", filled.get("function_call")), dict):
        return {"type": "function_call", **call}
    if isinstance(call := filled.get("toolUse"), dict):
        return {"type": "tool_use", **call, "id": call.get("toolUseId")}
    if isinstance(result := filled.get("functionResponse", filled.get("function_response")), dict):
        content = _as_text(result.get("response"))
        return {"type": "tool_result", "tool_use_id": result.get("id"), "content": content}
    if isinstance(result := filled.get("toolResult"), dict):
        items = result.get("content") or []
        content = "".join(_as_text(item.get("json", item.get("text"))) for item in items)
        return {"type": "tool_result", "tool_use_id": result.get("toolUseId"), "content": content}
    if isinstance(thought := filled.get("reasoningContent"), dict):
        text = thought.get("reasoningText")
        sealed = thought.get("redactedContent")
        return {"type": "reasoning", "text": text_in(text), "encrypted_content": sealed}
    if filled.get("thought") is True and isinstance(filled.get("text"), str):
        return {"type": "thinking", "thinking": filled["text"]}
    if "text" not in filled:
        kind = next((key for key, value in filled.items() if isinstance(value, dict)), None)
        return part if kind is None else {"type": kind}
    return part


def system_text(value: Any) -> str | None:
    """The text of a system message: a text, a list of parts, or an object with `parts`.

    Args:
        value: The value as the row gives it.

    Returns:
        The joined text; None where the value is of another kind or a part has no text.
    """
    if isinstance(value, dict) and isinstance(value.get("parts"), list):
        value = value["parts"]
    if not isinstance(value, list):
        return value if isinstance(value, str) else None
    texts = [part.get("text") if isinstance(part, dict) else None for part in value]
    is_text = all(isinstance(text, str) for text in texts)
    return "".join(text for text in texts if text) if is_text else None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def text_in(value: Any) -> str | None:
    """The text of a part or of a list of parts.

    Args:
        value: A text, a part, a list of parts, or None.

    Returns:
        The joined text; None where a part has no text.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [text_in(part) for part in value]
        return None if None in texts else "".join(text for text in texts if text)
    if isinstance(value, dict):
        filled = [value[key] for key in TEXT_KEYS if value.get(key) is not None]
        return text_in(next(filter(None, filled), filled[0])) if filled else None
    return None


def kind_in(value: Any) -> str:
    """What kind of value this is, in words for a sentence.

    Args:
        value: Any value of a row.

    Returns:
        Words such as "text", "a list of messages" or "a number".
    """
    if isinstance(value, list):
        if not value:
            return "an empty list"
        first = value[0]
        if isinstance(first, dict):
            role_keys = {"role", "from"} & first.keys()
            return "a list of messages" if role_keys else "a list of objects"
        plurals = {str: "texts", list: "lists", int: "numbers", float: "numbers"}
        return f"a list of {plurals.get(type(first), 'values')}"
    kinds = {
        str: "text",
        dict: "an object",
        bool: "yes or no",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return kinds.get(type(value), "a value")
