"""The chat template of a tokenizer, probed by rendering and never recognised by a model's name."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.templates.fast_path_probe import prove
from vocabtrim_core.templates.format import (
    THOUGHT,
    TemplateFormat,
    conversation,
    probe_format,
)
from vocabtrim_core.templates.forms import probe_call_forms
from vocabtrim_core.templates.presets import NAMED, NamedTemplate
from vocabtrim_core.templates.probe_cache import stored_or_probed
from vocabtrim_core.templates.probe_markers import probe_markers, unsure_kinds
from vocabtrim_core.templates.render import Renderer
from vocabtrim_core.templates.spans import SPAN_ENDS
from vocabtrim_core.templates.stop_tokens import TOOLS, probe_opening, probe_stops
from vocabtrim_core.templates.turns import MARKUP, TurnFinder
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts

__all__ = ["NAMED", "SPAN_ENDS", "NamedTemplate", "resolve_template", "template_of"]

MARKS_MISS = (
    "The template's {% generation %} marks miss assistant text; the turns are found without them."
)


def resolve_template(
    tokenizer: Tokenizer, name: str = "auto", span_end: str = "stop"
) -> ChatTemplate:
    """The tokenizer's own template or a named one, probed with this tokenizer.

    Args:
        tokenizer: The tokenizer.
        name: "auto" for the tokenizer's own template, or a name of `NAMED`.
        span_end: Where a turn ends, one of `SPAN_ENDS`.

    Returns:
        The template.

    Raises:
        InputError: There is no such template or span end, or the assistant's turns cannot be found.
    """
    if span_end not in SPAN_ENDS:
        raise InputError(f"There is no span end {span_end}; choose one of {', '.join(SPAN_ENDS)}.")
    return _resolve(tokenizer, name, span_end)


def template_of(counts: TokenCounts, tokenizer: Tokenizer) -> ChatTemplate | None:
    """The chat template with which counts were made.

    Args:
        counts: The counts.
        tokenizer: The tokenizer with which they were made.

    Returns:
        The template; None where the tokenizer no longer has it.
    """
    name = counts.provenance.template
    try:
        return resolve_template(tokenizer, name if name in NAMED else "auto")
    except InputError:
        return None


@functools.lru_cache(maxsize=8)
def _resolve(tokenizer: Tokenizer, name: str, span_end: str) -> ChatTemplate:
    return stored_or_probed(tokenizer, name, span_end, lambda: _probed(tokenizer, name, span_end))


def _probed(tokenizer: Tokenizer, name: str, span_end: str) -> ChatTemplate:
    if name in NAMED:
        template = _named(tokenizer, name, NAMED[name])
    elif name != "auto":
        raise InputError(f"There is no chat template {name}; choose auto or {', '.join(NAMED)}.")
    elif not tokenizer.chat_template:
        raise InputError(
            f"The tokenizer {tokenizer.name} has no chat template; "
            f"choose a named template: {', '.join(NAMED)}."
        )
    else:
        template = _own_or_for_tools(tokenizer, tokenizer.chat_template)
        if tokenizer.tool_template and tokenizer.tool_template != tokenizer.chat_template:
            with_tools = _own(tokenizer, tokenizer.tool_template, TOOLS)
            template = replace(template, with_tools=replace(with_tools, span_end=span_end))
    template = replace(template, span_end=span_end, unsure=unsure_kinds(template))
    if template.needs_tools:
        return template
    return replace(template, fast_path=prove(template, tokenizer))


def _own_or_for_tools(tokenizer: Tokenizer, jinja: str) -> ChatTemplate:
    """The tokenizer's jinja, also where it renders nothing without tools."""
    try:
        return _own(tokenizer, jinja)
    except InputError:
        with suppress(InputError):
            return replace(_own(tokenizer, jinja, TOOLS), needs_tools=True)
        raise


