"""The ranges on which SpecForge computes the loss, compared with what is counted.

SpecForge finds an answer's text by one regular expression per template, between a header and an end
token, and removes the texts that it ignores. Its parsers prepare the messages too: they leave out
fields, and cut conversations whose turns do not follow each other as they expect. Both are
implemented here independently and checked against SpecForge's code in tests; nothing of SpecForge
is imported.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vocabtrim_core import json_text
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.format import conversation
from vocabtrim_core.templates.forms import REASONING, reasoning_of
from vocabtrim_core.templates.spans import Span
from vocabtrim_core.templates.specforge_templates import (
    BY_NAME,
    HARMONY,
    TEMPLATES,
    SpecForgeTemplate,
)
from vocabtrim_core.templates.turns import USUAL

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate, Reading
    from vocabtrim_core.templates.render import Messages

__all__ = [
    "BY_NAME",
    "TEMPLATES",
    "LossComparison",
    "SpecForgeTemplate",
    "compare_loss",
    "grouped_differences",
    "loss_spans",
    "matching_templates",
    "parser_messages",
]

KEPT = ("role", "content", "tool_calls")  # fields that every parser gives to the template
MORE = ("reasoning_content", "name", "tool_call_id")  # and what the thinking parser adds
HARMONY_ROLES = (
    "system",
    "assistant_reasoning_effort",
    "user",
    "assistant_analysis",
    "assistant_commentary",
    "assistant_final",
)
SHOWN = 60  # characters of a text that a sentence quotes


@dataclass(frozen=True, slots=True)
class LossComparison:
    """A conversation as SpecForge trains on it.

    Attributes:
        entry: The template of SpecForge.
        text: What it renders, where its parser can take the messages, else the text that is
            counted.
        spans: Character ranges of the text that have loss.
        differences: Differences from what is counted, a sentence each.
    """

    entry: SpecForgeTemplate
    text: str
    spans: list[Span]
    differences: tuple[str, ...]


def matching_templates(template: ChatTemplate) -> tuple[SpecForgeTemplate, ...]:
    """The templates of SpecForge that fit a chat template.

    Their header opens its answers, and it writes their end token.

    Args:
        template: The chat template.

    Returns:
        The templates, the closest first; none where SpecForge has no such template.
    """
    try:
        text = template.render(conversation("uaua"))
        opening = template.finder.prompt(USUAL) or template.header
    except InputError:
        return ()
    fitting = [
        entry
        for entry in TEMPLATES
        if opening.startswith(entry.header.rstrip(" "))
        and (entry.pattern == "longcat" or entry.parser == HARMONY or entry.end.strip() in text)
    ]

    def distance(entry: SpecForgeTemplate) -> tuple[int, bool]:
        return -len(entry.header), (entry.parser == "thinking") != template.reasoning

    return tuple(sorted(fitting, key=distance))


def loss_spans(text: str, entry: SpecForgeTemplate) -> list[Span]:
    """The character ranges of a rendered text that have loss.

    Args:
        text: The rendered text.
        entry: The template of SpecForge.

    Returns:
        Ranges [start, end), ascending.
    """
    spans = [match.span(1) for match in _pattern(entry).finditer(text)]
    return subtract_spans(spans, _ignored_spans(text, entry))


def _ignored_spans(text: str, entry: SpecForgeTemplate) -> list[Span]:
    """The ranges of the texts that have no loss anywhere."""
    matches = (re.finditer(re.escape(ignored), text) for ignored in entry.ignored)
    return [match.span() for group in matches for match in group]


@functools.lru_cache
def _pattern(entry: SpecForgeTemplate) -> re.Pattern[str]:
    """Group 1 is what has loss. `$` also matches before a newline at the end of the text."""
    header, end = re.escape(entry.header), re.escape(entry.end)
    if entry.parser == HARMONY:
        return re.compile(rf"{header}([\s\S]*?)(?={end}|$)")
    if entry.pattern == "longcat":
        end = r"\[Round \d+\] USER:"
    elif entry.pattern == "inkling":
        end = "|".join(map(re.escape, entry.ignored))
    elif entry.pattern == "glm":
        header += "(?:</think>)?"
    return re.compile(rf"{header}([\s\S]*?(?:{end}|$))")


def parser_messages(
    messages: Messages, entry: SpecForgeTemplate
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The messages that SpecForge's parser gives to the chat template.

    Its own system prompt (`Entry.prompts`) is not among them.

    Args:
        messages: The conversation.
        entry: The template of SpecForge.

    Returns:
        (messages, what was left out, a sentence each).

    Raises:
        InputError: The parser fails on the messages.
    """
    if entry.parser == HARMONY:
        roles = dict.fromkeys(str(m["role"]) for m in messages if m["role"] not in HARMONY_ROLES)
        if roles:
            raise InputError(
                f"SpecForge's parser for {entry.name} has no role {' or '.join(roles)} and stops "
                f"at such a row; it expects {', '.join(HARMONY_ROLES[3:])}, or text that is "
                "rendered already, which is shown here."
            )
        return [dict(m) for m in messages], ()
    notes, chat = [], [dict(m, content=m.get("content") or "") for m in messages]
    first = (
        [{"role": "system", "content": chat.pop(0)["content"]}] if _role(chat) == "system" else []
    )
    while chat and _role(chat) != "user":
        notes.append(f"A turn of the role {_role(chat)} before the first user turn is left out.")
        chat.pop(0)
    after = {"tool": ("assistant", "tool"), "assistant": ("user", "tool")}
    for i in range(1, len(chat)):
        role, before = chat[i]["role"], chat[i - 1]["role"]
        if before not in after.get(role, (before,)):
            notes.append(
                f"The conversation is cut before a turn of the role {role} that follows one of the "
                f"role {before}."
            )
            del chat[i:]
            break
    keys = (*KEPT, *MORE) if entry.parser == "thinking" else KEPT
    chat = [_calls({key: m[key] for key in keys if key in m}) for m in chat]
    return first + chat, tuple(dict.fromkeys(notes))


