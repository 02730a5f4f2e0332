"""Counted spans by their definition, computed as plainly as possible and with no product code.

The counted span of an assistant turn is the text that the model would have generated after the
generation prompt at that point, up to and including the token it stops with. It is found by
rendering: the messages before the turn with the generation prompt, then the messages with the turn.
Everything is rendered again for every question; nothing is kept, nothing is fast.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpers.lazy import Lazy

chat_template_utils = Lazy("transformers.utils.chat_template_utils")

Message = dict[str, Any]
Span = tuple[int, int]
MARKS = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
# A character that no conversation has: it opens each replacement, so that two renders which differ
# in one text differ from that text's first character on.
FRESH = "\ue000"
UNWRITTEN = "not written as the assistant's"
WORD = f"{FRESH}w\\d+{FRESH}"


class RefusedError(Exception):
    """The template raised an error for every form of the conversation."""


@dataclass(frozen=True)
class Rules:
    """What the definition needs to know of a model.

    jinja: the template, or {"default": …, "tool_use": …} as in a tokenizer_config.
    special_tokens: `bos_token` and the like, for the template.
    stops: tokens that end a turn and are written as part of it.
    boundaries: text -> positions at which its tokens begin.
    """

    jinja: str | Mapping[str, str]
    special_tokens: Mapping[str, str]
    stops: tuple[str, ...]
    boundaries: Callable[[str], set[int]]

    def template(self, tools: list | None) -> str:
        """A list of templates: `tool_use` where there are tools, as transformers chooses."""
        if isinstance(self.jinja, str):
            return self.jinja
        return self.jinja.get("tool_use" if tools else "default") or self.jinja["default"]

    def render(self, messages: Sequence[Message], tools: list | None, prompt: bool = False) -> str:
        return self.marked(messages, tools, prompt)[0]

    def marked(
        self, messages: Sequence[Message], tools: list | None, prompt: bool = False
    ) -> tuple[str, list[Span]]:
        """What transformers renders, and its ranges of {% generation %} blocks."""
        jinja = self.template(tools)
        try:
            texts, marks = chat_template_utils.render_jinja_template(
                [copy.deepcopy(list(messages))],
                tools=tools or None,
                chat_template=jinja,
                return_assistant_tokens_mask=bool(MARKS.search(jinja)),
                add_generation_prompt=prompt,
                **self.special_tokens,
            )
        except Exception as error:  # a template may raise anything
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        return texts[0], [tuple(span) for span in (marks or [[]])[0]]


@dataclass(frozen=True)
class Counted:
    """text: the full render.  spans: ascending, one for each counted assistant turn that is written
    (or each {% generation %} block).  notes: what was rewritten, changed or not written.
    messages: the form of the conversation that was rendered.  unwritten: indices of assistant
    messages that the template does not write, or writes as another role's."""

    text: str
    spans: list[Span]
    notes: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    unwritten: list[int] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [self.text[start:end] for start, end in self.spans]


def counted(rules: Rules, messages: Sequence[Message], tools: list | None = None) -> Counted:
    """The counted spans of one conversation; RefusedError where the template refuses every form."""
    chat, notes = form(rules, messages, tools)
    full, marks = rules.marked(chat, tools)
    turns = [_turn(rules, chat, tools, i) for i in _assistants(chat)]
    notes += [note for turn in turns for note in turn.notes]
    if marks and _marks_hold(rules, chat, tools):
        notes.append("spans are the template's own marks")
        unweighted = [turn.span for turn in turns if not turn.weight]
        spans = [m for m in marks if not any(a < m[1] and m[0] < b for a, b in unweighted)]
    else:
        spans = [turn.span for turn in _joined(turns) if turn.weight]
    unwritten = [turn.index for turn in turns if turn.span[0] >= turn.span[1]]
    spans = sorted(span for span in spans if span[0] < span[1])
    return Counted(full, spans, notes, chat, unwritten)


# --- the form of a row that is rendered ---------------------------------------------------------


