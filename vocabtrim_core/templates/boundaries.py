"""Where a rendered text may be cut so that its pieces encode to the ids of the complete text.

An added token is always cut out of a text first, so a border beside one is safe with any
neighbours. Other borders are safe for the characters that `fast_path` tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

NEAR = 64  # characters before a span that are searched for a border
BLANKS = ("word", " word", "\nword", "\n\nword")


class AddedTokens:
    """The added tokens of a tokenizer, as places where a text may be cut.

    Attributes:
        cuts: Whether text beside an added token always has the ids that it has alone.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokens = tokenizer.backend.get_added_tokens_decoder().values()
        self._texts = frozenset(token.content for token in tokens if token.content)
        self._lengths = sorted({len(text) for text in self._texts})
        self._first = frozenset(text[0] for text in self._texts)
        self._last = frozenset(text[-1] for text in self._texts)
        plain = not any(t.lstrip or t.rstrip or t.single_word or t.normalized for t in tokens)
        self.cuts = plain and self._encode_apart(tokenizer)

    def beside(self, text: str, at: int) -> bool:
        """Whether an added token ends or begins at a position.

        Args:
            text: The text.
            at: Position in it.

        Returns:
            True where one does.
        """
        ends = text[at - 1 : at] in self._last
        if ends and any(text[at - n : at] in self._texts for n in self._lengths if n <= at):
            return True
        begins = text[at : at + 1] in self._first
        return begins and any(text[at : at + n] in self._texts for n in self._lengths)

    def border(self, text: str, at: int) -> bool:
        """Whether a position is a token border with any neighbours.

        Args:
            text: The text.
            at: Position in it.

        Returns:
            True at either end of the text and beside an added token, if the tokenizer cuts there.
        """
        return self.cuts and (at in (0, len(text)) or self.beside(text, at))

    def border_before(self, text: str, at: int) -> int | None:
        """The last such border at or before a position.

        Args:
            text: The text.
            at: Position in it.

        Returns:
            The border; None where the last `NEAR` characters have none.
        """
        return next((i for i in range(at, max(-1, at - NEAR), -1) if self.border(text, i)), None)

    def _encode_apart(self, tokenizer: Tokenizer) -> bool:
        """Whether text beside an added token has the ids that it has alone."""
        for token in sorted(self._texts)[:3]:
            token_ids = tokenizer.ids(token)
            for text in BLANKS:
                if tokenizer.ids(token + text) != token_ids + tokenizer.ids(text):
                    return False
                if tokenizer.ids(text + token) != tokenizer.ids(text) + token_ids:
                    return False
        return bool(self._texts)
