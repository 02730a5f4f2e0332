# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
"""Where counting needs no rendering: the result of probing one template with one tokenizer.

Claim: the ids of a rendered assistant turn are encode(content as rendered) between the ids of a
frame. The frame holds what the template itself writes before an answer (Qwen 3: an empty <think>
block in the last turn) and the stop token after it. The frame of a conversation's last message may
be another one. The claim holds where a token boundary always falls between frame and content. That
depends on the characters at the edges (the classes below are tried one by one), on literal markup
inside the content, and on which roles follow each other. Everything that was not shown to hold is
marked by `rows`, and must be rendered.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What Python's str.strip (jinja's trim) removes; RE2's \s and Unicode's White_Space both differ.
BLANKS = "".join(
    chr(c)
    for c in (
        *range(9, 14),
        *range(28, 33),
        0x85,
        0xA0,
        0x1680,
        *range(0x2000, 0x200B),
        0x2028,
        0x2029,
        0x202F,
        0x205F,
        0x3000,
    )
)
ROLES = ("system", "user", "assistant", "tool")
OTHER, START, END = 4, 5, 6  # codes beside the positions in ROLES
THOUGHT = "</?think>"
HINT = 4  # first characters of markup that are searched in all text


def strip(contents: pa.LargeStringArray) -> pa.LargeStringArray:
    """Strip every content like `str.strip`.

    Args:
        contents: large_string[M].

    Returns:
        large_string[M].
    """
    return pc.utf8_trim(contents, characters=BLANKS)


class Frame(NamedTuple):
    """The ids of a turn around those of its content.

    Attributes:
        before: Ids before the content.
        after: Ids after the content.
    """

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FastPath:
    """What was shown for one template and tokenizer.

    Attributes:
        fast: Whether the claim holds for any contents.
        frames: Rule -> (frame of a turn inside a conversation, frame of one that is its last
            message).
        edges: RE2 expression of contents with an edge for which the claim fails, "" for none.
        starts: The alternatives of `edges` that are about the first characters.
        literals: Strings that make a content special: added tokens, the template's own markup and
            string constants.
        openers: Strings that would open an assistant turn in other roles' contents.
        thoughts: Whether reasoning is rendered like any text.
        pairs: Rule -> bool[7, 7], whether the second role may follow the first (ROLES, other,
            start, end).
    """

    fast: bool
    frames: dict[str, tuple[Frame, Frame]]
    edges: str
    starts: str
    literals: tuple[str, ...] = field(repr=False)
    openers: tuple[str, ...]
    thoughts: bool
    pairs: dict[str, np.ndarray] = field(repr=False)

    def rows(
        self,
        roles: pa.Array,
        contents: pa.LargeStringArray,
        offsets: np.ndarray,
        rule: str,
        *,
        trims: bool,
        reasoning: bool,
    ) -> np.ndarray:
        """The conversations that must be rendered (see `ChatTemplate.rendering_rows`).

        Args:
            roles: string or dictionary[M].
            contents: large_string[M].
            offsets: int64[n+1]; the messages of conversation i are offsets[i]:offsets[i+1].
            rule: A key of `pairs`.
            trims: Whether the template strips contents.
            reasoning: Whether reasoning counts.

        Returns:
            bool[n].
        """
        known = pc.index_in(roles, value_set=pa.array(ROLES, roles_type(roles)))
        codes = pc.fill_null(known, OTHER).to_numpy(zero_copy_only=False)
        spoken = codes == ROLES.index("assistant")
        bad = np.zeros(len(codes), bool)
        # Few contents hold even the beginning of markup: only those are searched for all of it.
        hints = tuple(sorted({literal[:HINT] for literal in (*self.literals, *self.openers)}))
        hinted = _matches(contents, hints, THOUGHT)
        bad[hinted & spoken] = self._marked(_those(contents, hinted & spoken), reasoning)
        bad[hinted & ~spoken] = _matches(_those(contents, hinted & ~spoken), self.openers)
        if self.edges:
            bad[spoken] |= self._edged(_those(contents, spoken), trims)
        first, last = offsets[:-1], offsets[1:] - 1
        filled = last >= first
        before = np.concatenate([[START], codes[:-1]])
        before[first[filled]] = START
        allowed = self.pairs[rule]
        bad |= ~allowed[before, codes]
        bad[last[filled]] |= ~allowed[codes[last[filled]], END]
        total = np.concatenate([[0], np.cumsum(bad)])
        return (total[offsets[1:]] > total[offsets[:-1]]) | ~filled

    def begins_apart(self, texts: pa.LargeStringArray) -> np.ndarray:
        """The texts that begin with a token border after the header.

        Args:
            texts: large_string[M].

        Returns:
            bool[M].
        """
        if not self.fast:
            return np.zeros(len(texts), bool)
        return ~_matches(texts, (), self.starts) if self.starts else np.ones(len(texts), bool)

    def _marked(self, contents: pa.LargeStringArray, reasoning: bool) -> np.ndarray:
        """bool[M]: assistant contents with markup inside."""
        thoughts = () if reasoning and self.thoughts else (THOUGHT,)
        return _matches(contents, self.literals, *thoughts)

    def _edged(self, contents: pa.LargeStringArray, trims: bool) -> np.ndarray:
        """bool[M]: assistant contents with an edge for which the claim fails."""
        if not self.edges:
            return np.zeros(len(contents), bool)
        shown = strip(contents) if trims else contents
        return _bools(pc.match_substring_regex(shown, self.edges))


def roles_type(roles: pa.Array) -> pa.DataType:
    """The type of the strings in a plain or dictionary-encoded array.

    Args:
        roles: The array.

    Returns:
        The Arrow type.
    """
    return roles.type.value_type if pa.types.is_dictionary(roles.type) else roles.type


def _those(contents: pa.LargeStringArray, selected: np.ndarray) -> pa.LargeStringArray:
    return contents.filter(pa.array(selected))


def _matches(contents: pa.LargeStringArray, literals: tuple[str, ...], *others: str) -> np.ndarray:
    """bool[M]: whether a content holds one of the literals, or matches another RE2 expression."""
    pattern = _pattern(literals, others)
    if not pattern or not len(contents):  # compiling a thousand literals takes its time
        return np.zeros(len(contents), bool)
    return _bools(pc.match_substring_regex(contents, pattern))


@functools.lru_cache  # called for every batch; a tokenizer may have a thousand added tokens
def _pattern(literals: tuple[str, ...], others: tuple[str, ...]) -> str:
    return "|".join([*map(_escaped, literals), *others])


def _escaped(literal: str) -> str:
    return "".join(c if c.isalnum() else f"\\x{{{ord(c):x}}}" for c in literal)


def _bools(array: pa.BooleanArray) -> np.ndarray:
    return array.to_numpy(zero_copy_only=False).copy()
