"""Messages -> text through a jinja chat template, in transformers' sandbox."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from typing import Any

from vocabtrim_core.errors import InputError

# transformers notes where {% generation %} blocks begin in a state that all callers of one compiled
# template share, so one thread renders at a time.
_ONE_AT_A_TIME = threading.Lock()


def render(
    jinja: str,
    messages: Iterable[Mapping[str, Any]],
    *,
    special_tokens: Mapping[str, str],
    tools: list[dict] | None = None,
    parts: bool = False,
    add_generation_prompt: bool = False,
    name: str = "the tokenizer's chat template",
) -> tuple[str, list[tuple[int, int]]]:
    """The rendered text and the character ranges of its {% generation %} blocks.

    parts: the template wants contents as lists of {"type": "text", "text": …}.
    InputError naming the message and what the template says when it cannot render.
    """
    chat = [_plain_message(message, n, parts) for n, message in enumerate(messages, 1)]
    settings = {**special_tokens, "add_generation_prompt": add_generation_prompt}
    try:
        return _render(jinja, chat, tools, settings)
    except Exception as error:  # a template may raise anything
        raise InputError(_explain(error, jinja, chat, tools, settings, name)) from error


def _plain_message(message: Mapping[str, Any], n: int, parts: bool) -> dict[str, Any]:
    """A message as templates expect it: text content, tool arguments as objects, no null fields."""
    plain = {key: value for key, value in message.items() if value is not None}
    content = plain.get("content", "")
    if isinstance(content, list) and not parts:
        content = "".join(p if isinstance(p, str) else p.get("text", "") for p in content)
    elif isinstance(content, str) and parts:
        content = [{"type": "text", "text": content}]
    plain["content"] = content
    if not (calls := plain.pop("tool_calls", None)):  # templates test for the key
        return plain
    with suppress(ValueError):
        calls = json.loads(calls) if isinstance(calls, str) else calls
    if not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
        raise InputError(f"The tool_calls of message {n} are no list of objects; mend the row.")
    return {**plain, "tool_calls": [_plain_call(call) for call in calls]}


def _plain_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A tool call in OpenAI's shape, with `arguments` parsed where it is a string of JSON."""
    function = dict(call.get("function") or call)
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        with suppress(ValueError):  # free text stays as it is; the template decides
            arguments = json.loads(arguments)
    return {**call, "type": "function", "function": {**function, "arguments": arguments}}


def _render(
    jinja: str, chat: list[dict], tools: list[dict] | None, settings: Mapping[str, Any]
) -> tuple[str, list[tuple[int, int]]]:
    from transformers.utils.chat_template_utils import render_jinja_template

    marks = has_marks(jinja)
    with _ONE_AT_A_TIME if marks else nullcontext():
        rendered: Any = render_jinja_template(
            [chat], [*tools] if tools else None, chat_template=jinja,
            return_assistant_tokens_mask=marks, **settings,
        )  # fmt: skip
    (text,), ranges = rendered
    return text, [(start, end) for start, end in ranges[0] if start < end] if marks else []


def has_marks(jinja: str) -> bool:
    """Does the template mark assistant text with {% generation %}?"""
    return re.search(r"\{%[-+]?\s*generation\s*[-+]?%\}", jinja) is not None


def _explain(
    error: Exception,
    jinja: str,
    chat: list[dict],
    tools: list[dict] | None,
    settings: Mapping[str, Any],
    name: str,
) -> str:
    """One sentence: what the template said, and at which message it first said so."""
    from jinja2 import TemplateSyntaxError

    if isinstance(error, TemplateSyntaxError):
        return f"{name} is not valid jinja: {error.message} (line {error.lineno})."
    at = "this conversation"
    for n in range(1, len(chat) + 1):
        try:
            _render(jinja, chat[:n], tools, settings)
        except Exception as first:
            if str(first) == str(error):
                at = f"message {n} (role {chat[n - 1].get('role', 'missing')})"
                break
    said = " ".join(str(error).split()).rstrip(".!") or type(error).__name__
    return f"{name} cannot render {at}: {said}."
