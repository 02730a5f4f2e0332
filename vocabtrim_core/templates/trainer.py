"""What SpecForge gives loss to, beside what is counted.

SpecForge finds an answer's text by one regular expression per template, between a header and an end
token, and takes out the texts it ignores. Its parsers prepare the messages too: they leave out
fields, and cut conversations whose turns do not follow each other as they expect. Both are said
here in our own words and checked against SpecForge's code in tests; nothing of SpecForge is
imported.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.format import conversation
from vocabtrim_core.templates.forms import REASONING, reasoning_of
from vocabtrim_core.templates.spans import Span
from vocabtrim_core.templates.trainer_data import BY_NAME, ENTRIES, HARMONY, Entry
from vocabtrim_core.templates.turns import USUAL

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate, Reading
    from vocabtrim_core.templates.render import Messages

__all__ = [
    "BY_NAME",
    "ENTRIES",
    "Entry",
    "Trained",
    "given",
    "matching",
    "trained",
    "trained_spans",
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
class Trained:
    """A conversation as SpecForge trains on it.

    text: what it renders, where its parser can take the messages, else the text that is counted.
    spans: of it, what has loss.  differences: from what is counted, a sentence each.
    """

    entry: Entry
    text: str
    spans: list[Span]
    differences: tuple[str, ...]


def matching(template: ChatTemplate) -> tuple[Entry, ...]:
    """The templates of SpecForge whose header opens the answers of this chat template and whose end
    token it writes, the closest first; none where SpecForge has no such template."""
    try:
        text = template.render(conversation("uaua"))
        opening = template.finder.prompt(USUAL) or template.header
    except InputError:
        return ()
    fitting = [
        entry
        for entry in ENTRIES
        if opening.startswith(entry.header.rstrip(" "))
        and (entry.pattern == "longcat" or entry.parser == HARMONY or entry.end.strip() in text)
    ]

    def distance(entry: Entry) -> tuple[int, bool]:
        return -len(entry.header), (entry.parser == "thinking") != template.reasoning

    return tuple(sorted(fitting, key=distance))


def trained_spans(text: str, entry: Entry) -> list[Span]:
    """Character ranges of a rendered text that have loss, ascending."""
    found = [match.span(1) for match in _pattern(entry).finditer(text)]
    ignored = [m.span() for each in entry.ignored for m in re.finditer(re.escape(each), text)]
    return minus(found, ignored)


@functools.lru_cache
def _pattern(entry: Entry) -> re.Pattern[str]:
    """Group 1 is what has loss. `$` also stands before a newline at the very end of the text."""
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


def given(messages: Messages, entry: Entry) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The messages that the entry's parser gives to the chat template, and what it leaves out.

    InputError where it fails on them. Its own system prompt (`Entry.prompts`) is not among them.
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
    said, chat = [], [dict(m, content=m.get("content") or "") for m in messages]
    first = (
        [{"role": "system", "content": chat.pop(0)["content"]}] if _role(chat) == "system" else []
    )
    while chat and _role(chat) != "user":
        said.append(f"A turn of the role {_role(chat)} before the first user turn is left out.")
        chat.pop(0)
    after = {"tool": ("assistant", "tool"), "assistant": ("user", "tool")}
    for i in range(1, len(chat)):
        role, before = chat[i]["role"], chat[i - 1]["role"]
        if before not in after.get(role, (before,)):
            said.append(
                f"The conversation is cut before a turn of the role {role} that follows one of the "
                f"role {before}."
            )
            del chat[i:]
            break
    keys = (*KEPT, *MORE) if entry.parser == "thinking" else KEPT
    chat = [_calls({key: m[key] for key in keys if key in m}) for m in chat]
    return first + chat, tuple(dict.fromkeys(said))


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
                arguments = json.loads(text)
        reduced.append(
            {
                "id": call.get("id", ""),
                "type": call.get("type", "function"),
                "function": {"name": function.get("name", ""), "arguments": arguments},
            }
        )
    return {**message, "tool_calls": reduced}


def trained(
    template: ChatTemplate,
    reading: Reading,
    entry: Entry,
    messages: Messages | None = None,
    tools: list[Any] | None = None,
) -> Trained:
    """What SpecForge trains on of a conversation that was read, and how that differs.

    messages: of the conversation; None where it was text that is rendered already.
    """
    text, said = reading.text, ()
    if messages is not None:
        try:
            chat, said = given(messages, entry)
            text = template.render(chat, tools)
            thoughts = [thought for m in messages if (thought := reasoning_of(m).strip())]
            if any(each in reading.text and each not in text for each in thoughts):
                said = (*said, "Reasoning is not given to the chat template, so it has no loss.")
            if entry.parser != "thinking" and _lacks_names(template, messages, text, tools):
                said = (*said, "Names and ids of tool results are not given to the chat template.")
        except InputError as error:
            said = (str(error),)
    masks = _differences(reading.text, reading.spans, entry)
    return Trained(entry, text, trained_spans(text, entry), tuple(dict.fromkeys((*said, *masks))))


def warnings_of(found: Iterable[Trained]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(templates of SpecForge, how each of them differs from what is counted), those that differ;
    templates that differ in the same way stand together."""
    said: dict[str, dict[str, None]] = {}
    for each in found:
        said.setdefault(each.entry.name, {}).update(dict.fromkeys(each.differences))
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, sentences in said.items():
        groups.setdefault(tuple(sentences), []).append(name)
    return [(tuple(names), sentences) for sentences, names in groups.items() if sentences]


