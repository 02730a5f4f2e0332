"""Rendering messages to text through a jinja chat template."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.forms import CallForms, call_names, chat_forms, read_message
from vocabtrim_core.templates.instrument import MessagePart, instrumented, render_parts, split

Span = tuple[int, int]  # characters [start, end)
Messages = Sequence[Mapping[str, Any]]
_GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")


class RefusedError(InputError):
    """A template refuses a conversation.

    Attributes:
        reason: The template's own message, without the place.
    """

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Rendered(NamedTuple):
    """A rendered conversation.

    Attributes:
        text: The text.
        parts: The parts that each message wrote (see `instrument`).
        generated: Character ranges of {% generation %} blocks.
        chat: The messages in the form that was rendered.
    """

    text: str
    parts: tuple[MessagePart, ...]
    generated: tuple[Span, ...]
    chat: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Renderer:
    """A jinja chat template and the values that it is given.

    Attributes:
        jinja: Source of the template.
        special_tokens: Name such as `bos_token` -> text.
        parts: Whether contents are given as lists of parts.
        tools: Tool definitions for conversations without any, where the template is for tools
            alone.
        marks: Whether its {% generation %} blocks are used.
        call_forms: The forms of tool calls that it writes as the model would.
        name: What error messages call it.
    """

    jinja: str = field(repr=False)
    special_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    parts: bool = False
    tools: tuple[Any, ...] = ()
    marks: bool = True
    call_forms: CallForms = field(default_factory=CallForms)
    name: str = "the tokenizer's chat template"

    @property
    def has_marks(self) -> bool:
        """Whether the template marks assistant text with {% generation %}."""
        return self.marks and _GENERATION.search(self.jinja) is not None

    def render(
        self, messages: Messages, tools: list[Any] | None = None, *, prompt: bool = False
    ) -> Rendered:
        """Render a conversation, in the first form that the template accepts without losing a call.

        Args:
            messages: The conversation.
            tools: Tool definitions, None without any.
            prompt: Whether the text that opens an answer follows.

        Returns:
            The rendered conversation.

        Raises:
            RefusedError: No form is accepted; the sentence names the message and what the template
                says.
            InputError: The template is not valid jinja, or tool calls have an unknown form.
        """
        with_lost_calls, refusal = None, None
        for chat in chat_forms(messages, self.call_forms, parts=self.parts):
            try:
                marked = self._text(chat, tools, prompt)
            except Exception as error:  # a template may raise anything
                refusal = refusal or (error, chat)
                continue
            text, parts, generated = split(marked)
            rendered = Rendered(text, parts, generated if self.marks else (), chat)
            if not _loses_calls(rendered):
                return rendered
            with_lost_calls = with_lost_calls or rendered
        if with_lost_calls:
            return with_lost_calls
        assert refusal
        raise self._refusal(*refusal, tools) from refusal[0]

    def text(
        self, messages: Messages, tools: list[Any] | None = None, *, prompt: bool = False
    ) -> str:
        """Render a conversation to text.

        Args:
            messages: The conversation.
            tools: Tool definitions, None without any.
            prompt: Whether the text that opens an answer follows.

        Returns:
            The text.

        Raises:
            RefusedError: No form is accepted.
            InputError: The template is not valid jinja, or tool calls have an unknown form.
        """
        return self.render(messages, tools, prompt=prompt).text

    def text_unconverted(self, messages: Messages) -> str:
        """Render a conversation in the form of the row only.

        Args:
            messages: The conversation.

        Returns:
            The text.

        Raises:
            RefusedError: The template refuses this form.
            InputError: The template is not valid jinja, or tool calls have an unknown form.
        """
        chat = [read_message(message, n, self.parts) for n, message in enumerate(messages, 1)]
        try:
            return split(self._text(chat, None, False)).text
        except Exception as error:  # a template may raise anything
            raise self._refusal(error, chat, None) from error

    def _text(self, chat: list[dict[str, Any]], tools: list[Any] | None, prompt: bool) -> str:
        return render_parts(
            instrumented(self.jinja),
            chat,
            tools=tools or [*self.tools] or None,
            documents=None,
            add_generation_prompt=prompt,
            **self.special_tokens,
        )

    def _refusal(
        self, error: Exception, chat: list[dict[str, Any]], tools: list[Any] | None
    ) -> InputError:
        """The error with the template's message and the first message that causes it."""
        from jinja2 import TemplateSyntaxError

        if isinstance(error, TemplateSyntaxError):
            return InputError(
                f"{self.name} is not valid jinja: {error.message} (line {error.lineno})."
            )
        from vocabtrim_core.templates.limits import LimitError

        place = "this conversation"
        for n in range(1, 0 if isinstance(error, LimitError) else len(chat) + 1):
            try:
                self._text(chat[:n], tools, False)
            except Exception as first:
                if str(first) == str(error):
                    place = f"message {n} (role {chat[n - 1].get('role', 'missing')})"
                    break
        reason = " ".join(str(error).split()).rstrip(".!") or type(error).__name__
        return RefusedError(f"{self.name} cannot render {place}: {reason}.", reason)


def _loses_calls(rendered: Rendered) -> bool:
    """Whether a turn calls a function more often than its name occurs in what it wrote.

    Where the message has no part of its own, the complete text is searched.

    Args:
        rendered: The rendered conversation.

    Returns:
        True where a call is lost.
    """
    text = rendered.text
    for i, message in enumerate(rendered.chat):
        if names := call_names(message):
            part_text = "".join(text[p.start : p.end] for p in rendered.parts if p.message == i)
            if any(
                count > (part_text or text).count(name) for name, count in Counter(names).items()
            ):
                return True
    return False