def _role(chat: Sequence[Mapping[str, Any]]) -> str:
    return str(chat[0]["role"]) if chat else ""


def _calls(message: dict[str, Any]) -> dict[str, Any]:
    """Tool calls reduced to id, type, name and arguments, which are parsed where they are JSON."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    reduced = []
    for call in calls:
        function = call.get("function", {})
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            text, arguments = arguments, {}
            with suppress(ValueError):
                arguments = json_text.loads(text)
        reduced.append(
            {
                "id": call.get("id", ""),
                "type": call.get("type", "function"),
                "function": {"name": function.get("name", ""), "arguments": arguments},
            }
        )
    return {**message, "tool_calls": reduced}


def compare_loss(
    template: ChatTemplate,
    reading: Reading,
    entry: SpecForgeTemplate,
    messages: Messages | None = None,
    tools: list[Any] | None = None,
) -> LossComparison:
    """What SpecForge trains on of a conversation, and how that differs from what is counted.

    Args:
        template: The chat template.
        reading: The conversation as it is counted.
        entry: The template of SpecForge.
        messages: The conversation; None where it was text that was already rendered.
        tools: Tool definitions, None without any.

    Returns:
        Text, ranges with loss, and differences.
    """
    text, notes = reading.text, ()
    if messages is not None:
        try:
            chat, notes = parser_messages(messages, entry)
            text = template.render(chat, tools)
            thoughts = [thought for m in messages if (thought := reasoning_of(m).strip())]
            if any(thought in reading.text and thought not in text for thought in thoughts):
                notes = (*notes, "Reasoning is not given to the chat template, so it has no loss.")
            if entry.parser != "thinking" and _lacks_names(template, messages, text, tools):
                notes = (
                    *notes,
                    "Names and ids of tool results are not given to the chat template.",
                )
            if text != reading.text and not notes:
                notes = (_other_text(text, reading.text),)
        except InputError as error:
            notes = (str(error),)
    masks = _differences(reading.text, reading.spans, entry)
    return LossComparison(
        entry, text, loss_spans(text, entry), tuple(dict.fromkeys((*notes, *masks)))
    )


def grouped_differences(
    results: Iterable[LossComparison],
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The differences of several templates, those with the same differences together.

    Args:
        results: Results of `compare_loss`.

    Returns:
        (names of the templates, differences, a sentence each); templates without differences are
        left out.
    """
    sentences_by_name: dict[str, dict[str, None]] = {}
    for result in results:
        differences = dict.fromkeys(result.differences)
        sentences_by_name.setdefault(result.entry.name, {}).update(differences)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, sentences in sentences_by_name.items():
        groups.setdefault(tuple(sentences), []).append(name)
    return [(tuple(names), sentences) for sentences, names in groups.items() if sentences]


