"""Token ids as text for display."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tokenizers


def display(
    i: int, backend: tokenizers.Tokenizer, added: dict[int, str], byte_of: dict[str, int] | None
) -> str:
    """Return the display text of a token id.

    Args:
        i: The id, 0 or more.
        backend: The tokenizer.
        added: Id -> text of the added tokens.
        byte_of: Letter -> byte, for byte-level BPE (see `byte_of_letter`); None for other models.

    Returns:
        The token's text; its bytes as <0xE2 0x96> where they are not UTF-8; <id 151700> where
        there is no such token.
    """
    if i in added:
        return added[i]
    piece = backend.id_to_token(i)
    if piece is None:
        return f"<id {i}>"
    if byte_of is None:
        return piece.replace("\u2581", " ")  # SentencePiece writes a blank as ▁
    raw = bytes(byte_of[letter] for letter in piece)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "<" + " ".join(f"0x{byte:02X}" for byte in raw) + ">"


def byte_of_letter() -> dict[str, int]:
    """Return the byte for each printable letter that byte-level BPE writes instead of it.

    Printable Latin-1 characters stand for themselves; the other 68 bytes are the letters from
    U+0100 on.

    Returns:
        256 entries, letter -> byte.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    unprintable = (byte for byte in range(256) if byte not in printable)
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(unprintable)}


_MARKS = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}


def visible(text: str) -> str:
    r"""Return token text on one line, with white space and control characters made visible.

    Args:
        text: Any text.

    Returns:
        The text with marks such as ␣ for a blank, and \uXXXX for other such characters.
    """
    return "".join(
        _MARKS.get(c) or (f"\\u{ord(c):04x}" if unicodedata.category(c)[0] in "CZ" else c)
        for c in text
    )