def form(
    rules: Rules, messages: Sequence[Message], tools: list | None
) -> tuple[list[Message], list[str]]:
    """The row as it stands, or the first other form that the template renders with every call.

    Order: arguments as they stand, as objects, as strings; all that with contents as they stand,
    then with null as "" , then with "" as null where there are calls. Where no form carries every
    call, the first that renders. A form that writes null as the word None counts as failing, and so
    does one that writes arguments, which are JSON, as a JSON string once more.
    """
    plain = [_without_nulls(message) for message in messages]
    rendered: list[tuple[list[Message], str]] = []
    error: Exception | None = None
    for content in ("as it stands", 'null as ""', '"" as null'):
        for arguments in ("as they stand", "as objects", "as strings"):
            chat = [_arguments(_content(message, content), arguments) for message in plain]
            try:
                rules.render(chat, tools)
            except RefusedError as refusal:
                error = error or refusal
                continue
            changed = [] if chat == plain else [f"content {content}, arguments {arguments}"]
            if _writes_none(rules, chat, tools):
                continue
            if _escapes_arguments(rules, chat, tools):
                rendered.append((chat, "the template escapes arguments that are JSON already"))
                continue
            if not (lost := _lost_calls(rules, chat, tools)):
                return chat, changed
            rendered.append((chat, f"the template does not write the calls of messages {lost}"))
    if not rendered:
        raise RefusedError(str(error or "null is written as the word None"))
    chat, note = rendered[0]
    return chat, [note]


def _without_nulls(message: Message) -> Message:
    """Null keys other than content say nothing; an empty list of calls is no call."""
    kept = {k: v for k, v in message.items() if v is not None or k == "content"}
    if not kept.get("tool_calls"):
        kept.pop("tool_calls", None)
    return kept


def _content(message: Message, how: str) -> Message:
    if how == 'null as ""' and message.get("content") is None:
        return {**message, "content": ""}
    if how == '"" as null' and message.get("tool_calls") and not message.get("content"):
        return {**message, "content": None}
    return message


def _arguments(message: Message, how: str) -> Message:
    if how == "as they stand" or not message.get("tool_calls"):
        return message
    message = copy.deepcopy(message)
    for call in message["tool_calls"]:
        function = call["function"]
        value = function.get("arguments")
        if how == "as objects" and isinstance(value, str):
            try:
                parsed = json.loads(value)
            except ValueError:
                continue
            function["arguments"] = parsed if isinstance(parsed, dict) else value
        elif how == "as strings" and not isinstance(value, str):
            function["arguments"] = json.dumps(value, ensure_ascii=False)
    return message


def _writes_none(rules: Rules, chat: list[Message], tools: list | None) -> bool:
    if all(message.get("content") is not None for message in chat):
        return False
    filled = [m if m.get("content") is not None else {**m, "content": f"{FRESH}N"} for m in chat]
    try:
        return rules.render(chat, tools).count("None") > rules.render(filled, tools).count("None")
    except RefusedError:
        return False


def _escapes_arguments(rules: Rules, chat: list[Message], tools: list | None) -> bool:
    for i, message in enumerate(chat):
        for k, call in enumerate(message.get("tool_calls") or ()):
            if isinstance(call["function"].get("arguments"), str):
                probe = copy.deepcopy(chat)
                probe[i]["tool_calls"][k]["function"]["arguments"] = f'{{"{FRESH}a": 1}}'
                try:
                    if f'\\"{FRESH}a' in rules.render(probe, tools):
                        return True
                except RefusedError:
                    return False
    return False


def _lost_calls(rules: Rules, chat: list[Message], tools: list | None) -> list[int]:
    """Messages with a call whose name, replaced by a fresh word, is not in the render."""
    lost = []
    for i, message in enumerate(chat):
        for k in range(len(message.get("tool_calls") or ())):
            probe = copy.deepcopy(chat)
            word = f"{FRESH}call"
            probe[i]["tool_calls"][k]["function"]["name"] = word
            if word not in rules.render(probe, tools):
                lost.append(i)
                break
    return lost


# --- one turn -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Turn:
    span: Span
    weight: bool
    index: int
    merged: bool  # the template writes it into one turn with the assistant message before it
    notes: tuple[str, ...] = ()