def _lacks_names(
    template: ChatTemplate, messages: Messages, text: str, tools: list[Any] | None
) -> bool:
    """Whether the template writes something else when tool results keep their names and ids."""
    if not any(message["role"] == "tool" for message in messages):
        return False
    dropped = (*REASONING, "weight")
    plain = [{k: v for k, v in m.items() if k not in dropped} for m in messages]
    chat, _ = parser_messages(plain, BY_NAME["qwen3-thinking"])  # a parser that keeps them
    return template.render(chat, tools) != text


def _other_text(trained_text: str, counted_text: str) -> str:
    """The sentence for two texts of a conversation, with the place where they part."""
    pairs = enumerate(itertools.zip_longest(trained_text, counted_text))
    at = next(i for i, (one, other) in pairs if one != other)
    trained_part, counted_part = (
        _code(text[max(0, at - SHOWN // 4) :][:SHOWN]) for text in (trained_text, counted_text)
    )
    return f"SpecForge writes {trained_part} where the text that counts has {counted_part}."


def _differences(text: str, counted: Sequence[Span], entry: SpecForgeTemplate) -> list[str]:
    """How loss and counted ranges of one text differ, a sentence per kind of difference."""
    loss, sentences = loss_spans(text, entry), []
    uncounted, without_loss = subtract_spans(loss, counted), subtract_spans(counted, loss)
    blank = [span for span in uncounted if not text[slice(*span)].strip()]
    if blank:
        sentences.append(
            "The newline after the stop token has loss; the model does not generate it."
        )
    if after_turn := [
        s for s in uncounted if s not in blank and any(s[0] == end for _, end in counted)
    ]:
        sentences.append(
            f"Loss goes on behind a counted turn, up to {_code(entry.end)}: over "
            f"{_quoted(text, after_turn)}."
        )
    if elsewhere := [span for span in uncounted if span not in blank and span not in after_turn]:
        sentences.append(f"{_quoted(text, elsewhere)} has loss and is not counted.")
    ignored = _ignored_spans(text, entry)
    if removed := [s for s in without_loss if not subtract_spans([s], ignored)]:
        sentences.append(
            f"{_quoted(text, removed)} is counted and has no loss: the trainer ignores it."
        )
    if whole_turns := [s for s in without_loss if s in counted and s not in removed]:
        sentences.append(
            f"A turn that does not begin with {_code(entry.header)} has no loss: "
            f"{_quoted(text, whole_turns)}."
        )
    if remaining := [s for s in without_loss if s not in removed and s not in whole_turns]:
        sentences.append(f"{_quoted(text, remaining)} is counted and has no loss.")
    return sentences


def _quoted(text: str, spans: Sequence[Span]) -> str:
    """The different texts of some ranges, shortened."""
    texts = list(dict.fromkeys(text[start:end] for start, end in spans))
    shown = [_code(text) for text in texts[:2]]
    return ", ".join([*shown, *(["…"] if len(texts) > 2 else [])])


def _code(text: str) -> str:
    """A text in quotes on one line, at most `SHOWN` characters of it."""
    line = text.replace("\n", "\\n")
    short = line if len(line) <= SHOWN else f"{line[: SHOWN // 2]} … {line[-SHOWN // 2 :]}"
    return f'"{short}"'


def subtract_spans(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Subtract ranges from ranges.

    Args:
        spans: Character ranges.
        others: The ranges to remove.

    Returns:
        What is left, without empty ranges.
    """
    left = list(spans)
    for start, end in others:
        left = [
            piece
            for a, b in left
            for piece in ((a, min(b, start)), (max(a, end), b))
            if piece[0] < piece[1]
        ]
    return left
