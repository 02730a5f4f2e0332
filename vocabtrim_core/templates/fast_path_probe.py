# ruff: noqa: RUF001 - samples of many scripts
# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
"""The probes that prove a template's fast path (see `fast_path`), with one tokenizer."""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.fast_path import END, START, FastPath, Frame
from vocabtrim_core.templates.format import conversation
from vocabtrim_core.templates.spans import span_ids
from vocabtrim_core.templates.verify import SpanError, check_spans

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

_BLANK = (
    r"\x09\x0b\x0c\x1c-\x20\x85\x{a0}\x{1680}"
    r"\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
)
# Classes of edge characters, as RE2 classes, with samples of each.
EDGES: dict[str, tuple[str, ...]] = {
    r"[\r\n]": ("\n", "\n\n", "\r\n", "\r", "\n \n"),
    f"[{_BLANK}]": (
        " ",
        "  ",
        "\t",
        " \t",
        "\u00a0",
        "\u3000",
        "\x1c",
        "\x85",
        "\u2028",
        " \n ",
        "\t\r\n\t",
    ),
    r"\p{L}": ("a", "Q", "é", "ß", "ǅ", "ʰ", "你", "こ", "한", "ا", "ש", "ก", "s", "T"),
    r"\p{M}": ("\u0301", "\u0338", "\u093e", "\u20dd", "\ufe0f"),
    r"\p{N}": ("7", "42", "1234", "½", "٣", "Ⅷ", "①"),
    rf"[^\r\n{_BLANK}\p{{L}}\p{{M}}\p{{N}}]": (
        ".",
        ",",
        "'",
        "'s",
        '"',
        "<",
        ">",
        "<|",
        "|>",
        "</",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "/",
        "\\",
        "_",
        "-",
        "#",
        "*",
        "`",
        "```",
        "$",
        "€",
        "+",
        "=",
        "~",
        "—",
        "…",
        "。",
        "😀",
        "👩‍👧",
        "\u200b",
        "\ufeff",
        "\ue000",
        "\x00",
        "\x7f",
        "\u0378",
        ".\n.",
        "-- -",
    ),
}
NEUTRAL = "word"
# Role orders that are tried, by first letters; every pair of roles is neighbours in one of them.
TURNS = 50  # in one conversation of probes
COMMON = ("ua", "uaua", "uauaua", "sua", "suaua")
ORDERS = (
    *COMMON,
    "u",
    "uau",
    "su",
    "uua",
    "uuaua",
    "uaa",
    "uaaua",
    "a",
    "au",
    "aua",
    "aa",
    "sa",
    "sau",
    "saua",
    "uata",
    "uataua",
    "uatta",
    "uat",
    "uatu",
    "uatua",
    "uta",
    "ta",
    "usa",
    "usua",
    "uasua",
    "uas",
    "uasa",
    "ssua",
    "s",
)
THOUGHTFUL = "<think>\nGarnet ponders\n</think>\n\nBeryl answers"


def prove(template: ChatTemplate, tokenizer: Tokenizer) -> FastPath:
    """Find out for which contents and role orders a turn needs no rendering.

    Args:
        template: The chat template.
        tokenizer: The tokenizer.

    Returns:
        What was shown.
    """
    prober = _Prober(template, tokenizer)
    pairs = {rule: prober.pairs(rule) for rule in prober.frames}
    edges, holds = prober.edges() if "assistant" in pairs else ("", False)
    # Contents directly beside a user's may be encoded together with them.
    apart = template.header.strip() and (template.user_header.strip() or any(template.ends))
    added = (t.content for t in tokenizer.backend.get_added_tokens_decoder().values())
    markers = template.markers
    template_markup = (
        *markers.headers,
        *markers.stops,
        *markers.roles,
        *template.ends,
        template.user_header,
    )
    literals = {text for text in (*added, *template_markup) if len(text.strip()) > 1}
    no_pairs = np.zeros((7, 7), bool)
    return FastPath(
        fast=holds and bool(apart) and bool(pairs["assistant"].any()),
        frames=prober.frames,
        edges=edges,
        starts="|".join(part for part in edges.split("|") if part.startswith(r"\A")),
        literals=tuple(sorted(literals | string_tests(template.jinja))),
        openers=tuple(filter(None, markers.headers)),
        thoughts=holds and prober.agrees([THOUGHTFUL, THOUGHTFUL]),
        pairs={rule: pairs.get(rule, no_pairs) for rule in ("assistant", "content", "reference")},
    )


