"""The form in which a row's messages are given to a template: as they are, or as it can read them.

Templates disagree on two fields of a turn that calls tools. `content` is null in OpenAI's rows: one
template tests for null, another prints "None". `arguments` are a string of JSON in OpenAI's rows
and an object in others: one template joins strings, another writes `arguments | tojson`, which
escapes a string a second time, and another iterates over the items of an object. A row is rendered
as it is; the other form is used only where the template fails on the first or loses the call. What
a template does with each form is probed once (`probe_call_forms`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vocabtrim_core import json_text
from vocabtrim_core.errors import InputError

REASONING = ("reasoning_content", "thinking", "reasoning")  # transformers' order of preference
_NAME, _KEY, _VALUE = "wulfenite_look", "zoisite", "Tanzanite glows"
_ASKED = "Quartz asks once"


@dataclass(frozen=True, slots=True)
class CallForms:
    """The forms of a turn with calls that a template writes as the model would.

    Attributes:
        null: Content that is null.
        strings: `arguments` as a string of JSON.
        objects: `arguments` as an object.
    """

    null: bool = True
    strings: bool = True
    objects: bool = True


def chat_forms(
    messages: Sequence[Mapping[str, Any]], call_forms: CallForms, *, parts: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """The forms of a conversation, in the order in which they are to be tried.

    Args:
        messages: The conversation.
        call_forms: The forms that the template writes well.
        parts: Whether contents are given as lists of parts.

    Yields:
        The messages in one form.

    Raises:
        InputError: Tool calls have an unknown form.
    """
    chat = [read_message(message, n, parts) for n, message in enumerate(messages, 1)]
    calling = [i for i, message in enumerate(chat) if "tool_calls" in message]
    if not calling:
        yield [_with_content(message) for message in chat]
        return
    contents = [chat[i]["content"] for i in calling]
    first = "keep" if call_forms.null else "empty"
    blanks = {None: (first, "empty" if call_forms.null else "keep"), "": (first, "null")}
    ways = [way for content in (None, "") if content in contents for way in blanks[content]]
    # (strings of JSON become objects, objects become strings): first what the template can read,
    # then as they are, then all in one form.
    readable = (
        not call_forms.strings and call_forms.objects,
        not call_forms.objects and call_forms.strings,
    )
    forms = dict.fromkeys((readable, (False, False), (True, False), (False, True)))
    for blank in dict.fromkeys(ways or ("keep",)):
        for to_object, to_string in forms:
            yield [_form(message, blank, to_object, to_string) for message in chat]


def probe_call_forms(render: Callable[[list[dict[str, Any]]], str]) -> CallForms:
    """Find out what a template does with the forms of a turn that calls a tool.

    Args:
        render: Messages -> text, in exactly this form; raises InputError where the template
            refuses.

    Returns:
        The forms that are written well.
    """

    def shows(content: str | None, arguments: Any) -> str:
        call = {
            "id": "abcdefghi",
            "type": "function",
            "function": {"name": _NAME, "arguments": arguments},
        }
        message = {"role": "assistant", "content": content, "tool_calls": [call]}
        try:
            text = render([{"role": "user", "content": _ASKED}, message])
        except InputError:
            return ""
        return text if _NAME in text else ""

    as_object, as_string = {_KEY: _VALUE}, json.dumps({_KEY: _VALUE})
    objects, strings = (shows("", form) or shows(None, form) for form in (as_object, as_string))
    escaped = f'\\"{_KEY}' in strings
    python = f"'{_KEY}': '{_VALUE}'" in objects
    good = as_object if objects and not python else as_string
    null, empty = shows(None, good), shows("", good)
    return CallForms(
        null=bool(null) and not (null.count("None") > empty.count("None")),
        strings=_VALUE in strings and not escaped,
        objects=_VALUE in objects and not python,
    )


def reasoning_of(message: Mapping[str, Any]) -> str:
    """The reasoning of a message.

    Args:
        message: The message.

    Returns:
        The text; "" without any.
    """
    reasoning = next((message[key] for key in REASONING if message.get(key)), "")
    return reasoning if isinstance(reasoning, str) else ""


def call_names(message: Mapping[str, Any]) -> list[str]:
    """The names of the functions that a message calls.

    Args:
        message: The message.

    Returns:
        The names, with repeats.
    """
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return []
    functions = (call.get("function") or call for call in calls if isinstance(call, dict))
    return [f["name"] for f in functions if isinstance(f.get("name"), str)]


def read_message(message: Mapping[str, Any], n: int, parts: bool) -> dict[str, Any]:
    """A message as a template takes it.

    Null fields are left out, except `content`. Reasoning is put where transformers puts it, under
    `reasoning_content` and `thinking`.

    Args:
        message: The message.
        n: Its number, for errors.
        parts: Whether content is given as a list of parts.

    Returns:
        The message.

    Raises:
        InputError: Its tool calls have an unknown form.
    """
    plain = {key: value for key, value in message.items() if value is not None}
    content = plain.get("content")
    if isinstance(content, list) and not parts:
        content = "".join(p if isinstance(p, str) else p.get("text") or "" for p in content)
    elif isinstance(content, str) and parts:
        content = [{"type": "text", "text": content}]
    plain["content"] = content
    plain.pop("weight", None)  # for the trainer only
    if thought := reasoning_of(plain):
        plain = {"thinking": thought, **plain, "reasoning_content": thought}
    calls = plain.pop("tool_calls", None)
    with suppress(ValueError):
        calls = json_text.loads(calls) if isinstance(calls, str) else calls
    if calls:  # templates test for the key
        if not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
            raise InputError(f"The tool_calls of message {n} are no list of objects; mend the row.")
        plain["tool_calls"] = [_call(call, n) for call in calls]
    return plain


def _call(call: Mapping[str, Any], n: int) -> dict[str, Any]:
    """A tool call in OpenAI's shape.

    Args:
        call: The call.
        n: Number of its message.

    Returns:
        The call.

    Raises:
        InputError: It has no function object.
    """
    function = call.get("function", call)
    if not isinstance(function, Mapping):
        raise InputError(f"A tool call of message {n} has no function object; mend the row.")
    return {**call, "type": "function", "function": {**function}}


def _with_content(message: dict[str, Any]) -> dict[str, Any]:
    return message if message["content"] is not None else {**message, "content": ""}


def _form(message: dict[str, Any], blank: str, to_object: bool, to_string: bool) -> dict[str, Any]:
    """A message in one of the forms.

    Args:
        message: The message.
        blank: Content that is null or "" beside calls: "keep" it, make it "empty" or "null".
        to_object: Whether strings of JSON become objects.
        to_string: Whether objects become strings.

    Returns:
        The message.
    """
    if "tool_calls" not in message:
        return _with_content(message)
    calls = []
    for call in message["tool_calls"]:
        function = call["function"]
        arguments = function.get("arguments")
        if to_object and isinstance(arguments, str):
            with suppress(ValueError):  # free text stays as it is
                arguments = json_text.loads(arguments)
        elif to_string and isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if arguments is not function.get("arguments"):
            call = {**call, "function": {**function, "arguments": arguments}}
        calls.append(call)
    content = message["content"]
    if not content and blank != "keep":
        content = None if blank == "null" else ""
    return {**message, "content": content, "tool_calls": calls}
