"""The text that is sent to be answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vocabtrim_core.templates import render
from vocabtrim_core.templates.chat_template import ChatTemplate


def prompt(
    template: ChatTemplate, messages: Sequence[Mapping[str, Any]], tools: list[Any] | None = None
) -> str:
    """The conversation, and what opens the assistant's answer. InputError where it is refused."""

    def write(opened: bool) -> str:
        return render.render(
            template.jinja, messages, special_tokens=template.special_tokens, tools=tools,
            parts=template.parts, add_generation_prompt=opened, name="The chat template",
        )[0]  # fmt: skip

    text, closed = write(True), write(False)
    # A template may open no answers; nothing is missing where user turns end as answers begin.
    if text != closed or closed.endswith(template.header):
        return text
    return closed + template.header
