"""Where a rendered text may be cut so that its pieces encode to the ids of the whole.

An added token is always cut out of a text first, so a border beside one is safe whatever stands on
the other side. Other borders are safe for the characters that `fast_path` tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

NEAR = 64  # characters before a span that are searched for a border
BLANKS = ("word", " word", "\nword", "\n\nword")


class AddedTokens:
    """The added tokens of a tokenizer, as cuts in a text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokens = tokenizer.backend.get_added_tokens_decoder().values()
        self._texts = frozenset(token.content for token in tokens if token.content)
        self._lengths = sorted({len(text) for text in self._texts})
        self._first = frozenset(text[0] for text in self._texts)
        self._last = frozenset(text[-1] for text in self._texts)
        plain = not any(t.lstrip or t.rstrip or t.single_word or t.normalized for t in tokens)
        self.cuts = plain and self._encode_apart(tokenizer)

    def beside(self, text: str, at: int) -> bool:
        """Does an added token end or begin here?"""
        ends = text[at - 1 : at] in self._last
        if ends and any(text[at - n : at] in self._texts for n in self._lengths if n <= at):
            return True
        begins = text[at : at + 1] in self._first
        return begins and any(text[at : at + n] in self._texts for n in self._lengths)

    def border(self, text: str, at: int) -> bool:
        """Is this a token border whatever stands on its sides?"""
        return self.cuts and (at in (0, len(text)) or self.beside(text, at))

    def border_before(self, text: str, at: int) -> int | None:
        """The last such border up to here, None where there is none in the last characters."""
        return next((i for i in range(at, max(-1, at - NEAR), -1) if self.border(text, i)), None)

    def _encode_apart(self, tokenizer: Tokenizer) -> bool:
        """Text beside an added token has the ids it has alone: nothing is put before it."""
        for token in sorted(self._texts)[:3]:
            own = tokenizer.ids(token)
            for text in BLANKS:
                if tokenizer.ids(token + text) != own + tokenizer.ids(text):
                    return False
                if tokenizer.ids(text + token) != tokenizer.ids(text) + own:
                    return False
        return bool(self._texts)
