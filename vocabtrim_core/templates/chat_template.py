"""The chat template of a tokenizer: its own or a named one, and where the assistant's part is."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates import render as template_render
from vocabtrim_core.templates.data import NAMED, NamedTemplate
from vocabtrim_core.templates.kept import kept
from vocabtrim_core.templates.proof import Proof, prove
from vocabtrim_core.templates.shape import MARKUP, Shape, conversation, probe_shape
from vocabtrim_core.templates.spans import RULES, Span, find_turns, ids_inside, narrow, span_ids
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "NAMED",
    "RULES",
    "ChatTemplate",
    "NamedTemplate",
    "Span",
    "ids_inside",
    "resolve_template",
    "span_ids",
]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How one tokenizer writes conversations, and where the assistant's part is.

    name: a name of `NAMED`, or "tokenizer" for the tokenizer's own.  headers: texts that open an
    assistant turn, the usual one first.  thought_header: the text that opens reasoning where that
    is a turn of its own.  user_header, end_of_turn: as in `NamedTemplate`.  last_end: what closes
    the last assistant turn, where that is something else.
    preamble: what precedes the first user turn without a system message (a default system prompt).
    trims: contents are stripped.  masks: the template marks assistant text itself.
    alternates: only user, assistant, user, … is accepted.  drops_thinking: thoughts of earlier
    turns are not rendered.  reasoning: `reasoning_content` is rendered.
    fast: encode(as_rendered(content)) + end_of_turn_ids is proved, by probes, to be the ids of a
    rendered turn, but for contents and conversations that `rendering_rows` points out.
    """

    name: str
    jinja: str = field(repr=False)
    headers: tuple[str, ...]
    thought_header: str
    user_header: str
    end_of_turn: str
    last_end: str
    preamble: str
    trims: bool
    masks: bool
    alternates: bool
    drops_thinking: bool
    reasoning: bool
    parts: bool
    special_tokens: Mapping[str, str] = field(repr=False)
    warnings: tuple[str, ...] = ()
    proof: Proof | None = field(default=None, repr=False)

    @property
    def header(self) -> str:
        """The text that usually stands just before assistant content."""
        return self.headers[0]

    @property
    def fast(self) -> bool:
        return self.proof is not None and self.proof.fast

    @property
    def end_of_turn_ids(self) -> tuple[int, ...]:
        """Ids that each assistant turn has after its content under the rule `assistant`."""
        return self.proof.end_of_turn_ids if self.proof else ()

    @property
    def fingerprint(self) -> str:
        """sha256 of all that decides which text is rendered and which part of it is counted."""
        decides = [
            self.jinja, self.headers, self.thought_header, self.user_header, self.end_of_turn,
            self.last_end, self.parts, self.masks,
        ]  # fmt: skip
        text = json.dumps([*decides, sorted(self.special_tokens.items())])
        return hashlib.sha256(text.encode()).hexdigest()

    def render(self, messages: Sequence[Mapping[str, Any]], tools: list[dict] | None = None) -> str:
        """The conversation as the model sees it. InputError where the template refuses it."""
        return self._render(messages, tools)[0]

    def spans(
        self,
        messages: Sequence[Mapping[str, Any]],
        rule: str,
        *,
        reasoning: bool = True,
        last_turn_only: bool = False,
        tools: list[dict] | None = None,
    ) -> tuple[str, list[Span]]:
        """Rendered text and its counted character ranges, ascending."""
        text, marked = self._render(messages, tools)
        if self.masks and rule == "assistant":
            spans = marked
        elif self.masks and rule == "content":
            spans = [self._less_end(text, span) for span in marked]
        else:
            spans = self._find(text, rule, reasoning)
        return text, narrow(text, spans, rule, reasoning, last_turn_only)

    def find_spans(
        self, text: str, rule: str, *, reasoning: bool = True, last_turn_only: bool = False
    ) -> list[Span]:
        """Counted ranges of text that is already rendered, found by the strings around turns."""
        return narrow(text, self._find(text, rule, reasoning), rule, reasoning, last_turn_only)

    def _find(self, text: str, rule: str, reasoning: bool) -> list[Span]:
        thought = (self.thought_header,) if reasoning and self.thought_header else ()
        ends = tuple(dict.fromkeys(filter(None, (self.end_of_turn, self.last_end))))
        return find_turns(text, (*self.headers, *thought), ends, self.user_header, rule)

    def needs_rendering(self, content: str, *, reasoning: bool = True) -> bool:
        """Is the fast path not proved for this assistant content?"""
        import pyarrow as pa

        contents = pa.array([content], pa.large_string())
        return bool(self.needs_rendering_mask(contents, reasoning=reasoning)[0])

    def needs_rendering_mask(
        self, contents: pa.LargeStringArray, *, reasoning: bool = True
    ) -> np.ndarray:
        """bool[M]: assistant contents for which the fast path is not proved."""
        if self.proof is None or not self.fast:
            return np.ones(len(contents), bool)
        return self.proof.unproved(contents, trims=self.trims, reasoning=reasoning)

    def as_rendered(self, contents: pa.LargeStringArray) -> pa.LargeStringArray:
        """Contents as the template writes them: stripped like str.strip, or as they are."""
        from vocabtrim_core.templates.proof import strip

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

        For the others the counted ids are: `assistant`, per assistant message
        encode(as_rendered(content)) + end_of_turn_ids; `content`, the same without end_of_turn_ids;
        `reference`, as `content`, with end_of_turn_ids once where an assistant message is the last.
        roles[M], contents[M], offsets int64[n+1] as in a MessageBatch without structured messages.
        """
        if self.proof is None or not self.fast or rule == "all":
            return np.ones(len(offsets) - 1, bool)
        return self.proof.rows(
            roles, contents, offsets, rule, trims=self.trims, reasoning=reasoning
        )

    def _render(
        self, messages: Sequence[Mapping[str, Any]], tools: list[dict] | None
    ) -> tuple[str, list[Span]]:
        whose = "The tokenizer's chat template" if self.name == "tokenizer" else self.name
        return template_render.render(
            self.jinja, messages, special_tokens=self.special_tokens, tools=tools,
            parts=self.parts, name=whose,
        )  # fmt: skip

    def _less_end(self, text: str, span: Span) -> Span:
        start, end = span
        if self.end_of_turn and text[start:end].endswith(self.end_of_turn):
            end -= len(self.end_of_turn)
        return start, end


def resolve_template(tokenizer: Tokenizer, name: str = "auto") -> ChatTemplate:
    """The tokenizer's own template ("auto") or a named one, probed with this tokenizer."""
    return _resolve(tokenizer, name)


