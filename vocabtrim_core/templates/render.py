"""Messages -> text through a jinja chat template."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.forms import Habits, call_names, chat_forms, read_message
from vocabtrim_core.templates.instrument import MessagePart, instrumented, render_parts, split

Span = tuple[int, int]  # characters [start, end)
Messages = Sequence[Mapping[str, Any]]
_GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")


class RefusedError(InputError):
    """The template refuses a conversation. said: what it says, whichever message it is about."""

    def __init__(self, sentence: str, said: str) -> None:
        super().__init__(sentence)
        self.said = said


class Rendered(NamedTuple):
    """A rendered conversation. parts: what each message wrote (see `instrument`); generated: the
    ranges of {% generation %} blocks; chat: its messages in the form that was rendered."""

    text: str
    parts: tuple[MessagePart, ...]
    generated: tuple[Span, ...]
    chat: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Renderer:
    """A jinja chat template and what it is given.

    special_tokens: `bos_token` … -> text.  parts: it wants contents as lists of parts.
    tools: given with conversations that have none, to a template that is there for tools alone.
    marks: its {% generation %} blocks are looked at.
    name: for messages, "The tokenizer's chat template".
    """

    jinja: str = field(repr=False)
    special_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    parts: bool = False
    tools: tuple[Any, ...] = ()
    marks: bool = True
    habits: Habits = field(default_factory=Habits)
    name: str = "the tokenizer's chat template"

    @property
    def has_marks(self) -> bool:
        """The template marks assistant text with {% generation %}."""
        return self.marks and _GENERATION.search(self.jinja) is not None

    def render(
        self, messages: Messages, tools: list[Any] | None = None, *, prompt: bool = False
    ) -> Rendered:
        """The conversation, followed by what opens an answer where `prompt` asks for it.

        RefusedError, naming the message and what the template says, where no form is accepted.
        """
        first, refused = None, None
        for chat in chat_forms(messages, self.habits, parts=self.parts):
            try:
                marked = self._text(chat, tools, prompt)
            except Exception as error:  # a template may raise anything
                refused = refused or (error, chat)
                continue
            text, written, generated = split(marked)
            rendered = Rendered(text, written, generated if self.marks else (), chat)
            if not _loses_calls(rendered):
                return rendered
            first = first or rendered
        if first:
            return first
        assert refused
        raise self._refusal(*refused, tools) from refused[0]

    def text(
        self, messages: Messages, tools: list[Any] | None = None, *, prompt: bool = False
    ) -> str:
        """The rendered text alone."""
        return self.render(messages, tools, prompt=prompt).text

    def as_it_stands(self, messages: Messages) -> str:
        """The text of a conversation in no other form. RefusedError where that is refused."""
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
        """What the template said, and at which message it first said so."""
        from jinja2 import TemplateSyntaxError

        if isinstance(error, TemplateSyntaxError):
            return InputError(
                f"{self.name} is not valid jinja: {error.message} (line {error.lineno})."
            )
        at = "this conversation"
        for n in range(1, len(chat) + 1):
            try:
                self._text(chat[:n], tools, False)
            except Exception as first:
                if str(first) == str(error):
                    at = f"message {n} (role {chat[n - 1].get('role', 'missing')})"
                    break
        said = " ".join(str(error).split()).rstrip(".!") or type(error).__name__
        return RefusedError(f"{self.name} cannot render {at}: {said}.", said)


def _loses_calls(rendered: Rendered) -> bool:
    """A turn calls a function whose name does not stand in what it wrote (in the whole text, where
    it has no part), as often as it is called."""
    text = rendered.text
    for i, message in enumerate(rendered.chat):
        if names := call_names(message):
            own = "".join(text[p.start : p.end] for p in rendered.parts if p.message == i)
            if any(count > (own or text).count(name) for name, count in Counter(names).items()):
                return True
    return False