def _turn(rules: Rules, chat: list[Message], tools: list | None, i: int) -> _Turn:
    """Where message i is in the full render.

    Start: the end of the prompt, where the full render begins with it. Where it does not, as with a
    prompt that opens `<think>` before a turn without thoughts: the longest common beginning of
    both, cut back to a place where a token begins in both, if that has the header that every turn
    begins with. Where those were rewritten too: in the template's own text between the previous
    message and this one, after the longest part of the generation prompt that is there. Where none
    of it is there: after as much as the template closes the message before with, provided that the
    prompt adds nothing at that place; else the template writes the message as another role's (Llama
    3.1 puts the first message, whoever's, into the user's turn with the tools), and there is no
    span. An assistant message that follows another with no stop token between them is written into
    the same turn: both are one span.

    End: the end of the render up to the turn, less what the template writes after the stop token,
    where the full render begins with it. Where it does not: the turn's closing text after the end
    of its words, or up to the first stop token after them.
    """
    full = rules.render(chat, tools)
    words = _written(rules, chat, tools, i)
    start, started = _start(rules, chat, tools, i, full, words)
    if started == UNWRITTEN:
        return _Turn((start, start), False, i, False, (f"message {i}: {started}",))
    end, ended = _end(rules, chat, tools, i, full, words)
    merged = started == "merged"
    notes = tuple(f"message {i}: {note}" for note in (started, ended) if note)
    return _Turn((start, max(start, end)), _weight(chat[i]), i, merged, notes)


def _start(
    rules: Rules, chat: list[Message], tools: list | None, i: int, full: str, words: Span | None
) -> tuple[int, str]:
    base = _render_or_none(rules, chat[:i], tools)
    prompt = _render_or_none(rules, chat[:i], tools, prompt=True)
    before = i and chat[i - 1]["role"] == "assistant"
    if prompt is not None and full.startswith(prompt) and not (before and prompt == base):
        return len(prompt), ""
    opening, shortest = _opening(rules, chat, tools)
    if base is not None and prompt is not None and prompt != base:
        at = _cut(rules, prompt, full, _common(prompt, full))
        if prompt.startswith(base) and full.startswith(base) and at >= len(base) + shortest:
            return at, "prompt differs from the turn"
    high = words[0] if words else len(full)
    low = _low(rules, chat, tools, i, high)
    gap = full[low:high]
    for size in range(len(opening), shortest - 1, -1):
        if size not in {*rules.boundaries(opening), len(opening)}:
            continue
        at = gap.rfind(opening[:size])
        if at >= 0:
            return low + at + size, "found by the text of the generation prompt"
    closed = base[_words_end(rules, chat, tools, i, base) :] if base is not None else ""
    common = _cut(rules, full[:low] + closed, full, low + _common(closed, gap)) - low
    if opening and (base is None or base != prompt):
        return len(full), UNWRITTEN
    merged = before and not any(stop in gap for stop in rules.stops)
    return low + max(common, 0), "merged" if merged else "found after the message before it"


def _words_end(rules: Rules, chat: list[Message], tools: list | None, i: int, base: str) -> int:
    """End of the last words written of the messages before i when i is not there."""
    ends = [words[1] for j in range(i) if (words := _written(rules, chat[:i], tools, j))]
    return max(ends, default=len(base))


def _end(
    rules: Rules, chat: list[Message], tools: list | None, i: int, full: str, words: Span | None
) -> tuple[int, str]:
    upto = _render_or_none(rules, chat[: i + 1], tools)
    if upto is not None and full.startswith(upto):
        return len(upto) - len(_tail(rules, chat, tools, i)), ""
    if words is None:
        return 0, "not written"
    rest = full[words[1] : _high(rules, chat, tools, i, words[1], len(full))]
    closing = _closing(rules, chat, tools, i)
    if closing and rest.startswith(closing):
        return words[1] + len(closing), "rewritten"
    stop = min((rest.find(stop) + len(stop) for stop in rules.stops if stop in rest), default=None)
    if stop is not None:
        return words[1] + stop, "rewritten"
    return words[1] + _common(closing, rest), "rewritten"


def _tail(rules: Rules, chat: list[Message], tools: list | None, i: int) -> str:
    """What the template writes after the stop token of turn i when that is the last message.

    Asked with fresh words in place of the turn's own, which may hold a stop token's text."""
    upto = rules.render(_replaced(chat[: i + 1], i), tools)
    ends = [upto.rfind(stop) + len(stop) for stop in rules.stops if stop in upto]
    last_word = upto.rfind(FRESH)
    ends = [end for end in ends if end > last_word]
    return upto[max(ends) :] if ends else ""


def _closing(rules: Rules, chat: list[Message], tools: list | None, i: int) -> str:
    """What the template writes from the last word of turn i to its stop token, as last message."""
    part = chat[: i + 1]
    upto = _render_or_none(rules, part, tools)
    words = _written(rules, part, tools, i) if upto is not None else None
    if upto is None or words is None:
        return ""
    tail = _tail(rules, chat, tools, i)
    return upto[words[1] : len(upto) - len(tail)]


