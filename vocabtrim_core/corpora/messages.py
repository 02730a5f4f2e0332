"""One message as a row writes it -> the messages a template takes, in one form.

Every dialect (OpenAI chat and Responses, Anthropic, ShareGPT) becomes: `role` one of ROLES;
`content` a text or None; `reasoning_content`, whatever the row calls it; `tool_calls` in OpenAI's
shape, their arguments untouched; `name`, `tool_call_id`; `weight` (0: nobody trains this turn).
Null stays null and a text of arguments stays a text: what to make of them is the template's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vocabtrim_core.corpora.shapes import as_list, from_text

# Keys beside role and content that make the full dict necessary.
REASONING = ("reasoning_content", "reasoning", "thinking")
CALLS = ("tool_calls", "function_call")
# Flags of a turn without loss, and the value that says so: `weight` of OpenAI's and Mistral's
# fine-tuning, `train` of Axolotl (its own tests also say `training`), `loss` of ms-swift, `masked`
# of torchtune.
UNTRAINED: dict[str, Any] = {
    "weight": 0,
    "train": False,
    "training": False,
    "loss": False,
    "masked": True,
}
# Roles that ShareGPT gives to turns whose whole text is a call.
CALL_ROLES = ("function_call", "tool_call")

TEXT_PARTS = ("text", "input_text", "output_text", "refusal")
THOUGHT_PARTS = ("thinking", "reasoning", "reasoning_text", "summary_text")
CALL_PARTS = ("tool_use", "server_tool_use", "function_call")
RESULT_PARTS = ("tool_result", "web_search_tool_result", "function_call_output")
# Where a part or an object keeps its text, first come first served.
TEXT_KEYS = ("text", "thinking", "reasoning", "refusal", "content", "summary")


class UnusableError(Exception):
    """The row is left out; the message is the reason."""


def read_message(
    turn: dict[str, Any], role: str, keys: tuple[str, str], remarks: list[str]
) -> list[dict[str, Any]]:
    """The messages that one turn of a row is: one, and one more for each tool result in its parts.

    keys: under which it holds its role and its content. What cannot be carried goes to remarks;
    UnusableError for a turn that is none.
    """
    value = turn.get(keys[1])
    message: dict[str, Any] = {"role": role, "content": value}
    found = [message]
    if isinstance(value, dict) and (value.get("type") or isinstance(value.get("text"), str)):
        value = [value]
    if isinstance(value, list):
        found = _from_parts(value, role, keys[1], remarks)
        message = next((m for m in reversed(found) if m["role"] == role), found[-1])
        role = message["role"]  # tool, where the turn holds nothing but results
    elif value is not None and not isinstance(value, str):
        message["content"] = plain_text(value, keys[1], remarks)
    if role == "assistant":
        if value is None and isinstance(refusal := turn.get("refusal"), str) and refusal:
            message["content"] = refusal
        elif isinstance(value, str) and turn.get(keys[0]) != role and _says_call(turn[keys[0]]):
            _call_in_text(value, message)
        _carry_answer(turn, message, found, remarks)
    elif turn.get("tool_calls") or turn.get("function_call"):
        remarks.append(f"tool calls of a {role} message were dropped")
    for key in ("name", "tool_call_id"):
        if isinstance(said := turn.get(key), str) and said:
            message.setdefault(key, said)
    if message["content"] is None and not (
        role == "tool" or message.get("tool_calls") or message.get("reasoning_content")
    ):
        raise UnusableError(f"`{keys[1]}` is null")
    return found


def _carry_answer(
    turn: dict[str, Any],
    message: dict[str, Any],
    found: Sequence[dict[str, Any]],
    remarks: list[str],
) -> None:
    """Reasoning and calls of an assistant turn into its last message, its weight into all."""
    for key in REASONING:
        if thought := turn.get(key):
            text = _text_in(thought)
            if text is None:
                remarks.append(f"`{key}` of a message is not text and was dropped")
            elif text and message.setdefault("reasoning_content", text) != text:
                remarks.append(f"a second reasoning of a message, in `{key}`, was dropped")
    for key in CALLS:
        if turn.get(key):
            calls = calls_from(turn[key], key)
            if key != "function_call" or not message.get("tool_calls"):
                message["tool_calls"] = [*message.get("tool_calls", ()), *calls]
    if UNTRAINED.keys().isdisjoint(turn):
        return
    for key, untrained in UNTRAINED.items():
        flag = turn.get(key)
        numeric = isinstance(flag, int | float) and (key == "weight" or isinstance(flag, bool))
        if numeric and flag == untrained:
            remarks.append(f"an assistant turn is not counted: its `{key}` is {untrained}")
            for each in found:
                each |= {"weight": 0} if each["role"] == "assistant" else {}
            return
        if numeric and key == "weight":
            message["weight"] = flag


def _from_parts(
    parts: Sequence[Any], role: str, field: str, remarks: list[str]
) -> list[dict[str, Any]]:
    """The messages that a list of parts is; tool results end a message of the assistant."""
    found: list[dict[str, Any]] = []
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    mixed = False

    def close() -> None:
        message = {"role": role, "content": "".join(texts) if texts or not calls else None}
        message |= {"reasoning_content": "\n\n".join(thoughts)} if thoughts else {}
        found.append(message | ({"tool_calls": [*calls]} if calls else {}))
        for kept in (texts, thoughts, calls):
            kept.clear()

    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else "text"
        kind = "text" if kind is None and isinstance(part.get("text"), str) else kind
        text = _text_in(part) if kind in TEXT_PARTS or kind in THOUGHT_PARTS else None
        if kind in RESULT_PARTS:
            if role == "assistant" and (texts or thoughts or calls):
                close()
            found.append(_result(part, remarks))
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
    if texts or thoughts or calls or not found:
        close()
    if mixed:
        remarks.append("parts of a message were put in the order reasoning, text, calls")
    return found


def _result(part: dict[str, Any], remarks: list[str]) -> dict[str, Any]:
    """A tool result among the parts of a turn as a message of the tool."""
    value = part.get("content", part.get("output"))
    text = _text_in(value)
    if text is None and value is not None:
        remarks.append("a tool result that is not text was dropped")
    call = part.get("tool_use_id") or part.get("call_id")
    message: dict[str, Any] = {"role": "tool", "content": text or ""}
    return message | ({"tool_call_id": call} if isinstance(call, str) else {})


def calls_from(value: Any, field: str) -> list[dict[str, Any]]:
    """Tool calls in OpenAI's shape, from any; UnusableError where it holds none."""
    value = from_text(value)
    calls = [value] if isinstance(value, dict) else value
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise UnusableError(f"`{field}` is not a list of tool calls")
    return [_call(call, field) for call in calls]


