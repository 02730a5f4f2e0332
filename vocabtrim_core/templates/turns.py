"""What the model would have generated, turn by turn, in one render of a conversation.

A counted span is defined once: for each assistant turn, the text that the target would have
generated after the generation prompt at that point, up to and including the token it stops with.
So: render the messages before the turn with the generation prompt, render them with the turn; what
the second adds to the first is the turn, less what the template writes after the stop token
(`definition` does just that, and checks what is found here).

Rendering every beginning of a conversation takes time with the square of its length. Here it is
rendered once: `instrument` tells which message wrote which part of the text, the generation prompt
at each point is known from the messages around it, and the stop tokens are known from probes. Where
a template rewrites earlier turns (Qwen 3 drops their reasoning), a turn is its part of this full
render, which is the text that is trained on.
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

# What is one unit in rendered text, so that no boundary falls inside it.
MARKUP = re.compile(r"<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\]")
USUAL = ({"role": "user", "content": "Quartz asks once"},)  # what most answers follow
CALLED = "Wulfenite"
CALL: dict[str, Any] = {
    "id": "abcdefghi",
    "type": "function",
    "function": {"name": CALLED, "arguments": {CALLED: CALLED}},
}
CALLING = "what stops a call"
CONTEXT = 3  # messages whose roles decide what opens an answer
LONGEST_ENDING = 256  # characters at the end of a turn that are searched for its stop token


class Turn(NamedTuple):
    """An assistant turn in rendered text, as character offsets.

    start: after the generation prompt.  stop: where the stop token begins, else `end`.
    end: after the stop token.  tail: after what the template writes behind that.
    message: its index in the conversation, -1 in text that was rendered before.
    """

    message: int
    start: int
    stop: int
    end: int
    tail: int


@dataclass(frozen=True, slots=True)
class TurnFinder:
    """Finds the turns in what one template writes.

    stops: texts of the tokens a turn ends with.  opens: the template writes a generation prompt
    when it is asked to, or always.  header: what stands before an answer where it writes none.
    trailer: what it writes behind every conversation.
    """

    renderer: Renderer
    stops: tuple[str, ...]
    opens: bool
    header: str
    trailer: str = ""
    _prompts: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False, compare=False)

    def turns(self, rendered: Rendered, tools: list[Any] | None = None) -> list[Turn] | None:
        """The assistant turns of a rendered conversation that have text; None where an assistant
        message has no one part of its own in the text."""
        found: list[Turn] = []
        for i, message in enumerate(rendered.chat):
            if message.get("role") != "assistant":
                continue
            if not (own := self.turns_of(i, rendered, tools)):
                return None
            found += own
        return found

    def turns_of(self, i: int, rendered: Rendered, tools: list[Any] | None = None) -> list[Turn]:
        """The turn that message i is, in two where results of tools stand inside of it; none where
        it has no part of its own."""
        chat, text = rendered.chat, rendered.text
        own = [p for p in rendered.parts if p.message == i and text[p.start : p.end].strip()]
        if not own or not _apart_by_later(own, rendered.parts):
            return []
        starts = [self._start(text, own[0], chat, i, tools), *(part.start for part in own[1:])]
        turns = [ended(text, i, at, p.end, self.stops) for at, p in zip(starts, own, strict=True)]
        return [self._stopped_by_result(text, turn, chat, i) for turn in turns]

    def _stopped_by_result(self, text: str, turn: Turn, chat: Messages, i: int) -> Turn:
        """The turn with its stop token where that is what the next message's part begins with
        (Gemma 4: <|tool_response>)."""
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
                if own := [p for p in rendered.parts if p.message == len(USUAL)]:
                    turn = ended(rendered.text, 0, own[-1].start, own[-1].end, self.stops)
                    stop = rendered.text[turn.stop : turn.end]
            self._prompts[CALLING] = stop, stop
        return self._prompts[CALLING][0]

    def usual_prompt(self) -> str:
        """What opens an answer to a user."""
        return self.prompt(USUAL)

    def prompt(self, chat: Messages, tools: list[Any] | None = None) -> str:
        """What the template writes behind the last message of these to open an answer."""
        behind, added = self._openings(chat, tools)
        return added if added.strip() else behind

    def _openings(self, chat: Messages, tools: list[Any] | None) -> tuple[str, str]:
        """What stands behind the last message when an answer is asked for, and what of it is added
        for that alone: the rest may belong to the answer's part (DeepSeek closes tool results
        there) or not (an instruction behind all messages)."""
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
        behind = text[parts[-1].end :] if parts else ""
        if text.startswith(closed):
            return behind, text[len(closed) :]
        return (behind, behind) if parts else (self.header, self.header)

    def _start(
        self, text: str, part: MessagePart, chat: Messages, i: int, tools: list[Any] | None
    ) -> int:
        openings, own = self._openings(chat[:i], tools), text[part.start : part.end]
        if opening := next((each for each in openings if each and own.startswith(each)), ""):
            return part.start + len(opening)
        usual = self.usual_prompt()
        if i == 0 and usual in own:  # a default system prompt
            return part.start + own.index(usual) + len(usual)
        return part.start + max(len(common_start(other, own)) for other in (*openings, usual))


def _apart_by_later(own: Sequence[MessagePart], parts: Sequence[MessagePart]) -> bool:
    """Between the parts of a message stand those of later ones alone, as tool results may."""
    between = [p for p in parts if own[0].end <= p.start and p.end <= own[-1].start]
    at = own[0].end
    for part in sorted({*between, *own[1:]}, key=lambda p: p.start):
        if part.start != at or part.message < own[0].message:
            return False
        at = part.end
    return True


def ended(text: str, message: int, start: int, tail: int, stops: tuple[str, ...]) -> Turn:
    """The turn [start, tail) with its stop token found: the first of those at its end."""
    stop = end = tail
    pattern = _ending(stops)
    if match := pattern.search(text, max(start, tail - LONGEST_ENDING), tail):
        stop, end = match.span(1)
    return Turn(message, start, stop, end, tail)


def without_lone_stops(text: str, turns: Sequence[Turn]) -> list[Turn]:
    """The turns but for stop tokens that stand alone behind the results of tools: they close what
    stands open (Gemma 4), and the model was not asked there."""
    before = [-1, *(turn.message for turn in turns)]
    return [
        turn
        for turn, last in zip(turns, before, strict=False)
        if turn.message != last or text[turn.start : turn.stop].strip()
    ]


def joined(turns: Iterable[Turn]) -> list[Turn]:
    """The turns, those that a template writes as one, with no stop token between them, as one."""
    found: list[Turn] = []
    for turn in turns:
        if found and found[-1].stop == found[-1].end == turn.start:
            turn = turn._replace(start=found.pop().start)
        found.append(turn)
    return found


def common_start(left: str, right: str) -> str:
    """The common beginning of two texts, cut where it would split a piece of markup."""
    if right.startswith(left):
        return left
    pairs = zip(left, right, strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    for text in (left, right):
        for unit in MARKUP.finditer(text, 0, shared + 64):
            if unit.start() < shared < unit.end():
                shared = unit.start()
    return left[:shared]


def speaks(message: Mapping[str, Any]) -> bool:
    """The message has text or calls of its own."""
    content = message.get("content")
    spoken = reasoning_of(message) or (content if isinstance(content, str) else "")
    return bool(message.get("tool_calls") or spoken.strip())


@functools.lru_cache
def _ending(stops: tuple[str, ...]) -> re.Pattern[str]:
    """Stop tokens with nothing but blanks behind them; group 1 is the first."""
    if not stops:
        return re.compile("(?!)")
    any_stop = "|".join(map(re.escape, sorted(stops, key=len, reverse=True)))
    return re.compile(rf"({any_stop})\s*(?:(?:{any_stop})\s*)*\Z")
