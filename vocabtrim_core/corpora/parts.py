"""Parts of a message's content, and the text in them."""

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
# Where a part or an object keeps its text, first come first served.
TEXT_KEYS = ("text", "thinking", "reasoning", "refusal", "content", "summary")


def typed(part: Any) -> Any:
    """A part of Gemini or of Bedrock's Converse, which say their kind in a key, with a `type`; any
    other as it is."""
    if not isinstance(part, dict) or part.get("type") is not None:
        return part
    held = {key: value for key, value in part.items() if value is not None}
    if isinstance(call := held.get("functionCall", held.get("function_call")), dict):
        return {"type": "function_call", **call}
    if isinstance(call := held.get("toolUse"), dict):
        return {"type": "tool_use", **call, "id": call.get("toolUseId")}
    if isinstance(result := held.get("functionResponse", held.get("function_response")), dict):
        said, name = result.get("response"), result.get("id")
        return {"type": "tool_result", "tool_use_id": name, "content": _as_text(said)}
    if isinstance(result := held.get("toolResult"), dict):
        said = [
            _as_text(each.get("json", each.get("text"))) for each in result.get("content") or []
        ]
        return {
            "type": "tool_result",
            "tool_use_id": result.get("toolUseId"),
            "content": "".join(said),
        }
    if isinstance(thought := held.get("reasoningContent"), dict):
        text = thought.get("reasoningText")
        sealed = thought.get("redactedContent")
        return {"type": "reasoning", "text": text_in(text), "encrypted_content": sealed}
    if held.get("thought") is True and isinstance(held.get("text"), str):
        return {"type": "thinking", "thinking": held["text"]}
    if "text" not in held:
        kind = next((key for key, value in held.items() if isinstance(value, dict)), None)
        return part if kind is None else {"type": kind}
    return part


def system_text(value: Any) -> str | None:
    """The text of a system message: a text, parts, or an object with parts; None for others."""
    if isinstance(value, dict) and isinstance(value.get("parts"), list):
        value = value["parts"]
    if not isinstance(value, list):
        return value if isinstance(value, str) else None
    texts = [part.get("text") if isinstance(part, dict) else None for part in value]
    said = [text for text in texts if isinstance(text, str)]
    return "".join(said) if len(said) == len(texts) else None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def text_in(value: Any) -> str | None:
    """The text of a part or a list of parts; None where it has none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [text_in(part) for part in value]
        return None if None in texts else "".join(text for text in texts if text)
    if isinstance(value, dict):
        held = [value[key] for key in TEXT_KEYS if value.get(key) is not None]
        return text_in(next(filter(None, held), held[0])) if held else None
    return None


def kind_in(value: Any) -> str:
    """What a value is, in words: "text", "a list of messages", "a number"."""
    if isinstance(value, list):
        if not value:
            return "an empty list"
        first = value[0]
        if isinstance(first, dict):
            messages = {"role", "from"} & first.keys()
            return "a list of messages" if messages else "a list of objects"
        many = {str: "texts", list: "lists", int: "numbers", float: "numbers"}
        return f"a list of {many.get(type(first), 'values')}"
    kinds = {
        str: "text",
        dict: "an object",
        bool: "yes or no",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return kinds.get(type(value), "a value")
