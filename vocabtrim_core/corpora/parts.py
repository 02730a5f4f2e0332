"""Parts of a message's content, and the text in them."""

from __future__ import annotations

from typing import Any

TEXT_PARTS = ("text", "input_text", "output_text", "refusal")
THOUGHT_PARTS = ("thinking", "reasoning", "reasoning_text", "summary_text")
CALL_PARTS = ("tool_use", "server_tool_use", "function_call")
RESULT_PARTS = ("tool_result", "web_search_tool_result", "function_call_output")
# Where a part or an object keeps its text, first come first served.
TEXT_KEYS = ("text", "thinking", "reasoning", "refusal", "content", "summary")


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