def _opening(rules: Rules, chat: list[Message], tools: list | None) -> tuple[str, int]:
    """The generation prompt's own text after a user message, and how much of it every turn has.

    The latter from a conversation of four plain messages: the text that its assistant turns begin
    with, as far as it is that of the prompt. At least one character, where there is a prompt.
    """
    plain = [{"role": role, "content": role.upper()} for role in ("user", "assistant")] * 2
    system = [m for m in chat[:1] if m["role"] == "system"]
    for head in ([], system):
        first = _render_or_none(rules, [*head, *plain[:1]], tools)
        prompt = _render_or_none(rules, [*head, *plain[:1]], tools, prompt=True)
        third = _render_or_none(rules, [*head, *plain[:3]], tools)
        full = _render_or_none(rules, [*head, *plain], tools)
        if first is None or prompt is None or not prompt.startswith(first):
            continue
        opening = prompt[len(first) :]
        turns = [
            full[len(base) :] for base in (first, third) if full and base and full.startswith(base)
        ]
        shared = [_cut(rules, opening, turn, _common(opening, turn)) for turn in turns]
        return opening, max(1, min(shared, default=len(opening)))
    return "", 1


def _written(rules: Rules, chat: list[Message], tools: list | None, i: int) -> Span | None:
    """Range of the full render from the first to the last character that message i's texts write.

    Found by rendering with fresh words in their place. A word that stands more often in the full
    render than in the render up to the message (the name of a call, which heads its result too)
    counts only as often as there. None where no word is written.
    """
    full = rules.render(chat, tools)
    changed, originals = _fresh(chat, i)
    other = _render_or_none(rules, changed, tools)
    if other is None or FRESH not in other:
        return None
    upto = _render_or_none(rules, changed[: i + 1], tools)
    left = {word: other.count(word) if upto is None else upto.count(word) for word in originals}
    last = 0
    for place in re.finditer(WORD, other):
        if left[place[0]] > 0:
            left[place[0]] -= 1
            last = place.end()
    start = _common(full, other)
    rest = re.sub(WORD, lambda found: originals[found[0]], other[last:])
    if last and full.endswith(rest):
        return start, len(full) - len(rest)
    return start, len(full) - _common(full[start:][::-1], other[start:][::-1])


def _low(rules: Rules, chat: list[Message], tools: list | None, i: int, high: int) -> int:
    """End of the words of the nearest message before i that is written before `high`."""
    for j in range(i - 1, -1, -1):
        words = _written(rules, chat, tools, j)
        if words and words[1] <= high:
            return words[1]
    return 0


def _high(rules: Rules, chat: list[Message], tools: list | None, i: int, low: int, end: int) -> int:
    for j in range(i + 1, len(chat)):
        words = _written(rules, chat, tools, j)
        if words and words[0] >= low:
            return words[0]
    return end


def _replaced(chat: Sequence[Message], i: int) -> list[Message]:
    return _fresh(chat, i)[0]


