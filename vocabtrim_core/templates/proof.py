# ruff: noqa: RUF001 - samples of many scripts
# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
"""Where counting needs no rendering: a probe of one template with one tokenizer.

Claim: the ids of a rendered assistant turn are encode(content as rendered) + end_of_turn_ids. It
holds where a token boundary always falls between header and content, and between content and
end-of-turn. That depends on the characters at the edges (classes below are tried one by one), on
literal markup inside the content, and on which roles follow each other. Everything that was not
seen to hold is pointed out by `unproved` and `rows`, and must take the reference path.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.shape import conversation

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

# What Python's str.strip (jinja's trim) removes; RE2's \s and Unicode's White_Space both differ.
BLANKS = "".join(
    chr(c)
    for c in (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
              0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
)  # fmt: skip
_BLANK = (
    r"\x09\x0b\x0c\x1c-\x20\x85\x{a0}\x{1680}"
    r"\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
)
# Classes of edge characters, as RE2 classes, with samples of each.
EDGES: dict[str, tuple[str, ...]] = {
    r"[\r\n]": ("\n", "\n\n", "\r\n", "\r", "\n \n"),
    f"[{_BLANK}]": (
        " ", "  ", "\t", " \t", "\u00a0", "\u3000", "\x1c", "\x85", "\u2028", " \n ", "\t\r\n\t",
    ),
    r"\p{L}": ("a", "Q", "é", "ß", "ǅ", "ʰ", "你", "こ", "한", "ا", "ש", "ก", "s", "T"),
    r"\p{M}": ("\u0301", "\u0338", "\u093e", "\u20dd", "\ufe0f"),
    r"\p{N}": ("7", "42", "1234", "½", "٣", "Ⅷ", "①"),
    rf"[^\r\n{_BLANK}\p{{L}}\p{{M}}\p{{N}}]": (
        ".", ",", "'", "'s", '"', "<", ">", "<|", "|>", "</", "[", "]", "(", ")", "{", "}", "/",
        "\\", "_", "-", "#", "*", "`", "```", "$", "€", "+", "=", "~", "—", "…", "。", "😀", "👩‍👧",
        "\u200b", "\ufeff", "\ue000", "\x00", "\x7f", "\u0378", ".\n.", "-- -",
    ),
}  # fmt: skip
NEUTRAL = "word"
ROLES = ("system", "user", "assistant", "tool")
OTHER, START, END = 4, 5, 6  # codes beside the positions in ROLES
# Role orders that are tried, by first letters; every pair of roles is neighbours in one of them.
TURNS = 50  # in one conversation of probes
COMMON = ("ua", "uaua", "uauaua", "sua", "suaua")
ORDERS = (
    *COMMON, "u", "uau", "su", "uua", "uuaua", "uaa", "uaaua", "a", "au", "aua", "aa", "sa", "sau",
    "saua", "uata", "uataua", "uatta", "uat", "uatu", "uatua", "uta", "ta", "usa", "usua", "uasua",
    "uas", "uasa", "ssua", "s",
)  # fmt: skip
THOUGHT = "</?think>"
EMPTY_THOUGHT = r"<think>[ \t\r\n]*</think>"  # left out of spans, see template_spans
HINT = 4  # characters of markup that are looked for in all text
THOUGHTFUL = "<think>\nGarnet ponders\n</think>\n\nBeryl answers"


def strip(contents: pa.LargeStringArray) -> pa.LargeStringArray:
    """str.strip of every content."""
    return pc.utf8_trim(contents, characters=BLANKS)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was shown for one template and tokenizer.

    edges: RE2 expression of contents with an edge for which the claim fails, "" for none.
    literals: strings that make a content special (added tokens, the template's own markup and
    string constants).  openers: strings that forge an assistant turn in other roles' contents.
    pairs: rule -> bool[7, 7], may the second role follow the first (ROLES, other, start, end)?
    """

    fast: bool
    end_of_turn_ids: tuple[int, ...]
    edges: str
    literals: tuple[str, ...] = field(repr=False)
    openers: tuple[str, ...]
    thoughts: bool  # are thoughts rendered like any text?
    pairs: dict[str, np.ndarray] = field(repr=False)  # by rule

    def unproved(
        self, contents: pa.LargeStringArray, *, trims: bool, reasoning: bool
    ) -> np.ndarray:
        """bool[M]: assistant contents that must be rendered."""
        return self._marked(contents, reasoning) | self._edged(contents, trims)

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
        """bool[n]: conversations that must be rendered (see ChatTemplate.rendering_rows)."""
        known = pc.index_in(roles, value_set=pa.array(ROLES, roles_type(roles)))
        codes = pc.fill_null(known, OTHER).to_numpy(zero_copy_only=False)
        spoken = codes == ROLES.index("assistant")
        bad = np.zeros(len(codes), bool)
        # Few contents hold even the beginning of markup: only those are looked at closely.
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

    def _marked(self, contents: pa.LargeStringArray, reasoning: bool) -> np.ndarray:
        """bool[M]: assistant contents with markup inside."""
        plain = reasoning and self.thoughts
        return _matches(contents, self.literals, EMPTY_THOUGHT if plain else THOUGHT)

    def _edged(self, contents: pa.LargeStringArray, trims: bool) -> np.ndarray:
        """bool[M]: assistant contents with an edge for which the claim fails."""
        if not self.edges:
            return np.zeros(len(contents), bool)
        shown = strip(contents) if trims else contents
        return _bools(pc.match_substring_regex(shown, self.edges))


