"""The chat template of a tokenizer, its own or a named one, and where it writes the assistant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabtrim_core.templates.definition import generated
from vocabtrim_core.templates.fast_path import FastPath, Frame, strip
from vocabtrim_core.templates.literal_turns import turns_by_definition
from vocabtrim_core.templates.preformatted import Markers
from vocabtrim_core.templates.reading import UNOPENED, Reading, has_zero_weight, lost_content
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
from vocabtrim_core.templates.turns import (
    Turn,
    TurnFinder,
    join_turns,
    turn_with_stop,
    without_lone_stops,
)

if TYPE_CHECKING:
    import pyarrow as pa

UNSURE = "rendered text in which this chat template's markers do not show"
UNREAD = "an answer in rendered text whose header is not written as this chat template writes it"
HEADLESS = "text in rendered text that no header of this chat template opens"
TOOLS_ALONE = (
    "The tokenizer's chat template writes no conversation without tools, and this has none."
)

__all__ = ["RULES", "SPAN_ENDS", "ChatTemplate", "Reading", "Span", "ids_inside", "span_ids"]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How one tokenizer writes conversations, and where the assistant's turns are in the text.

    Attributes:
        name: A name of `NAMED`, or "tokenizer" for the tokenizer's own template.
        renderer: The jinja source and the values that it is given.
        finder: Finds the turns in what the template renders.
        markers: Finds them in text that was rendered before.
        user_header: Text that opens a user turn, for the rule `reference`.
        ends: Texts that close an assistant turn, for the rule `reference`.
        thought_channel: What opens and closes reasoning that is not in a <think> block; None
            without.
        preamble: Text before the first user turn without a system message (a default system
            prompt).
        trims: Whether contents are stripped.
        masks: Whether the template marks assistant text itself, with {% generation %}.
        alternates: Whether only the order user, assistant, user, … is accepted.
        drops_thinking: Whether reasoning of earlier turns is left out.
        reasoning: Whether `reasoning_content` is rendered.
        span_end: Where a turn ends, one of `SPAN_ENDS`.
        literal: Whether turns are found by carrying out the definition, which takes longer.
        warnings: Remarks to show, a sentence each.
        with_tools: The template of conversations with tools, where it is another one.
        needs_tools: Whether the template writes only conversations with tools.
        fast_path: For which contents and role orders no rendering is needed; None before it was
            probed.
        unsure: Kinds of turns that the markers do not find exactly in rendered text.
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
    needs_tools: bool = False
    fast_path: FastPath | None = field(default=None, repr=False)
    unsure: tuple[str, ...] = ()

    @property
    def jinja(self) -> str:
        """The template's source."""
        return self.renderer.jinja

    @property
    def special_tokens(self) -> Mapping[str, str]:
        """The special tokens that the template may write: name such as `bos_token` -> text."""
        return self.renderer.special_tokens

    @property
    def parts(self) -> bool:
        """Whether contents are given as lists of parts."""
        return self.renderer.parts

    @property
    def header(self) -> str:
        """The text that usually precedes an answer."""
        return self.markers.headers[0]

    @property
    def stop_tokens(self) -> tuple[str, ...]:
        """The texts of the tokens that end a turn."""
        return self.finder.stops

    @property
    def fast(self) -> bool:
        """Whether some conversations need no rendering."""
        return self.fast_path is not None and self.fast_path.fast

    @property
    def fingerprint(self) -> str:
        """The sha256 (64 hex digits) of everything that decides the text and its counted ranges."""
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
        """Render a conversation as the model reads it.

        Args:
            messages: The conversation.
            tools: Its tool definitions, None without any.

        Returns:
            The text.

        Raises:
            InputError: The template refuses the conversation.
        """
        return self.for_tools(tools).renderer.text(messages, tools)

    def prompt(self, messages: Messages, tools: list[Any] | None = None) -> str:
        """Render a conversation and the text that opens the assistant's answer.

        Args:
            messages: The conversation.
            tools: Its tool definitions, None without any.

        Returns:
            The text to be sent to the model.

        Raises:
            InputError: The template refuses the conversation.
        """
        chosen = self.for_tools(tools)
        text = chosen.renderer.text(messages, tools, prompt=True)
        if chosen.finder.opens or text.endswith(chosen.header):
            return text  # a user turn may end as answers begin
        return text + chosen.header

    def for_tools(self, tools: list[Any] | None) -> ChatTemplate:
        """The template for a conversation with these tools, as transformers chooses it.

        Args:
            tools: The tool definitions, None without any.

        Returns:
            This template, or the one for conversations with tools.

        Raises:
            RefusedError: There are no tools, and the template is for tools alone.
        """
        if self.needs_tools and not tools:
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
        """Render a conversation and find its counted ranges.

        Args:
            messages: The conversation.
            rule: One of `RULES`.
            reasoning: Whether reasoning counts.
            last_turn_only: Whether only the last assistant turn counts.
            tools: Tool definitions, None without any.

        Returns:
            (text, counted character ranges [start, end), ascending).

        Raises:
            InputError: There is no such rule, the template refuses the conversation, or its turns
                cannot be found.
        """
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
        """Render a conversation, find its counted ranges, and note what is not written.

        Args:
            messages: The conversation.
            rule: One of `RULES`.
            reasoning: Whether reasoning counts.
            last_turn_only: Whether only the last assistant turn counts.
            tools: Tool definitions, None without any.

        Returns:
            Text, ranges and notes.

        Raises:
            InputError: There is no such rule, the template refuses the conversation, or its turns
                cannot be found.
        """
        check_rule(rule)
        chosen = self.for_tools(tools)
        rendered = chosen.renderer.render(messages, tools)
        if rule in ("all", "reference"):
            spans = chosen._by_strings(rendered.text, rule)
            return Reading(
                rendered.text, chosen._narrow(rendered.text, spans, rule, reasoning, last_turn_only)
            )
        turns = chosen.turns(rendered, messages, tools)
        notes = lost_content(rendered, turns, reasoning=reasoning)
        if not chosen.masks and (unopened := chosen.finder.unopened(rendered, turns, tools)):
            notes += ((UNOPENED, unopened),)
        turns = join_turns(turn for turn in turns if not has_zero_weight(messages[turn.message]))
        spans = [span_of(rendered.text, turn, rule, self.span_end) for turn in turns]
        narrowed = chosen._narrow(rendered.text, spans, rule, reasoning, last_turn_only)
        return Reading(rendered.text, narrowed, notes)

    def turns(
        self, rendered: Rendered, messages: Messages, tools: list[Any] | None = None
    ) -> list[Turn]:
        """The assistant turns of a conversation that this template rendered.

        Args:
            rendered: The conversation as this template renders it.
            messages: The conversation.
            tools: Tool definitions, None without any.

        Returns:
            The turns, in order.

        Raises:
            RefusedError: The template is `literal`, and a turn cannot be found.
        """
        turns = None if self.literal else self.finder.turns(rendered, tools)
        if turns is None:
            turns = turns_by_definition(self, rendered, messages, tools)
        if not self.masks:
            return without_lone_stops(rendered.text, turns)
        marked_turns = []
        for start, end in rendered.generated:
            holders = [t.message for t in turns if t.start < end and start < t.tail]
            if rendered.parts and start >= rendered.parts[-1].end:  # after all messages
                last = rendered.parts[-1].message
                holders = [last] if messages[last].get("role") == "assistant" else []
            if holders:
                stopped = turn_with_stop(rendered.text, holders[0], start, end, self.finder.stops)
                marked_turns.append(stopped._replace(end=end, tail=end))
        return marked_turns

    def read_text(
        self, text: str, rule: str, *, reasoning: bool = True, last_turn_only: bool = False
    ) -> Reading:
        """Find the counted ranges of text that is already rendered.

        Args:
            text: The text.
            rule: One of `RULES`.
            reasoning: Whether reasoning counts.
            last_turn_only: Whether only the last assistant turn counts.

        Returns:
            Text and ranges, with a note where the markers miss turns of some kind, or a turn whose
            header is written in another way.

        Raises:
            InputError: There is no such rule.
        """
        spans = self.find_spans(text, rule, reasoning=reasoning, last_turn_only=last_turn_only)
        if rule in ("all", "reference"):
            return Reading(text, spans)
        notes = [(f"{UNSURE} {' and '.join(self.unsure)} exactly", 1)] if self.unsure else []
        if unread := self.markers.unread_headers(text):
            notes.append((UNREAD, unread))
        elif headless := self.markers.without_header(text):
            notes.append((HEADLESS, headless))
        return Reading(text, spans, tuple(notes))

    def find_spans(
        self, text: str, rule: str, *, reasoning: bool = True, last_turn_only: bool = False
    ) -> list[Span]:
        """The counted ranges of text that is already rendered, found by the strings around turns.

        Args:
            text: The text.
            rule: One of `RULES`.
            reasoning: Whether reasoning counts.
            last_turn_only: Whether only the last assistant turn counts.

        Returns:
            Character ranges [start, end), ascending.

        Raises:
            InputError: There is no such rule.
        """
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
        """Spans without empty ones, and where requested only the last one or without reasoning."""
        spans = spans[-1:] if last_turn_only else spans
        if not reasoning:
            spans = without_thoughts(text, spans, rule, self.thought_channel)
        return [(start, end) for start, end in spans if start < end]

    def generated(self, messages: Messages, i: int, tools: list[Any] | None = None) -> str | None:
        """What the model would have generated as one message, by the literal definition.

        Args:
            messages: The conversation.
            i: Index of the message.
            tools: Tool definitions, None without any.

        Returns:
            The text of the turn, with what the template writes after it; None where the two renders
            cannot be compared.

        Raises:
            RefusedError: The template refuses the conversation up to the message.
        """

        def text(beginning: Sequence[Mapping[str, Any]], prompt: bool) -> str:
            return self.renderer.text(beginning, tools, prompt=prompt)

        finder = self.finder
        return generated(text, messages, i, finder.usual_prompt(), finder.trailer)

    def frames(self, rule: str) -> tuple[Frame, Frame]:
        """The ids around the content of a turn that is not rendered.

        Args:
            rule: One of `RULES`.

        Returns:
            (frame of a turn inside a conversation, frame of a turn that is its last message).
        """
        frames = self.fast_path.frames if self.fast_path else {}
        return frames.get(rule, (Frame(), Frame()))

    # --- without rendering ----------------------------------------------------------------------

    def as_rendered(self, contents: pa.LargeStringArray) -> pa.LargeStringArray:
        """Contents as the template writes them: stripped like `str.strip`, or unchanged.

        Args:
            contents: large_string[M].

        Returns:
            large_string[M].
        """
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
        """The conversations that must be rendered to be counted exactly.

        For the others the counted ids are, for each assistant message, those of
        `as_rendered(content)` between the ids of its frame (see `frames`).

        Args:
            roles: string or dictionary[M], as in a MessageBatch without structured messages.
            contents: large_string[M].
            offsets: int64[n+1]; the messages of conversation i are offsets[i]:offsets[i+1].
            rule: One of `RULES`.
            reasoning: Whether reasoning counts.

        Returns:
            bool[n].
        """
        if self.fast_path is None or not self.fast or rule == "all":
            return np.ones(len(offsets) - 1, bool)
        return self.fast_path.rows(
            roles, contents, offsets, rule, trims=self.trims, reasoning=reasoning
        )
