"""What the model would have generated, turn by turn, in one render of a conversation.

A counted span is defined once: for each assistant turn, the text that the target would have
generated after the generation prompt at that point, up to and including the token it stops with.
So: render the messages before the turn with the generation prompt, and render them with the turn;
what the second adds to the first is the turn, less what the template writes after the stop token.
`definition` does exactly that, and the turns found here are checked against it.

Rendering every beginning of a conversation takes time with the square of its length. Here it is
rendered once: `instrument` gives the message that wrote each part of the text, the generation
prompt at each point follows from the messages around it, and the stop tokens come from probes.
Where a template rewrites earlier turns (Qwen 3 drops their reasoning), a turn is its part of this
full render, which is the text that is trained on.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.forms import reasoning_of
from vocabtrim_core.templates.instrument import MessagePart
from vocabtrim_core.templates.render import Messages, Rendered, Renderer

# A piece of markup is one unit in rendered text: no boundary is inside it.
MARKUP = re.compile(r"<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\]")
USUAL = ({"role": "user", "content": "Quartz asks once"},)  # the messages before most answers
CALLED = "Wulfenite"
CALL: dict[str, Any] = {
    "id": "abcdefghi",
    "type": "function",
    "function": {"name": CALLED, "arguments": {CALLED: CALLED}},
}
CALLING = "stop of calls"  # key of the cached stop token
CONTEXT = 3  # messages whose roles decide the opening of an answer
LONGEST_ENDING = 256  # characters at the end of a turn that are searched for its stop token


class Turn(NamedTuple):
    """An assistant turn in rendered text, as character offsets.

    Attributes:
        message: Index of its message in the conversation, -1 in text that was rendered before.
        start: After the generation prompt.
        stop: Where the stop token begins; `end` without one.
        end: After the stop token.
        tail: After what the template writes after that.
    """

    message: int
    start: int
    stop: int
    end: int
    tail: int


@dataclass(frozen=True, slots=True)
class TurnFinder:
    """Finds the turns in the text of one template.

    Attributes:
        renderer: The template.
        stops: Texts of the tokens with which a turn ends.
        opens: Whether the template writes a generation prompt, on request or always.
        header: Text before an answer where it writes none.
        trailer: Text after every conversation.
    """

    renderer: Renderer
    stops: tuple[str, ...]
    opens: bool
    header: str
    trailer: str = ""
    _prompts: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False, compare=False)

    def turns(self, rendered: Rendered, tools: list[Any] | None = None) -> list[Turn] | None:
        """The assistant turns of a rendered conversation that have text.

        Args:
            rendered: The rendered conversation.
            tools: Tool definitions, None without any.

        Returns:
            The turns, in order; None where an assistant message has no single part in the text.
        """
        turns: list[Turn] = []
        for i, message in enumerate(rendered.chat):
            if message.get("role") != "assistant":
                continue
            if not (message_turns := self.turns_of(i, rendered, tools)):
                return None
            turns += message_turns
        return turns

    def turns_of(self, i: int, rendered: Rendered, tools: list[Any] | None = None) -> list[Turn]:
        """The turn of one message, in pieces where results of tools are inside it.

        Args:
            i: Index of the message.
            rendered: The rendered conversation.
            tools: Tool definitions, None without any.

        Returns:
            The pieces; none where the message has no part of its own.
        """
        chat, text = rendered.chat, rendered.text
        parts = [p for p in rendered.parts if p.message == i and text[p.start : p.end].strip()]
        if not parts or not _apart_by_later(parts, rendered.parts):
            return []
        starts = [self._start(text, parts[0], chat, i, tools), *(part.start for part in parts[1:])]
        turns = [
            turn_with_stop(text, i, at, p.end, self.stops)
            for at, p in zip(starts, parts, strict=True)
        ]
        return [self._stopped_by_result(text, turn, chat, i) for turn in turns]

    def unopened(
        self, rendered: Rendered, turns: Sequence[Turn], tools: list[Any] | None = None
    ) -> int:
        """The number of answers to a user that no part of the generation prompt is written before.

        DeepSeek V3 writes calls so where they follow a second question.

        Args:
            rendered: The rendered conversation.
            turns: Its assistant turns.
            tools: Tool definitions, None without any.

        Returns:
            The number of turns.
        """
        chat, starts = rendered.chat, {p.message: p.start for p in reversed(rendered.parts)}
        first = {turn.message: turn for turn in reversed(turns)}
        count = 0
        for i, turn in first.items():
            asked = [j for j in range(i) if chat[j].get("role") != "system"][-1:]
            if not asked or chat[asked[0]].get("role") != "user" or asked[0] not in starts:
                continue
            opening = self.prompt(chat[:i], tools).strip()
            before = rendered.text[starts[asked[0]] : turn.start]
            pieces = MARKUP.findall(opening) or [opening]
            count += not any(piece in before for piece in pieces)
        return count

    def _stopped_by_result(self, text: str, turn: Turn, chat: Messages, i: int) -> Turn:
        """Add the stop token where the next message's part begins with it.

        Gemma 4 writes <|tool_response> there.

        Args:
            text: The rendered text.
            turn: The turn.
            chat: The messages.
            i: Index of the turn's message.

        Returns:
            The turn, with its stop token where there is one.
        """
        stop = self._stop_of_calls() if "tool_calls" in chat[i] and turn.stop == turn.end else ""
        if not stop or not text.startswith(stop, turn.tail):
            return turn
        end = turn.tail + len(stop)
        return turn._replace(stop=turn.tail, end=end, tail=end)

    def _stop_of_calls(self) -> str:
        """The stop token of a call that is the last message; "" where none is written."""
        if CALLING not in self._prompts:
            stop = ""
            with suppress(InputError):  # a template without tools
                calling = {"role": "assistant", "tool_calls": [CALL]}
                rendered = self.renderer.render([*USUAL, calling])
                if parts := [p for p in rendered.parts if p.message == len(USUAL)]:
                    turn = turn_with_stop(
                        rendered.text, 0, parts[-1].start, parts[-1].end, self.stops
                    )
                    stop = rendered.text[turn.stop : turn.end]
            self._prompts[CALLING] = stop, stop
        return self._prompts[CALLING][0]

    def usual_prompt(self) -> str:
        """The text that opens an answer to a user."""
        return self.prompt(USUAL)

    def prompt(self, chat: Messages, tools: list[Any] | None = None) -> str:
        """The text that the template writes after some messages to open an answer.

        Args:
            chat: The messages.
            tools: Tool definitions, None without any.

        Returns:
            The text.
        """
        after_last, added = self._openings(chat, tools)
        return added if added.strip() else after_last

    def _openings(self, chat: Messages, tools: list[Any] | None) -> tuple[str, str]:
        """The text after the last message on request of an answer, and what the request adds.

        The other part may belong to the answer's part of the text (DeepSeek closes tool results
        there) or not (an instruction after all messages).

        Args:
            chat: The messages.
            tools: Tool definitions, None without any.

        Returns:
            (text after the last message, what is added on request).
        """
        if not self.opens:
            return self.header, self.header
        last = chat[-1] if chat else {}
        roles = [str(message.get("role")) for message in chat[-CONTEXT:]]
        key = f"{' '.join(roles)} {'tool_calls' in last:d}{bool(tools):d}{len(chat) > CONTEXT:d}"
        if key not in self._prompts:
            self._prompts[key] = self._render_prompt(chat, tools)
        return self._prompts[key]

    def _render_prompt(self, chat: Messages, tools: list[Any] | None) -> tuple[str, str]:
        try:
            text, parts, *_ = self.renderer.render(chat, tools, prompt=True)
            closed = self.renderer.text(chat, tools)
        except InputError:  # many templates refuse an empty conversation
            return self.header, self.header
        after_last = text[parts[-1].end :] if parts else ""
        if text.startswith(closed):
            return after_last, text[len(closed) :]
        return (after_last, after_last) if parts else (self.header, self.header)

    def _start(
        self, text: str, part: MessagePart, chat: Messages, i: int, tools: list[Any] | None
    ) -> int:
        openings, written = self._openings(chat[:i], tools), text[part.start : part.end]
        if opening := next((o for o in openings if o and written.startswith(o)), ""):
            return part.start + len(opening)
        usual = self.usual_prompt()
        if i == 0 and usual in written:  # a default system prompt
            return part.start + written.index(usual) + len(usual)
        shared = (len(common_start(opening, written)) for opening in (*openings, usual))
        return part.start + max(shared)


def _apart_by_later(own: Sequence[MessagePart], parts: Sequence[MessagePart]) -> bool:
    """Whether only parts of later messages are between a message's parts, such as results."""
    between = [p for p in parts if own[0].end <= p.start and p.end <= own[-1].start]
    at = own[0].end
    for part in sorted({*between, *own[1:]}, key=lambda p: p.start):
        if part.start != at or part.message < own[0].message:
            return False
        at = part.end
    return True


