"""Tokens that a vocabulary keeps or drops whatever their counts: named sets, lists, scripts.

To add a named set, add an entry to `SETS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.lists import listed_ids as listed_ids
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.tokenizers.kinds import BYTES, NUMBER, WHITESPACE, TokenKinds, token_kinds
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

# What models write around tool calls and thoughts; those that are single tokens get protected.
TOOL_MARKERS = (
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<|python_tag|>",
    "<|eom_id|>",
    "<|python_start|>",
    "<|python_end|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[CALL_ID]",
    "<|tool_call|>",
    "<|/tool_call|>",
    "<function",
    "</function>",
    "<parameter",
    "</parameter>",
    "<|tool▁calls▁begin|>",
    "<|tool▁calls▁end|>",
    "<|tool▁call▁begin|>",
    "<|tool▁call▁end|>",
    "<|tool▁sep|>",
    "<|channel|>",
    "<|constrain|>",
    "<|call|>",
    "<|return|>",
    "<|message|>",
)
THOUGHT_MARKERS = ("<think>", "</think>", "[THINK]", "[/THINK]", "<reasoning>", "</reasoning>")


@dataclass(frozen=True, slots=True)
class ProtectedSet:
    """A named set of tokens.

    Attributes:
        name: Its key in `SETS`.
        title: For menus.
        why: What happens without these tokens, in a sentence.
        find: Gives the ids for a tokenizer and its chat template, if any.
    """

    name: str
    title: str
    why: str
    find: Callable[[Tokenizer, ChatTemplate | None], Iterable[int]]


def _end_of_turn(tokenizer: Tokenizer, template: ChatTemplate | None) -> set[int]:
    texts = {*tokenizer.stop_tokens, *(template.stop_tokens if template else ())}
    return {i for text in texts for i in tokenizer.ids(text)}


def _specials(tokenizer: Tokenizer, template: ChatTemplate | None) -> set[int]:
    written = template.jinja + "".join(template.special_tokens.values()) if template else ""
    named = set(tokenizer.special_tokens.values())
    used = {i for i, text in tokenizer.specials.items() if text in named or text in written}
    return used | _end_of_turn(tokenizer, template)


def _single_bytes(tokenizer: Tokenizer, template: ChatTemplate | None) -> list[int]:
    """Tokens of one byte: `<0x9F>`; in byte-level vocabularies single ASCII characters too."""
    kinds = token_kinds(tokenizer)
    fragments = kinds.ids(BYTES).tolist()
    single = [i for i, t in zip(fragments, tokenizer.tokens(fragments), strict=True) if len(t) == 6]
    ascii_ids = (tokenizer.ids(chr(byte)) for byte in range(128))
    return single + [ids[0] for ids in ascii_ids if len(ids) == 1]


def _digits(tokenizer: Tokenizer, template: ChatTemplate | None) -> list[int]:
    return [i for digit in "0123456789" for i in tokenizer.ids(digit)]


def _numbers(tokenizer: Tokenizer, template: ChatTemplate | None) -> list[int]:
    return token_kinds(tokenizer).ids(NUMBER).tolist()


def _whitespace(tokenizer: Tokenizer, template: ChatTemplate | None) -> list[int]:
    return token_kinds(tokenizer).ids(WHITESPACE).tolist()


def _markers(texts: Iterable[str]) -> Callable[[Tokenizer, ChatTemplate | None], list[int]]:
    def find(tokenizer: Tokenizer, template: ChatTemplate | None) -> list[int]:
        encoded = (tokenizer.ids(text) for text in texts)
        return [ids[0] for ids in encoded if len(ids) == 1]

    return find


SETS: Mapping[str, ProtectedSet] = {
    entry.name: entry
    for entry in (
        ProtectedSet(
            "end-of-turn",
            "End of turn",
            "Without it every draft runs past the end of an answer.",
            _end_of_turn,
        ),
        ProtectedSet(
            "specials",
            "Specials of the template",
            "The special tokens that the chat template writes, the end of turn among them.",
            _specials,
        ),
        ProtectedSet(
            "bytes",
            "Byte alphabet",
            "Text that no larger token fits is spelled byte by byte; without its bytes a rare "
            "script cannot be drafted at all.",
            _single_bytes,
        ),
        ProtectedSet("digits", "Digits", "0 to 9, each a token.", _digits),
        ProtectedSet("numbers", "Numbers", "Every token that is digits only.", _numbers),
        ProtectedSet(
            "whitespace",
            "White space",
            "Every run of blanks, tabs and line ends: the indentation of code.",
            _whitespace,
        ),
        ProtectedSet(
            "tool-calls",
            "Tool-call markers",
            "Markers such as <tool_call>, <|python_tag|> or [TOOL_CALLS] that are single tokens; "
            "chat corpora rarely hold them.",
            _markers(TOOL_MARKERS),
        ),
        ProtectedSet(
            "thoughts",
            "Reasoning markers",
            "Markers such as <think> that are single tokens.",
            _markers(THOUGHT_MARKERS),
        ),
    )
}


def protected_ids(name: str, tokenizer: Tokenizer, template: ChatTemplate | None) -> np.ndarray:
    """List the ids of a named set.

    Args:
        name: A key of `SETS`.
        tokenizer: The tokenizer.
        template: Its chat template, None without.

    Returns:
        int64, ascending, within 0..V - 1.

    Raises:
        InputError: There is no such set.
    """
    if name not in SETS:
        raise InputError(f"There is no protected set {name!r}; choose among {', '.join(SETS)}.")
    ids = {i for i in SETS[name].find(tokenizer, template) if i < tokenizer.vocab_size}
    return np.array(sorted(ids), np.int64)


def script_ids(frequencies: np.ndarray, kinds: TokenKinds, script: str, budget: int) -> np.ndarray:
    """Select the most frequent tokens of a script.

    Args:
        frequencies: [V], counts or shares.
        kinds: Kind and script of every token.
        script: Name of the script.
        budget: Number of tokens; unseen ones are taken by lowest id.

    Returns:
        int64, ascending, as many as `budget` where the script has so many.

    Raises:
        InputError: The budget is below 1.
    """
    if budget < 1:
        raise InputError(f"The budget of {script} must be 1 token or more, but it is {budget}.")
    ids = kinds.script_ids(script)
    return np.sort(ids[np.argsort(-frequencies[ids], kind="stable")[:budget]])


@dataclass(frozen=True, slots=True, eq=False)
class ProtectedGroup:
    """Tokens that a selection must keep.

    Attributes:
        name: For people.
        ids: int64.
    """

    name: str
    ids: np.ndarray


def rules_of(
    protected: Iterable[ProtectedGroup], excluded: np.ndarray | None = None, multiple: int = 1
) -> Rules:
    """Make the rules that keep every group.

    Args:
        protected: Sets of tokens to keep.
        excluded: int64 ids to leave out, None for none.
        multiple: The size is rounded up to a multiple of this.

    Returns:
        The rules, not checked against each other (`Rules.check`).
    """
    ids = frozenset(int(i) for group in protected for i in group.ids)
    left_out = frozenset(() if excluded is None else map(int, excluded))
    return Rules(ids, left_out, multiple)