def _call(call: dict[str, Any], field: str) -> dict[str, Any]:
    inner = call.get("function")
    function = inner if isinstance(inner, dict) else call.get("custom")
    if not isinstance(function, dict):
        function = call  # the name stands beside the arguments
    name = function.get("name") or inner
    arguments = next((function[key] for key in ("arguments", "input", "parameters")
                      if function.get(key) is not None), {})  # fmt: skip
    if not isinstance(name, str):
        raise UnusableError(f"a tool call in `{field}` has no name")
    if not isinstance(arguments, str | dict | list):
        raise UnusableError(f"the arguments of a tool call in `{field}` are no object")
    if function is inner and "arguments" in function and call.get("type") == "function":
        return call  # as it should be
    made = {"type": "function", "function": {"name": name, "arguments": arguments}}
    id_ = call.get("call_id") or call.get("id")
    return {"id": id_, **made} if isinstance(id_, str) else made


def _says_call(role: Any) -> bool:
    return str(role).strip().lower() in CALL_ROLES


def _call_in_text(text: str, message: dict[str, Any]) -> None:
    """A turn of role function_call holds a call as JSON; any other text stays text."""
    value = from_text(text)
    calls = value if isinstance(value, list) else [value]
    if calls and all(isinstance(c, dict) and isinstance(c.get("name"), str) for c in calls):
        message["content"], message["tool_calls"] = None, calls_from(calls, "value")


def plain_text(value: Any, field: str, remarks: list[str]) -> str:
    """A value as one text; parts are joined, parts that are not text are noted."""
    if isinstance(value, str):
        return value
    if value is None:
        raise UnusableError(f"`{field}` is null")
    if isinstance(value, list):
        found = _from_parts(value, "user", field, remarks)
        return "".join(message["content"] for message in found)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UnusableError(f"`{field}` is not text")


def _text_in(value: Any) -> str | None:
    """The text of a part or a list of parts; None where it has none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [_text_in(part) for part in value]
        return None if None in texts else "".join(text for text in texts if text)
    if isinstance(value, dict):
        held = [value[key] for key in TEXT_KEYS if value.get(key) is not None]
        return _text_in(next(filter(None, held), held[0])) if held else None
    return None


def tools_from(value: Any, remarks: list[str]) -> list[dict[str, Any]] | None:
    """Tool definitions in OpenAI's shape; None, and a remark, where there are none."""
    if not value:
        return None
    given = as_list([value] if isinstance(value, dict) else value)
    tools = [from_text(tool) for tool in given or ()]
    if given is None or not all(isinstance(tool, dict) for tool in tools):
        remarks.append("tools that are not a list of definitions were dropped")
        return None
    return [_tool(tool) for tool in tools] or None


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if isinstance(tool.get("function"), dict) or not isinstance(tool.get("name"), str):
        return tool
    function = {key: value for key, value in tool.items() if key not in ("type", "input_schema")}
    if "input_schema" in tool:
        function["parameters"] = tool["input_schema"]
    return {"type": "function", "function": function}