def turn_with_stop(text: str, message: int, start: int, tail: int, stops: tuple[str, ...]) -> Turn:
    """Find the stop token of a turn: the first of those at its end.

    Args:
        text: The rendered text.
        message: Index of the message, -1 where it is not known.
        start: Where the turn begins.
        tail: Where its text ends, stop token included.
        stops: Texts of the stop tokens.

    Returns:
        The turn.
    """
    stop = end = tail
    pattern = _ending(stops)
    if match := pattern.search(text, max(start, tail - LONGEST_ENDING), tail):
        stop, end = match.span(1)
    return Turn(message, start, stop, end, tail)


def without_lone_stops(text: str, turns: Sequence[Turn]) -> list[Turn]:
    """Leave out turns that are only a stop token after the results of tools.

    Such a token closes what is open (Gemma 4); the model did not generate it.

    Args:
        text: The rendered text.
        turns: The turns, in order.

    Returns:
        The other turns.
    """
    before = [-1, *(turn.message for turn in turns)]
    return [
        turn
        for turn, last in zip(turns, before, strict=False)
        if turn.message != last or text[turn.start : turn.stop].strip()
    ]


def join_turns(turns: Iterable[Turn]) -> list[Turn]:
    """Join turns that a template writes as one, with no stop token between them.

    Args:
        turns: The turns, in order.

    Returns:
        The turns.
    """
    result: list[Turn] = []
    for turn in turns:
        if result and result[-1].stop == result[-1].end == turn.start:
            turn = turn._replace(start=result.pop().start)
        result.append(turn)
    return result


def common_start(left: str, right: str) -> str:
    """The common beginning of two texts, cut where it would split a piece of markup.

    Args:
        left: A text.
        right: Another text.

    Returns:
        The beginning.
    """
    if right.startswith(left):
        return left
    pairs = zip(left, right, strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    for text in (left, right):
        for unit in MARKUP.finditer(text, 0, shared + 64):
            if unit.start() < shared < unit.end():
                shared = unit.start()
    return left[:shared]


def has_content(message: Mapping[str, Any]) -> bool:
    """Whether a message has text, reasoning or calls.

    Args:
        message: The message.

    Returns:
        True where one of them is not blank.
    """
    content = message.get("content")
    spoken = reasoning_of(message) or (content if isinstance(content, str) else "")
    return bool(message.get("tool_calls") or spoken.strip())


@functools.lru_cache
def _ending(stops: tuple[str, ...]) -> re.Pattern[str]:
    """Pattern of stop tokens followed only by blanks; group 1 is the first token."""
    if not stops:
        return re.compile("(?!)")
    any_stop = "|".join(map(re.escape, sorted(stops, key=len, reverse=True)))
    return re.compile(rf"({any_stop})\s*(?:(?:{any_stop})\s*)*\Z")