def _own(tokenizer: Tokenizer, jinja: str, tools: Sequence[Any] = ()) -> ChatTemplate:
    """The tokenizer's jinja, given contents as lists of parts where it does not take plain text.

    Args:
        tokenizer: The tokenizer.
        jinja: Source of the template.
        tools: Tools to probe with, where every conversation has tools.

    Returns:
        The template.

    Raises:
        InputError: The assistant's turns cannot be found.
    """
    display_name = "The tokenizer's chat template"
    renderer = Renderer(jinja, tokenizer.special_tokens, tools=(*tools,), name=display_name)
    try:
        shape = probe_format(renderer)
    except InputError as error:
        renderer = replace(renderer, parts=True)
        try:
            shape = probe_format(renderer)
        except InputError:
            raise error from None  # the message about plain text is the more useful one
    template = _template(tokenizer, "tokenizer", renderer, shape)
    if template.masks and not _finds_turns(template):
        renderer = replace(renderer, marks=False)
        template = _template(tokenizer, "tokenizer", renderer, probe_format(renderer))
        template = replace(template, warnings=(MARKS_MISS,))
    if not _finds_turns(template):
        raise InputError(
            f"The assistant's part cannot be found in what the chat template of {tokenizer.name} "
            f"writes; choose a named template: {', '.join(NAMED)}."
        )
    return template


def _named(tokenizer: Tokenizer, name: str, entry: NamedTemplate) -> ChatTemplate:
    """One of our templates, with a warning where its markers are no tokens of this tokenizer."""
    renderer = Renderer(entry.jinja, tokenizer.special_tokens, name=name)
    shape = replace(
        probe_format(renderer),
        user_header=entry.user_header,
        end_of_turn=entry.end_of_turn,
        last_end=entry.end_of_turn,
    )
    shape = replace(shape, headers=(entry.header, *shape.headers[1:]))
    template = _template(tokenizer, name, renderer, shape)
    markers = MARKUP.findall(entry.header + entry.end_of_turn)
    missing = [m for m in dict.fromkeys(markers) if tokenizer.backend.token_to_id(m) is None]
    if missing:
        warning = (
            f"{', '.join(missing)}: markers of the template {name} that are no tokens of "
            f"{tokenizer.name}; they are counted as ordinary text."
        )
        template = replace(template, warnings=(warning,))
    return template


def _template(
    tokenizer: Tokenizer, name: str, renderer: Renderer, shape: TemplateFormat
) -> ChatTemplate:
    renderer = replace(renderer, call_forms=probe_call_forms(renderer.text_unconverted))
    stops = probe_stops(renderer, tokenizer)
    opening = probe_opening(renderer)
    header = "" if opening.answers else shape.opening
    finder = TurnFinder(renderer, stops.tokens, opening.answers, header, opening.trailer)
    specials = tuple(text for text in tokenizer.specials.values() if text)
    return ChatTemplate(
        name=name,
        renderer=renderer,
        finder=finder,
        markers=probe_markers(finder, shape, stops, specials),
        user_header=shape.user_header,
        ends=tuple(dict.fromkeys(filter(None, (shape.end_of_turn, shape.last_end)))),
        thought_channel=_thought_channel(renderer, finder) if shape.reasoning else None,
        preamble=shape.preamble,
        trims=shape.trims,
        masks=renderer.has_marks,
        alternates=shape.alternates,
        drops_thinking=shape.drops_thinking,
        reasoning=shape.reasoning,
    )


def _thought_channel(renderer: Renderer, finder: TurnFinder) -> tuple[str, str] | None:
    """What opens and closes reasoning inside a turn, where that is no <think> block."""
    plain, thoughtful = conversation("ua"), conversation("ua")
    thoughtful[1]["reasoning_content"] = THOUGHT
    turn_texts = []
    for chat in (plain, thoughtful):
        rendered = renderer.render(chat)
        turns = finder.turns(rendered)
        turn_texts.append(rendered.text[turns[0].start : turns[0].tail] if turns else "")
    without, with_thought = turn_texts
    if not without or THOUGHT not in with_thought or not with_thought.endswith(without):
        return None
    opening, closing = with_thought.removesuffix(without).split(THOUGHT)
    return (opening, closing) if opening and closing and "<think>" not in opening else None


def _finds_turns(template: ChatTemplate) -> bool:
    """Whether both answers of a conversation are in turns, and no other message is."""
    chat = conversation("uaua")
    text, spans = template.spans(chat, "content")
    turn_texts = [text[start:end] for start, end in spans]
    contents = [[m["content"] for m in chat if m["content"] in turn] for turn in turn_texts]
    # The template may write a marked text of its own after the last answer.
    return contents[:2] == [[chat[1]["content"]], [chat[3]["content"]]] and not any(contents[2:])