def roles_type(roles: pa.Array) -> pa.DataType:
    """The type of the strings in a plain or dictionary-encoded array."""
    return roles.type.value_type if pa.types.is_dictionary(roles.type) else roles.type


def _those(contents: pa.LargeStringArray, wanted: np.ndarray) -> pa.LargeStringArray:
    return contents.filter(pa.array(wanted))


def _matches(contents: pa.LargeStringArray, literals: tuple[str, ...], *others: str) -> np.ndarray:
    """bool[M]: does a content hold one of the literals, or match another RE2 expression?"""
    pattern = _pattern(literals, others)
    if not pattern or not len(contents):  # compiling a thousand literals takes its time
        return np.zeros(len(contents), bool)
    return _bools(pc.match_substring_regex(contents, pattern))


@functools.lru_cache  # asked for every batch, and a tokenizer may have a thousand added tokens
def _pattern(literals: tuple[str, ...], others: tuple[str, ...]) -> str:
    return "|".join([*map(_escaped, literals), *others])


def _escaped(literal: str) -> str:
    return "".join(c if c.isalnum() else f"\\x{{{ord(c):x}}}" for c in literal)


def _bools(array: pa.BooleanArray) -> np.ndarray:
    return array.to_numpy(zero_copy_only=False).copy()


# --- the probes ---------------------------------------------------------------------------------


def prove(template: ChatTemplate, tokenizer: Tokenizer) -> Proof:
    """Find out for which contents and role orders a turn needs no rendering."""
    prober = _Prober(template, tokenizer)
    pairs = {rule: prober.pairs(rule) for rule in ("assistant", "content", "reference")}
    edges, holds = prober.edges()
    added = (t.content for t in tokenizer.backend.get_added_tokens_decoder().values())
    own = (*template.headers, template.thought_header, template.end_of_turn, template.last_end,
           template.user_header)  # fmt: skip
    literals = {text for text in (*added, *own) if len(text.strip()) > 1}
    return Proof(
        fast=holds and bool(pairs["assistant"].any()),
        end_of_turn_ids=prober.end_of_turn_ids,
        edges=edges,
        literals=tuple(sorted(literals | string_tests(template.jinja))),
        openers=tuple(filter(None, (*template.headers, template.thought_header))),
        thoughts=prober.agrees([THOUGHTFUL, THOUGHTFUL]),
        pairs=pairs,
    )


def string_tests(jinja: str) -> set[str]:
    """Strings a template looks for in contents: `'…' in content`, `content.split('…')`."""
    quoted = r"""(?:'([^'\n]+)'|"([^"\n]+)")"""
    methods = r"(?:r?split|r?find|count|replace|startswith|endswith|r?partition|remove\w+)"
    found = re.findall(rf"{quoted}\s+(?:not\s+)?in\b|\.{methods}\(\s*{quoted}", jinja)
    texts = {"".join(groups).replace("\\n", "\n").strip() for groups in found}
    return {text for text in texts if len(text) > 2 and not text.isidentifier()}  # a field's name