def string_tests(jinja: str) -> set[str]:
    """The strings that a template searches in contents: `'…' in content`, `content.split('…')`.

    Args:
        jinja: Source of the template.

    Returns:
        The strings of at least three characters that are no identifiers.
    """
    quoted = r"""(?:'([^'\n]+)'|"([^"\n]+)")"""
    methods = r"(?:r?split|r?find|count|replace|startswith|endswith|r?partition|remove\w+)"
    matches = re.findall(rf"{quoted}\s+(?:not\s+)?in\b|\.{methods}\(\s*{quoted}", jinja)
    texts = {"".join(groups).replace("\\n", "\n").strip() for groups in matches}
    return {text for text in texts if len(text) > 2 and not text.isidentifier()}  # a field's name


class _Prober:
    """Compares the ids of assistant turns, rendered and by the fast path, on probes."""

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self.template, self.tokenizer = template, tokenizer
        self.frames: dict[str, tuple[Frame, Frame]] = {}
        for rule in ("assistant", "content", "reference"):
            turns = self._turns(conversation("uaua", [NEUTRAL, NEUTRAL]), rule)
            frames = [self._frame(turn.tolist()) for turn in turns]
            if len(frames) == 2 and frames[0] and frames[1]:
                self.frames[rule] = frames[0], frames[1]

    def _frame(self, turn: list[int]) -> Frame | None:
        """The ids around those of the neutral content."""
        content = self.tokenizer.ids(NEUTRAL)
        for at in range(len(turn) - len(content) + 1):
            if turn[at : at + len(content)] == content:
                return Frame(tuple(turn[:at]), tuple(turn[at + len(content) :]))
        return None

    def _turns(self, messages: list[dict[str, Any]], rule: str) -> list[np.ndarray]:
        text, spans = self.template.spans(messages, rule)
        return span_ids(self.tokenizer, text, spans, masks=self.template.masks)

    def _expected(self, messages: list[dict[str, Any]], rule: str) -> list[list[int]]:
        """Ids per assistant message as the fast path counts them."""
        turns = []
        for at, message in enumerate(messages):
            if message["role"] == "assistant":
                content = message["content"].strip() if self.template.trims else message["content"]
                before, after = self.frames[rule][at == len(messages) - 1]
                turns.append([*before, *self.tokenizer.ids(content), *after])
        return turns

    def same(self, messages: list[dict[str, Any]], rule: str = "assistant") -> bool:
        """Whether both ways give the ids of every assistant turn; False where rendering fails."""
        try:
            turns = self._turns(messages, rule)
        except InputError:
            return False
        return [turn.tolist() for turn in turns if len(turn)] == [
            t for t in self._expected(messages, rule) if t
        ]

    @functools.cache  # noqa: B019 - lives as long as the probe
    def defined(self, order: str) -> bool:
        """Whether the turns of a role order are where the definition has them."""
        try:
            check_spans(self.template, conversation(order))
        except SpanError:
            return False
        return True

    def agrees(self, contents: list[str]) -> bool:
        """Whether both ways agree on these contents, in the middle and at the end."""
        groups = (contents[at : at + TURNS] for at in range(0, len(contents), TURNS))
        return all(self.same(conversation("ua" * len(group), group)) for group in groups)

    def edges(self) -> tuple[str, bool]:
        """(RE2 expression of the contents that fail, whether the claim holds for all others)."""
        if not self.agrees([NEUTRAL, NEUTRAL]):
            return "", False
        starts, ends, bad = [], [], []
        before, after = self._neighbours_of_content()
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

    def _neighbours_of_content(self) -> tuple[str, str]:
        """The characters just before and after an answer."""
        chat = conversation("ua", [NEUTRAL])
        text = self.template.render(chat)
        at = text.rindex(NEUTRAL)
        return text[:at][-1:], text[at + len(NEUTRAL) :][:1]

    def pairs(self, rule: str) -> np.ndarray:
        """bool[7, 7]: neighbours that occur in agreeing role orders and allow no failing one."""
        passed = [o for o in ORDERS if self.same(conversation(o), rule) and self.defined(o)]
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
