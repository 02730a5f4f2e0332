"""Tool calls and tool definitions of several APIs in OpenAI's shape."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.corpora.batches import UnusableError
from vocabtrim_core.corpora.schema import from_text

# ShareGPT's roles of turns whose text is a call.
CALL_ROLES = ("function_call", "tool_call")


def calls_from(value: Any, field: str) -> list[dict[str, Any]]:
    """Read tool calls of any known API.

    Args:
        value: A call, a list of calls, or JSON text of them.
        field: The column or key, for messages.

    Returns:
        The calls in OpenAI's shape; arguments stay a text or an object as given.

    Raises:
        UnusableError: The value holds something else, or a call without a name or with unusable
            arguments.
    """
    value = from_text(value)
    calls = [value] if isinstance(value, dict) else value
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise UnusableError(f"`{field}` is not a list of tool calls")
    return [_call(call, field) for call in calls]


def _call(call: dict[str, Any], field: str) -> dict[str, Any]:
    inner = call.get("function")
    function = inner if isinstance(inner, dict) else call.get("custom")
    if not isinstance(function, dict):
        function = call  # the name is beside the arguments
    name = function.get("name") or function.get("tool_name") or inner
    arguments = next(
        (
            function[key]
            for key in ("arguments", "input", "parameters", "args")
            if function.get(key) is not None
        ),
        {},
    )
    if not isinstance(name, str):
        raise UnusableError(f"a tool call in `{field}` has no name")
    if not isinstance(arguments, str | dict | list):
        raise UnusableError(f"the arguments of a tool call in `{field}` are no object")
    if function is inner and "arguments" in function and call.get("type") == "function":
        return call  # as it should be
    converted = {"type": "function", "function": {"name": name, "arguments": arguments}}
    id_ = call.get("call_id") or call.get("id")
    return {"id": id_, **converted} if isinstance(id_, str) else converted


def is_call_role(role: Any) -> bool:
    """Whether a role, as a row writes it, means that the text of the turn is a tool call.

    Args:
        role: The role.

    Returns:
        True for the roles in `CALL_ROLES`, in any case.
    """
    return str(role).strip().lower() in CALL_ROLES


def move_call_from_text(text: str, message: dict[str, Any]) -> None:
    """Move the call in a turn of role function_call from its text to its `tool_calls`.

    Args:
        text: The text of the turn; where it holds no call the message stays as it is.
        message: The message, changed in place.
    """
    value = from_text(text)
    calls = value if isinstance(value, list) else [value]
    if calls and all(isinstance(c, dict) and isinstance(c.get("name"), str) for c in calls):
        message["content"], message["tool_calls"] = None, calls_from(calls, "value")


def tools_from(value: Any, remarks: list[str]) -> list[dict[str, Any]] | None:
    """Read tool definitions of any known API.

    transformers takes a list of objects and gives it to the template as it is. A list stored as
    JSON text is read as such. One definition outside a list, and bare functions, which transformers
    refuses or templates overlook, are put into OpenAI's shape with a remark.

    Args:
        value: The value of the tools column.
        remarks: List that receives remarks.

    Returns:
        The definitions in OpenAI's shape; None where there are none, with a remark where the value
        holds something else.
    """
    value = from_text(value)
    if isinstance(value, dict) and isinstance(value.get("tools"), list):
        value = value["tools"]  # Bedrock's toolConfig
    if isinstance(value, dict) and value:
        if not (isinstance(value.get("name"), str) or "function" in value or "type" in value):
            value = "an object of something else"
        else:
            value = [value]
            remarks.append("tools that are one definition were read as a list of it")
    if not value:
        return None
    items = [from_text(tool) for tool in value] if isinstance(value, list) else [value]
    tools = [tool for tool in items if isinstance(tool, dict)]
    if len(tools) < len(items):
        remarks.append("tools that are not a list of definitions were dropped")
        return None
    tools = [function for tool in tools for function in _declared(tool)]
    definitions = [_tool(tool) for tool in tools]
    if definitions != tools:
        remarks.append("tools that are bare functions were read as tools of type function")
    return definitions


def _declared(tool: dict[str, Any]) -> list[dict[str, Any]]:
    """The functions that a tool of Gemini or of Bedrock's Converse declares; any other as it is."""
    listed = tool.get("functionDeclarations", tool.get("function_declarations"))
    if isinstance(listed, list):
        return [function for function in listed if isinstance(function, dict)]
    if isinstance(spec := tool.get("toolSpec"), dict):
        schema = spec.get("inputSchema")
        inner = schema.get("json") if isinstance(schema, dict) else None
        return [{key: spec[key] for key in spec if key != "inputSchema"} | {"parameters": inner}]
    return [tool]


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if isinstance(tool.get("function"), dict) or not isinstance(tool.get("name"), str):
        return tool
    function = {key: value for key, value in tool.items() if key not in ("type", "input_schema")}
    if "input_schema" in tool:
        function["parameters"] = tool["input_schema"]
    return {"type": "function", "function": function}