class _Prober:
    """Compares the two ways to the ids of assistant turns on chosen conversations."""

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self.template, self.tokenizer = template, tokenizer
        with_end, without = (self._turns(conversation("uaua"), r) for r in ("assistant", "content"))
        self.end_of_turn_ids = tuple(with_end[0][len(without[0]) :].tolist())

    def _turns(self, messages: list[dict], rule: str) -> list[np.ndarray]:
        from vocabtrim_core.templates.spans import span_ids

        text, spans = self.template.spans(messages, rule)
        return span_ids(self.tokenizer, text, spans, masks=self.template.masks)

    def _expected(self, messages: list[dict], rule: str) -> list[list[int]]:
        """Ids per assistant message as the fast path counts them."""
        turns = []
        for at, message in enumerate(messages):
            if message["role"] == "assistant":
                content = message["content"].strip() if self.template.trims else message["content"]
                ends = rule == "assistant" or (rule == "reference" and at == len(messages) - 1)
                turns.append(self.tokenizer.ids(content) + list(self.end_of_turn_ids) * ends)
        return turns

    def same(self, messages: list[dict], rule: str = "assistant") -> bool:
        """Are the ids of every assistant turn the same both ways? Not where rendering fails."""
        try:
            turns = self._turns(messages, rule)
        except InputError:
            return False
        return [turn.tolist() for turn in turns if len(turn)] == [
            t for t in self._expected(messages, rule) if t
        ]

    def agrees(self, contents: list[str]) -> bool:
        """The same for these assistant contents, in turns in the middle and at the end."""
        chats = (contents[at : at + TURNS] for at in range(0, len(contents), TURNS))
        return all(self.same(conversation("ua" * len(some), some)) for some in chats)

    def edges(self) -> tuple[str, bool]:
        """(RE2 expression of the contents that fail, does the claim hold for all others)."""
        if not self.agrees([NEUTRAL, NEUTRAL]):
            return "", False
        starts, ends, bad = [], [], []
        before, after = self.template.header[-1:], self.template.end_of_turn[:1]
        for letters, samples in EDGES.items():
            blank = not any(map(str.strip, samples))
            if blank and self.template.trims:
                continue  # no content begins or ends with a blank once it is stripped
            for good, beside, pattern, texts in (
                (starts, before, rf"\A{letters}", [sample + NEUTRAL for sample in samples]),
                (ends, after, rf"{letters}\z", [NEUTRAL + sample for sample in samples]),
            ):
                # Blanks beside blanks make one run, of which samples would prove too little.
                if not (blank and beside.isspace()) and self.agrees(texts):
                    good += samples
                else:
                    bad.append(pattern)
        if not self.agrees(["", NEUTRAL, ""]):
            bad.append(r"\A\z")
        edges = "|".join(bad)
        mixed = pa.array([a + z for a in starts for z in ends] + starts, pa.large_string())
        if edges:
            mixed = mixed.filter(pc.invert(pc.match_substring_regex(mixed, edges)))
        return edges, self.agrees([NEUTRAL, *mixed.to_pylist()])

    def pairs(self, rule: str) -> np.ndarray:
        """bool[7, 7]: neighbours that make up the conversations that agree, and no other tried."""
        passed = [order for order in ORDERS if self.same(conversation(order), rule)]
        common = set().union(*(_neighbours(order) for order in COMMON if order in passed))
        pairs = set().union(*(_neighbours(order) for order in passed))
        failed = [_neighbours(order) for order in ORDERS if order not in passed]
        while let_through := [order for order in failed if order <= pairs]:
            blamed = Counter(pair for order in let_through for pair in sorted(order - common))
            pairs = pairs - {blamed.most_common(1)[0][0]} if blamed else set()
        allowed = np.zeros((7, 7), bool)
        for pair in pairs:
            allowed[pair] = True
        return allowed


def _neighbours(order: str) -> set[tuple[int, int]]:
    codes = [START, *("suat".index(letter) for letter in order), END]
    return set(itertools.pairwise(codes))
