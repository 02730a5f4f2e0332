"""Token ids as text for people."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tokenizers


def display(
    i: int, backend: tokenizers.Tokenizer, added: dict[int, str], byte_of: dict[str, int] | None
) -> str:
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
    """Byte-level BPE writes each byte as one printable letter; this is the way back.

    Printable Latin-1 stands for itself, the other 68 bytes are the letters from U+0100 on.
    """
    own = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in own)
    return {chr(b): b for b in own} | {chr(256 + i): b for i, b in enumerate(others)}


_MARKS = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}


def visible(text: str) -> str:
    """Token text on one line with its white space and control characters made visible."""
    return "".join(
        _MARKS.get(c) or (f"\\u{ord(c):04x}" if unicodedata.category(c)[0] in "CZ" else c)
        for c in text
    )