def _lacks_names(
    template: ChatTemplate, messages: Messages, text: str, tools: list[Any] | None
) -> bool:
    """The template writes something else when tool results keep what names their calls."""
    if not any(message["role"] == "tool" for message in messages):
        return False
    dropped = (*REASONING, "weight")
    plain = [{k: v for k, v in m.items() if k not in dropped} for m in messages]
    chat, _ = given(plain, BY_NAME["qwen3-thinking"])  # a parser that keeps them
    return template.render(chat, tools) != text


def _differences(text: str, counted: Sequence[Span], entry: Entry) -> list[str]:
    """How loss and counted ranges of one text differ, a sentence per kind of difference."""
    loss, said = trained_spans(text, entry), []
    more, less = minus(loss, counted), minus(counted, loss)
    blank = [span for span in more if not text[slice(*span)].strip()]
    if blank:
        said.append("The newline after the stop token has loss; the model does not generate it.")
    if behind := [s for s in more if s not in blank and any(s[0] == end for _, end in counted)]:
        said.append(
            f"Loss goes on behind a counted turn, up to {_code(entry.end)}: over "
            f"{_quoted(text, behind)}."
        )
    if other := [span for span in more if span not in blank and span not in behind]:
        said.append(f"{_quoted(text, other)} has loss and is not counted.")
    ignored = [m.span() for each in entry.ignored for m in re.finditer(re.escape(each), text)]
    if taken := [s for s in less if not minus([s], ignored)]:
        said.append(f"{_quoted(text, taken)} is counted and has no loss: the trainer ignores it.")
    if whole := [s for s in less if s in counted and s not in taken]:
        said.append(
            f"A turn that does not begin with {_code(entry.header)} has no loss: "
            f"{_quoted(text, whole)}."
        )
    if rest := [s for s in less if s not in taken and s not in whole]:
        said.append(f"{_quoted(text, rest)} is counted and has no loss.")
    return said


def _quoted(text: str, spans: Sequence[Span]) -> str:
    """The different texts of some ranges, shortened."""
    texts = list(dict.fromkeys(text[start:end] for start, end in spans))
    shown = [_code(each) for each in texts[:2]]
    return ", ".join([*shown, *(["…"] if len(texts) > 2 else [])])


def _code(text: str) -> str:
    """A text in quotes on one line, at most `SHOWN` characters of it."""
    line = text.replace("\n", "\\n")
    short = line if len(line) <= SHOWN else f"{line[: SHOWN // 2]} … {line[-SHOWN // 2 :]}"
    return f'"{short}"'


def minus(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What of some ranges is in none of the others; no empty ranges."""
    left = list(spans)
    for start, end in others:
        left = [
            piece
            for a, b in left
            for piece in ((a, min(b, start)), (max(a, end), b))
            if piece[0] < piece[1]
        ]
    return left