def _fresh(chat: Sequence[Message], i: int) -> tuple[list[Message], dict[str, str]]:
    """The conversation with every text of message i replaced by a fresh word, and word -> text.

    Texts that are empty or null stay so, for templates decide by that, unless the message has no
    other text. The first and last characters of each word are ones that no conversation has.
    """
    originals: dict[str, str] = {}

    def fresh(value: Any) -> Any:
        if isinstance(value, str) and value.strip():
            word = f"{FRESH}w{len(originals)}{FRESH}"
            originals[word] = value
            return word
        if isinstance(value, dict):
            return {key: fresh(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [fresh(inner) for inner in value]
        return value

    message = copy.deepcopy(chat[i])
    for key in ("content", "reasoning_content"):
        if key in message:
            message[key] = fresh(message[key])
    for call in message.get("tool_calls") or ():
        function = call["function"]
        function["name"] = fresh(function["name"])
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            try:
                function["arguments"] = json.dumps(fresh(json.loads(arguments)), ensure_ascii=False)
            except ValueError:
                function["arguments"] = fresh(arguments)
        else:
            function["arguments"] = fresh(arguments)
    if not originals:
        message["content"] = fresh("x")
    return [*chat[:i], message, *chat[i + 1 :]], originals


def _joined(turns: list[_Turn]) -> Iterator[_Turn]:
    """Turns that the template merges into one are one span where both are counted."""
    kept: list[_Turn] = []
    for turn in turns:
        if turn.merged and kept and kept[-1].weight == turn.weight:
            kept[-1] = _Turn((kept[-1].span[0], turn.span[1]), turn.weight, turn.index, False)
        else:
            kept.append(turn)
    yield from kept


def _marks_hold(rules: Rules, chat: list[Message], tools: list | None) -> bool:
    """Every text of an assistant message that the template writes is inside a mark."""
    for i in _assistants(chat):
        try:
            text, marks = rules.marked(_replaced(chat, i), tools)
        except RefusedError:
            continue
        places = [found.start() for found in re.finditer(FRESH, text)]
        if not all(any(a <= at < b for a, b in marks) for at in places):
            return False
    return True


def _assistants(chat: Sequence[Message]) -> list[int]:
    return [i for i, message in enumerate(chat) if message["role"] == "assistant"]


def _weight(message: Message) -> bool:
    return message.get("weight") is None or bool(message["weight"])


def _render_or_none(
    rules: Rules, messages: list[Message], tools: list | None, prompt: bool = False
) -> str | None:
    try:
        return rules.render(messages, tools, prompt)
    except RefusedError:
        return None


def _common(a: str, b: str) -> int:
    size = min(len(a), len(b))
    return next((i for i in range(size) if a[i] != b[i]), size)


def _cut(rules: Rules, prompt: str, full: str, at: int) -> int:
    """The nearest place at or before `at` where a token begins in both texts."""
    both = (rules.boundaries(prompt) | {len(prompt)}) & (rules.boundaries(full) | {len(full)})
    return max((place for place in both if place <= at), default=0)


# --- sentinels ----------------------------------------------------------------------------------


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value; strings that are JSON objects are opened."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        yield from strings(parsed) if isinstance(parsed, dict | list) else [value]
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def misplaced(
    found: Counted, messages: Sequence[Message], tools: list | None, word: str
) -> list[str]:
    """Sentinels (matches of the pattern `word`) on the wrong side, each with what is wrong.

    A sentinel of a counted assistant message (content, reasoning, names and arguments of calls)
    must be inside a span wherever it is written, one of any other message or tool never. The name
    of a call may stand outside too, where a template heads the call's result with it. An assistant
    message that the template writes as another role's counts as another's.
    """
    owned: dict[str, bool] = {}
    names: set[str] = set()
    for i, message in enumerate(messages):
        ours = message["role"] == "assistant" and _weight(message) and i not in found.unwritten
        texts = [message.get("content"), message.get("reasoning_content")]
        texts += [call["function"] for call in message.get("tool_calls") or ()]
        owned |= {w: ours for t in texts for s in strings(t) for w in re.findall(word, s)}
        for call in message.get("tool_calls") or ():
            names.update(re.findall(word, call["function"]["name"]))
    owned |= {w: False for s in strings(tools or []) for w in re.findall(word, s)}
    wrong = []
    for sentinel, ours in owned.items():
        places = [place.span() for place in re.finditer(re.escape(sentinel), found.text)]
        inside = [any(a <= start and end <= b for a, b in found.spans) for start, end in places]
        touched = [any(a < end and start < b for a, b in found.spans) for start, end in places]
        if ours and places and not (any(inside) if sentinel in names else all(inside)):
            wrong.append(f"{sentinel}: the assistant's, outside")
        if not ours and any(touched):
            wrong.append(f"{sentinel}: another's, counted")
    return wrong


def joined(text: str, spans: Sequence[Span]) -> list[str]:
    """Texts of spans, less blank ones; spans that follow each other at once are one."""
    cuts: list[list[int]] = []
    for start, end in spans:
        if cuts and cuts[-1][1] == start:
            cuts[-1][1] = end
        else:
            cuts.append([start, end])
    return [text[start:end] for start, end in cuts if text[start:end].strip()]


def ids_in(ids: Sequence[int], offsets: Sequence[Span], spans: Sequence[Span]) -> list[list[int]]:
    """Per span, the ids of the tokens that begin inside it."""
    return [
        [i for i, (at, _) in zip(ids, offsets, strict=True) if start <= at < end]
        for start, end in spans
    ]
