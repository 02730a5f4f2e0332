"""Small conversations with tool calls and reasoning, to show what of them a template counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.templates.forms import reasoning_of
from vocabtrim_core.templates.reading import LOST_CALLS, LOST_REASONING, Reading
from vocabtrim_core.templates.spans import check_rule

if TYPE_CHECKING:
    from vocabtrim_core.templates.render import Messages


CABIN = "two berths"  # an argument of the call that occurs nowhere else


@dataclass(frozen=True, slots=True)
class SampleConversation:
    """A conversation in OpenAI's shape.

    Attributes:
        title: Name to show.
        messages: The conversation.
        tools: Its tool definitions.
    """

    title: str
    messages: Messages
    tools: list[Any]

    @property
    def results(self) -> tuple[str, ...]:
        """The texts of its tool messages, which never count."""
        return tuple(str(m["content"]) for m in self.messages if m["role"] == "tool")


def _call(city: str) -> dict[str, Any]:
    function = {"name": "next_ferry", "arguments": {"from": city, "cabin": CABIN}}
    return {"id": "ferry0001", "type": "function", "function": function}


def _assistant(content: str | None, reasoning: str = "", call: str = "") -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if reasoning:
        message["reasoning_content"] = reasoning
    if call:
        message["tool_calls"] = [_call(call)]
    return message


def _conversation(*, reasoning: bool) -> list[Mapping[str, Any]]:
    """User, call, result, answer, user, answer; with a thought in each assistant turn or none."""
    thoughts = (
        ("The timetable tells.", "Platform 3, at noon.", "Two cabins, 14 each.")
        if reasoning
        else ("", "", "")
    )
    return [
        {"role": "user", "content": "When does the next ferry leave Bergen?"},
        _assistant(None, thoughts[0], call="Bergen"),
        {
            "role": "tool",
            "name": "next_ferry",
            "tool_call_id": "ferry0001",
            "content": '{"departs": "12:05", "pier": 3}',
        },
        _assistant("It leaves at 12:05 from pier 3.", thoughts[1]),
        {"role": "user", "content": "What do two of those cost?"},
        _assistant("They cost 28 euros.", thoughts[2]),
    ]


_TOOL = {
    "type": "function",
    "function": {
        "name": "next_ferry",
        "description": "The next ferry from a town.",
        "parameters": {
            "type": "object",
            "properties": {
                "from": {"type": "string", "description": "Town."},
                "cabin": {"type": "string", "description": "Kind of cabin."},
            },
            "required": ["from"],
        },
    },
}
SAMPLES = {
    "tools": SampleConversation("Tool call sample", _conversation(reasoning=False), [_TOOL]),
    "reasoning": SampleConversation("Reasoning sample", _conversation(reasoning=True), [_TOOL]),
}


class MarkedSample(NamedTuple):
    """A sample as a template writes it.

    Attributes:
        reading: Text, counted ranges and notes.
        notes: What of it counts and what is lost, a sentence each.
    """

    reading: Reading
    notes: tuple[str, ...]


def show(
    template: ChatTemplate, sample: SampleConversation, rule: str = "assistant", **options: Any
) -> MarkedSample:
    """Render a sample and say what of it counts.

    Args:
        template: The chat template.
        sample: One of `SAMPLES`.
        rule: One of `RULES`.
        **options: Options of `ChatTemplate.read`.

    Returns:
        The marked sample; without text where the template refuses it, and the sentence says so.

    Raises:
        InputError: There is no such rule.
    """
    check_rule(rule)
    try:
        reading = template.read(sample.messages, rule, tools=sample.tools, **options)
    except InputError as error:
        return MarkedSample(
            Reading("", []), (f"The chat template refuses this conversation: {error}",)
        )
    counted = "\n".join(reading.text[start:end] for start, end in reading.spans)
    answers = [m for m in sample.messages if m["role"] == "assistant"]
    thoughts = [thought for m in answers if (thought := reasoning_of(m))]
    calls = [CABIN for m in answers if "tool_calls" in m]
    parts = {
        "tool calls": _part(calls, reading.text, counted),
        "reasoning": _part(thoughts, reading.text, counted),
        "tool results": _part(
            _unquoted(sample.results), _unescaped(reading.text), _unescaped(counted)
        ),
    }
    sentences = [f"{part.capitalize()}: {state}." for part, state in parts.items() if state]
    known = (LOST_REASONING, LOST_CALLS)
    sentences += [
        f"{n:,} turn{'s' * (n > 1)}: {why}." for why, n in reading.notes if why not in known
    ]
    return MarkedSample(reading, tuple(sentences))


def _part(texts: list[str], text: str, counted: str) -> str:
    """Whether texts are written and counted, in words; "" without any."""
    if not texts:
        return ""
    written = [part for part in texts if part in text]
    inside = [part for part in texts if part in counted]
    if not written:
        return "not written by the chat template"
    state = "not counted"
    if inside:
        state = "counted" if len(inside) == len(written) else "counted in part"
    lost_count = len(texts) - len(written)
    return (
        f"{state}; {lost_count} of {len(texts)} not written by the chat template"
        if lost_count
        else state
    )


def _unescaped(text: str) -> str:
    """A text without quotes, backslashes and blanks, as templates may write results as JSON."""
    return text.replace("\\", "").replace('"', "").replace("'", "").replace(" ", "")


def _unquoted(texts: tuple[str, ...]) -> list[str]:
    return [_unescaped(text) for text in texts]