@functools.lru_cache(maxsize=8)
def _resolve(tokenizer: Tokenizer, name: str) -> ChatTemplate:
    return kept(tokenizer, name, lambda: _probed(tokenizer, name))


def _probed(tokenizer: Tokenizer, name: str) -> ChatTemplate:
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
        template = _own(tokenizer, tokenizer.chat_template)
    return replace(template, proof=prove(template, tokenizer))


def _own(tokenizer: Tokenizer, jinja: str) -> ChatTemplate:
    """The tokenizer's jinja; contents are given as lists of parts where plain text does not do."""
    try:
        template = _template(tokenizer, "tokenizer", jinja, _shape(tokenizer, jinja, parts=False))
    except InputError as error:
        try:
            shape = _shape(tokenizer, jinja, parts=True)
        except InputError:
            raise error from None  # what it says about plain text is the message people can use
        template = replace(_template(tokenizer, "tokenizer", jinja, shape), parts=True)
    if template.masks and not _finds_turns(template):
        template = replace(template, masks=False, warnings=(
            "The template's {% generation %} marks miss assistant text; turns are found by the "
            "strings around them instead.",
        ))  # fmt: skip
    if not _finds_turns(template):
        raise InputError(
            f"The assistant's part cannot be found in what the chat template of {tokenizer.name} "
            f"writes; choose a named template: {', '.join(NAMED)}."
        )
    return template


def _finds_turns(template: ChatTemplate) -> bool:
    chat = conversation("uaua")
    text, spans = template.spans(chat, "content")
    found = [text[start:end].strip() for start, end in spans]
    return found == [chat[1]["content"], chat[3]["content"]]


def _named(tokenizer: Tokenizer, name: str, entry: NamedTemplate) -> ChatTemplate:
    """One of our templates, with a warning where its markers are no tokens of this tokenizer."""
    shape = _shape(tokenizer, entry.jinja, parts=False)
    template = replace(
        _template(tokenizer, name, entry.jinja, shape),
        headers=(entry.header, *shape.headers[1:]),
        user_header=entry.user_header,
        end_of_turn=entry.end_of_turn,
        last_end=entry.end_of_turn,
    )
    markers = MARKUP.findall(entry.header + entry.end_of_turn)
    missing = [m for m in dict.fromkeys(markers) if tokenizer.backend.token_to_id(m) is None]
    if missing:
        warning = (
            f"{', '.join(missing)}: markers of the template {name} that are no tokens of "
            f"{tokenizer.name}; they are counted as ordinary text."
        )
        template = replace(template, warnings=(warning,))
    return template


def _shape(tokenizer: Tokenizer, jinja: str, *, parts: bool) -> Shape:
    def render(messages: list[dict]) -> tuple[str, list[Span]]:
        return template_render.render(
            jinja, messages, special_tokens=tokenizer.special_tokens, parts=parts
        )

    return probe_shape(render)


def _template(tokenizer: Tokenizer, name: str, jinja: str, shape: Shape) -> ChatTemplate:
    return ChatTemplate(
        name=name,
        jinja=jinja,
        masks=template_render.has_marks(jinja),
        parts=False,
        special_tokens=tokenizer.special_tokens,
        **asdict(shape),
    )
