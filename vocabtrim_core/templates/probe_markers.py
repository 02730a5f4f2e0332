"""The strings that separate turns in rendered text, found by probing and checked against probes."""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.format import ASSISTANTS, TOOL, TemplateFormat, conversation
from vocabtrim_core.templates.preformatted import Markers
from vocabtrim_core.templates.stop_tokens import CALL, CALLED, TOOLS, Stops, probes
from vocabtrim_core.templates.turns import MARKUP, TurnFinder

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate


def probe_markers(
    finder: TurnFinder, shape: TemplateFormat, stops: Stops, specials: tuple[str, ...]
) -> Markers:
    """Find the strings that separate turns in text that is already rendered.

    Args:
        finder: The template's turn finder.
        shape: How the template writes turns.
        stops: Its stop tokens.
        specials: Texts of the tokenizer's special tokens.

    Returns:
        The markers, the usual header first.
    """
    # Without a generation prompt, or with marks, all turns begin with the same text.
    same_beginning = finder.renderer.has_marks or not finder.opens
    headers_found = (
        [shape.opening] if same_beginning and shape.opening.strip() else [*shape.headers]
    )
    calling = [*conversation("ua"), *conversation("t")]
    calling[1] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    calling[2] |= {"tool_call_id": CALL["id"], "name": CALLED}
    prompts, results, closings = [], [], []
    for chat in (conversation("u"), conversation("su"), conversation("uat"), calling):
        try:
            rendered = finder.renderer.render(chat)
        except InputError:
            continue
        prompt = finder.prompt(rendered.chat).rstrip(" ")
        prompts.append(prompt)
        if chat is calling and rendered.parts:
            closing = rendered.text[rendered.text.rfind(TOOL) + len(TOOL) : rendered.parts[-1].end]
            units = [unit[0] for unit in MARKUP.finditer(closing)][-1:]
            if not prompt.strip():  # the model's turn continues after a result (Gemma 4)
                results += units
            elif closing.endswith(tuple(units)) and units[0] not in stops.tokens:
                closings += units
    opened = [text for text in dict.fromkeys(prompts) if finder.opens and text.strip()]
    if opened and any(headers_found[0].startswith(header) for header in opened):
        headers_found = opened
    else:
        headers_found += [header for header in opened if header.startswith(headers_found[0])]
    if not same_beginning:
        written = _openings(finder)
        clear = [text for text in written if MARKUP.search(text) or text in finder.usual_prompt()]
        headers_found = [
            *filter(str.strip, clear),
            *opened,
            *(headers_found if len(clear) < len(written) else []),
        ] or headers_found
    headers = tuple(dict.fromkeys((*headers_found, *results)))
    roles = tuple(r for r in stops.roles if r not in headers)
    return Markers(
        headers,
        stops.tokens,
        stops.soft,
        roles,
        specials,
        answer=_before_answer(finder),
        results=tuple(closing for closing in closings if closing not in headers),
        trailer=finder.trailer,
    )


def unsure_kinds(template: ChatTemplate) -> tuple[str, ...]:
    """The kinds of turns that are found elsewhere in rendered text than from the messages.

    Args:
        template: The chat template.

    Returns:
        Some of "tool calls", "reasoning" and "answers".
    """
    kinds: dict[str, None] = {}
    if not template.masks:
        for (chat, calls), tools in itertools.product(probes(), (None, TOOLS)):
            with suppress(InputError):
                text, spans, _ = template.read(chat, "assistant", tools=tools)
                if template.for_tools(tools).find_spans(text, "assistant") != spans:
                    thinks = any("reasoning_content" in message for message in chat)
                    kind = "tool calls" if calls else "reasoning" if thinks else "answers"
                    kinds[kind] = None
    return tuple(kinds)


def _openings(finder: TurnFinder) -> list[str]:
    """The texts in the assistant's parts before their turns, the most frequent first."""
    counts: Counter[str] = Counter()
    for (chat, _), tools in itertools.product(probes(), (None, TOOLS)):
        with suppress(InputError):
            rendered = finder.renderer.render(chat, tools)
            first = {turn.message: turn for turn in reversed(finder.turns(rendered, tools) or [])}
            for message, turn in first.items():
                begins = next(p.start for p in rendered.parts if p.message == message)
                counts[rendered.text[begins : turn.start]] += 1
    return [text for text, _ in counts.most_common()]


def _before_answer(finder: TurnFinder) -> str:
    """The text that a turn without reasoning has before its answer."""
    with suppress(InputError):
        rendered = finder.renderer.render(conversation("ua"))
        for turn in finder.turns(rendered) or []:
            return rendered.text[
                turn.start : rendered.text.find(ASSISTANTS[0], turn.start)
            ].rstrip()
    return ""
