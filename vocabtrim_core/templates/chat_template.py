"""The chat template of a tokenizer: its own or a named one, and where the assistant's part is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabtrim_core.templates.definition import generated
from vocabtrim_core.templates.fast_path import FastPath, Frame, strip
from vocabtrim_core.templates.preformatted import Markers
from vocabtrim_core.templates.reading import Reading, unwritten, weightless
from vocabtrim_core.templates.render import Messages, RefusedError, Rendered, Renderer
from vocabtrim_core.templates.spans import (
    RULES,
    SPAN_ENDS,
    Span,
    check_rule,
    ids_inside,
    reference_spans,
    span_ids,
    span_of,
    without_thoughts,
)
from vocabtrim_core.templates.turns import Turn, TurnFinder, common_start, ended, joined, said

if TYPE_CHECKING:
    import pyarrow as pa

UNSURE = "rendered text in which this chat template's markers do not show"
TOOLS_ALONE = (
    "The tokenizer's chat template writes no conversation without tools, and this has none."
)

__all__ = ["RULES", "SPAN_ENDS", "ChatTemplate", "Reading", "Span", "ids_inside", "span_ids"]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How one tokenizer writes conversations, and where the assistant's part is.

    name: a name of `NAMED`, or "tokenizer" for the tokenizer's own.  renderer: its jinja and what
    that is given.  finder: the turns in what it renders.  markers: the same in text that was
    rendered before.  user_header, ends: what opens a user turn and what closes an assistant's,
    which the rule `reference` goes by.  thought_channel: what opens and closes reasoning that is no
    <think> block.
    preamble: what precedes the first user turn without a system message (a default system prompt).
    trims: contents are stripped.  masks: the template marks assistant text itself.
    alternates: only user, assistant, user, … is accepted.  drops_thinking: thoughts of earlier
    turns are not rendered.  reasoning: `reasoning_content` is rendered.
    span_end: where a turn ends, one of `SPAN_ENDS`.  literal: turns are found by carrying out the
    definition, which takes longer.
    with_tools: the template of conversations that come with tools, where it is another one.
    tools_alone: it writes no others.
    fast_path: for which contents and role orders no rendering is needed.
    unsure: kinds of turns that the markers do not find as they are in rendered text.
    """

    name: str
    renderer: Renderer
    finder: TurnFinder
    markers: Markers
    user_header: str
    ends: tuple[str, ...]
    thought_channel: tuple[str, str] | None
    preamble: str
    trims: bool
    masks: bool
    alternates: bool
    drops_thinking: bool
    reasoning: bool
    span_end: str = "stop"
    literal: bool = False
    warnings: tuple[str, ...] = ()
    with_tools: ChatTemplate | None = field(default=None, repr=False)
    tools_alone: bool = False
    fast_path: FastPath | None = field(default=None, repr=False)
    unsure: tuple[str, ...] = ()

    @property
    def jinja(self) -> str:
        """The template's source."""
        return self.renderer.jinja

    @property
    def special_tokens(self) -> Mapping[str, str]:
        """`bos_token` … -> text, which the template may write."""
        return self.renderer.special_tokens

    @property
    def parts(self) -> bool:
        """Contents are given as lists of parts."""
        return self.renderer.parts

    @property
    def header(self) -> str:
        """The text that usually stands just before an answer."""
        return self.markers.headers[0]

    @property
    def stop_tokens(self) -> tuple[str, ...]:
        """Texts of the tokens that end a turn."""
        return self.finder.stops

    @property
    def fast(self) -> bool:
        """Some conversations need no rendering."""
        return self.fast_path is not None and self.fast_path.fast

    @property
    def fingerprint(self) -> str:
        """sha256 of all that decides which text is rendered and which part of it is counted."""
        decides: list[Any] = [
            self.jinja,
            self.markers.headers,
            self.finder.stops,
            self.markers.roles,
            self.user_header,
            self.ends,
            self.parts,
            self.masks,
            self.span_end,
        ]
        decides.append(self.with_tools.fingerprint if self.with_tools else None)
        text = json.dumps([*decides, sorted(self.special_tokens.items())])
        return hashlib.sha256(text.encode()).hexdigest()

    def render(self, messages: Messages, tools: list[Any] | None = None) -> str:
        """The conversation as the model sees it. InputError where the template refuses it."""
        return self.for_tools(tools).renderer.text(messages, tools)

    def prompt(self, messages: Messages, tools: list[Any] | None = None) -> str:
        """The conversation and what opens the assistant's answer: what is sent to be answered."""
        chosen = self.for_tools(tools)
        text = chosen.renderer.text(messages, tools, prompt=True)
        if chosen.finder.opens or text.endswith(chosen.header):
            return text  # a user turn may end as answers begin
        return text + chosen.header

    def for_tools(self, tools: list[Any] | None) -> ChatTemplate:
        """The template for a conversation with these tools, as transformers chooses it.

        RefusedError for one without tools where it is there for tools alone.
        """
        if self.tools_alone and not tools:
            raise RefusedError(TOOLS_ALONE, TOOLS_ALONE.rstrip("."))
        return self.with_tools if tools and self.with_tools else self

    def spans(
        self,
        messages: Messages,
        rule: str,
        *,
        reasoning: bool = True,
        last_turn_only: bool = False,
        tools: list[Any] | None = None,
    ) -> tuple[str, list[Span]]:
        """Rendered text and its counted character ranges, ascending. InputError where the template
        refuses the conversation or its turns cannot be found."""
        text, spans, _ = self.read(
            messages, rule, reasoning=reasoning, last_turn_only=last_turn_only, tools=tools
        )
        return text, spans

    def read(
        self,
        messages: Messages,
        rule: str,
        *,
        reasoning: bool = True,
        last_turn_only: bool = False,
        tools: list[Any] | None = None,
    ) -> Reading:
        """The same, with what of the conversation the template does not write."""
        check_rule(rule)
        own = self.for_tools(tools)
        rendered = own.renderer.render(messages, tools)
        if rule in ("all", "reference"):
            spans = own._by_strings(rendered.text, rule)
            return Reading(
                rendered.text, own._narrow(rendered.text, spans, rule, reasoning, last_turn_only)
            )
        turns = own.turns(rendered, messages, tools)
        notes = unwritten(rendered, turns, reasoning=reasoning)
        turns = joined(turn for turn in turns if not weightless(messages[turn.message]))
        spans = [span_of(rendered.text, turn, rule, self.span_end) for turn in turns]
        narrowed = own._narrow(rendered.text, spans, rule, reasoning, last_turn_only)
        return Reading(rendered.text, narrowed, notes)

    def turns(
        self, rendered: Rendered, messages: Messages, tools: list[Any] | None = None
    ) -> list[Turn]:
        """The assistant turns of a conversation that this template rendered."""
        turns = None if self.literal else self.finder.turns(rendered, tools)
        if turns is None:
            turns = self._by_definition(rendered, messages, tools)
        if not self.masks:
            return said(rendered.text, turns)
        found = []
        for start, end in rendered.generated:
            holder = [t.message for t in turns if t.start < end and start < t.tail]
            if rendered.parts and start >= rendered.parts[-1].end:  # behind all messages
                last = rendered.parts[-1].message
                holder = [last] if messages[last].get("role") == "assistant" else []
            if holder:
                stopped = ended(rendered.text, holder[0], start, end, self.finder.stops)
                found.append(stopped._replace(end=end, tail=end))
        return found

    def read_text(
        self, text: str, rule: str, *, reasoning: bool = True, last_turn_only: bool = False
    ) -> Reading:
        """Text that is already rendered, with its counted ranges (see `find_spans`); a note where
        turns of some kind are written so that the markers miss them."""
        spans = self.find_spans(text, rule, reasoning=reasoning, last_turn_only=last_turn_only)
        sure = rule in ("all", "reference") or not self.unsure
        kinds = " and ".join(self.unsure)
        return Reading(text, spans, () if sure else ((f"{UNSURE} {kinds} exactly", 1),))

    def find_spans(
        self, text: str, rule: str, *, reasoning: bool = True, last_turn_only: bool = False
    ) -> list[Span]:
        """Counted ranges of text that is already rendered, found by the strings around turns."""
        check_rule(rule)
        if rule in ("all", "reference"):
            spans = self._by_strings(text, rule)
        else:
            turns = self.markers.turns(text)
            spans = [span_of(text, turn, rule, self.span_end) for turn in turns]
        return self._narrow(text, spans, rule, reasoning, last_turn_only)

    def _by_strings(self, text: str, rule: str) -> list[Span]:
        if rule == "all":
            return [(0, len(text))]
        return reference_spans(text, self.markers.headers, self.ends, self.user_header)

    def _narrow(
        self, text: str, spans: list[Span], rule: str, reasoning: bool, last_turn_only: bool
    ) -> list[Span]:
        """Spans, the last one alone or without thoughts where that is asked for; no empty ones."""
        spans = spans[-1:] if last_turn_only else spans
        if not reasoning:
            spans = without_thoughts(text, spans, rule, self.thought_channel)
        return [(start, end) for start, end in spans if start < end]

    def _by_definition(
        self, rendered: Rendered, messages: Messages, tools: list[Any] | None
    ) -> list[Turn]:
        """Turns of a template whose messages leave no part of their own: rendered one by one.

        A turn stands where the full text begins as the prompt before it and goes on as the text up
        to it does.
        """
        text, found = rendered.text, []
        for i, message in enumerate(messages):
            if message.get("role") != "assistant":
                continue
            try:
                own = self.generated(messages, i, tools)
                whole = self.renderer.text(messages[: i + 1], tools)
                whole = whole.removesuffix(self.finder.trailer)
            except RefusedError:  # such as an answer to nothing
                own = whole = None
            if own is None or whole is None:
                found += self._opened_as_usual(i, rendered, tools) or self._lose(i)
                continue
            start = len(common_start(whole.removesuffix(own), text))
            tail = len(common_start(whole, text))
            if not text[start:tail].strip():
                # Written anew in the whole, as its own part says.
                part = [] if self.literal else self.finder.turns_of(i, rendered, tools)
                found += part or self._lose(i)
                continue
            found.append(ended(text, i, start, tail, self.finder.stops))
        return found

    def _opened_as_usual(self, i: int, rendered: Rendered, tools: list[Any] | None) -> list[Turn]:
        """The part of a message that the definition says nothing about, such as an answer to
        nothing, where it begins as answers do."""
        part = [] if self.literal else self.finder.turns_of(i, rendered, tools)
        before = rendered.text[: part[0].start].rstrip() if part else ""
        return part if self.header.strip() and before.endswith(self.header.rstrip()) else []

    def _lose(self, i: int) -> list[Turn]:
        """A turn that is written as another role's, or not at all, is noted as lost; where nothing
        but the definition is believed, the conversation is left out."""
        if self.literal:
            why = "cannot be found in what the chat template writes"
            raise RefusedError(
                f"The part of message {i + 1} (role assistant) {why}; choose a named template.",
                f"a turn {why}",
            )
        return []

    def generated(self, messages: Messages, i: int, tools: list[Any] | None = None) -> str | None:
        """What the model would have generated as message i, by the definition carried out
        literally, and what the template writes after it; None where that cannot be compared."""

        def text(some: Sequence[Mapping[str, Any]], prompt: bool) -> str:
            return self.renderer.text(some, tools, prompt=prompt)

        finder = self.finder
        return generated(text, messages, i, finder.usual_prompt(), finder.trailer)

    def frames(self, rule: str) -> tuple[Frame, Frame]:
        """Ids around the content of a turn that is not rendered: inside a conversation, and where
        it is the last message."""
        proved = self.fast_path.frames if self.fast_path else {}
        return proved.get(rule, (Frame(), Frame()))

    # --- without rendering ----------------------------------------------------------------------

    def needs_rendering(self, content: str, *, reasoning: bool = True) -> bool:
        """Is the fast path not proved for this assistant content?"""
        import pyarrow as pa

        contents = pa.array([content], pa.large_string())
        return bool(self.needs_rendering_mask(contents, reasoning=reasoning)[0])

    def needs_rendering_mask(
        self, contents: pa.LargeStringArray, *, reasoning: bool = True
    ) -> np.ndarray:
        """bool[M]: assistant contents for which the fast path is not proved."""
        if self.fast_path is None or not self.fast:
            return np.ones(len(contents), bool)
        return self.fast_path.unproved(contents, trims=self.trims, reasoning=reasoning)

    def as_rendered(self, contents: pa.LargeStringArray) -> pa.LargeStringArray:
        """Contents as the template writes them: stripped like str.strip, or as they are."""
        return strip(contents) if self.trims else contents

    def rendering_rows(
        self,
        roles: pa.Array,
        contents: pa.LargeStringArray,
        offsets: np.ndarray,
        rule: str,
        *,
        reasoning: bool = True,
    ) -> np.ndarray:
        """bool[n]: conversations that must be rendered to be counted exactly under `rule`.

        For the others the counted ids are, per assistant message, encode(as_rendered(content))
        between the ids of its frame (`FastPath.frame`).
        roles[M], contents[M], offsets int64[n+1] as in a MessageBatch without structured messages.
        """
        if self.fast_path is None or not self.fast or rule == "all":
            return np.ones(len(offsets) - 1, bool)
        return self.fast_path.rows(
            roles, contents, offsets, rule, trims=self.trims, reasoning=reasoning
        )
