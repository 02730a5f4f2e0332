"""The kind of each token id: word, number, code, script, fragment of bytes, special."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

WORD, NUMBER, CODE, SYMBOL = "word", "number", "code and punctuation", "symbol"
WHITESPACE, BYTES, SPECIAL, UNUSED = "whitespace", "byte fragment", "special", "no token"
PLAIN = (WORD, NUMBER, CODE, SYMBOL, WHITESPACE, BYTES, SPECIAL, UNUSED)

INDIC = (
    "devanagari",
    "bengali",
    "gurmukhi",
    "gujarati",
    "oriya",
    "tamil",
    "telugu",
    "kannada",
    "malayalam",
    "sinhala",
)
# The first word of a letter's Unicode name is its script; these scripts are distinguished.
SCRIPTS = {
    "CJK": "han",
    "HIRAGANA": "kana",
    "KATAKANA": "kana",
    "HALFWIDTH": "kana",
    "HANGUL": "hangul",
    "BOPOMOFO": "bopomofo",
    "LATIN": "latin",
    "FULLWIDTH": "latin",
} | {
    name.upper(): name
    for name in (
        "greek",
        "cyrillic",
        "armenian",
        "hebrew",
        "arabic",
        "syriac",
        "thaana",
        *INDIC,
        "thai",
        "lao",
        "tibetan",
        "myanmar",
        "georgian",
        "ethiopic",
        "cherokee",
        "khmer",
        "mongolian",
        "tifinagh",
        "nko",
    )
}
FAMILIES = {
    "cjk": ("han", "kana", "hangul", "bopomofo"),
    "chinese": ("han", "bopomofo"),
    "japanese": ("han", "kana"),
    "korean": ("hangul",),
    "indic": INDIC,
}

FRAGMENT = re.compile(r"<0x[0-9A-F]{2}(?: 0x[0-9A-F]{2})*>")
# Letters, capital at most the first or all, with a blank, apostrophe or hyphen around them.
PROSE = re.compile(r"[ \u2019'-]?(?:[^\W\d_][^\W\d_A-Z]*|[A-Z]+)[\u2019'-]?")


@dataclass(frozen=True, slots=True, eq=False)
class TokenKinds:
    """The kind of every id in 0..V-1.

    Attributes:
        names: The kinds that occur: those of PLAIN in its order, then scripts by name.
        codes: uint8[V], for each id the index of its kind in `names`.
    """

    names: tuple[str, ...]
    codes: np.ndarray

    def name(self, i: int) -> str:
        """Return the kind of token id `i`, 0 <= i < V."""
        return self.names[self.codes[i]]

    def ids(self, name: str) -> np.ndarray:
        """Return the ids of the kind `name`, int64 and ascending; empty when there is none."""
        if name not in self.names:
            return np.empty(0, np.int64)
        return np.flatnonzero(self.codes == self.names.index(name))

    @property
    def scripts(self) -> tuple[str, ...]:
        """The scripts other than Latin that occur, and the families of them, sorted by name."""
        single = [name for name in self.names if name not in PLAIN]
        families = [name for name, members in FAMILIES.items() if set(members) & set(single)]
        return tuple(sorted({*single, *families}))

    def script_ids(self, script: str) -> np.ndarray:
        """Return the ids of a script or of a family of scripts.

        Args:
            script: A script, or a key of FAMILIES, such as "han" or "cjk".

        Returns:
            int64, ascending.

        Raises:
            InputError: No token is of this script; the message lists those that occur.
        """
        if script not in self.scripts:
            raise InputError(
                f"This tokenizer has no tokens of a script {script!r}; it has "
                f"{', '.join(self.scripts) or 'Latin script only'}."
            )
        members = FAMILIES.get(script, (script,))
        return np.sort(np.concatenate([self.ids(name) for name in members]))


@functools.lru_cache(maxsize=4)
def token_kinds(tokenizer: Tokenizer) -> TokenKinds:
    """Classify every id of a tokenizer.

    Args:
        tokenizer: The tokenizer; results of the last four are cached.

    Returns:
        The kinds of the ids 0..V-1; an id without a token has the kind UNUSED.
    """
    texts = tokenizer.tokens(range(tokenizer.vocab_size))
    kinds = [
        SPECIAL if i in tokenizer.specials else UNUSED if text == f"<id {i}>" else kind_of(text)
        for i, text in enumerate(texts)
    ]
    names = [name for name in PLAIN if name in set(kinds)]
    names += sorted(set(kinds) - set(PLAIN))
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.fromiter((code_of[kind] for kind in kinds), np.uint8, len(kinds))
    codes.setflags(write=False)
    return TokenKinds(tuple(names), codes)


def kind_of(text: str) -> str:
    """Return the kind of an ordinary (not special) token.

    Args:
        text: The token's display text, as `Tokenizer.token` gives it.

    Returns:
        One of PLAIN except SPECIAL and UNUSED, or the first script other than Latin in the text.
    """
    if text.isascii():
        if not text.strip():
            return WHITESPACE
        if FRAGMENT.fullmatch(text):
            return BYTES
        if text.strip().isdigit():
            return NUMBER
    elif not text.strip():
        return WHITESPACE
    elif foreign := next((s for s in map(_script, text) if s not in (None, "latin")), None):
        return foreign
    elif not any(map(_script, text)):
        return NUMBER if text.strip().isdecimal() else SYMBOL
    return WORD if PROSE.fullmatch(text) else CODE


@functools.cache
def _script(letter: str) -> str | None:
    """Return the script of a letter or of its mark; None for anything else."""
    if letter.isascii():
        return "latin" if letter.isalpha() else None
    if unicodedata.category(letter)[0] not in "LM":
        return None
    return SCRIPTS.get(unicodedata.name(letter, "").partition(" ")[0].partition("-")[0])
