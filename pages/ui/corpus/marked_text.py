"""Text in pieces: tokens, those in and out of the draft vocabulary, counted spans of a chat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamlit.components.v2 import component

HERE = Path(__file__).parent
_MARKED = component(
    "marked_text",
    html='<div class="marked" role="region"\n tabindex="0"></div>',
    css=(HERE / "marked_text.css").read_text("utf-8"),
    js=(HERE / "marked_text.js").read_text("utf-8"),
)
NEWLINE = "↵\n"
KINDS = ("", "token", "in", "out", "counted")


def marked_text(
    pieces: Sequence[tuple[str, str, str]], *, key: str, alt: str, height: int | None = None
) -> None:
    """Pieces of (text, kind of KINDS, tooltip), drawn one after the other.

    Args:
        pieces: (text, kind of KINDS, tooltip) of each piece.
        key: key of the component.
        alt: what the text is, for screen readers.
        height: in pixels, None for as high as the text.
    """
    _MARKED(data={"pieces": [list(p) for p in pieces], "alt": alt, "height": height}, key=key)


def span_pieces(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, str, str]]:
    """A rendered conversation with its counted ranges marked; a newline that ends one is drawn.

    Args:
        text: a rendered conversation.
        spans: start and end of each counted range, in characters.
    """
    pieces, at = [], 0
    for start, end in spans:
        own = text[start:end]
        last = len(own) - len(own.rstrip("\n"))
        own = own[: len(own) - last] + NEWLINE * last
        pieces += [(text[at:start], "", ""), (own, "counted", "counted")]
        at = end
    pieces.append((text[at:], "", ""))
    return [piece for piece in pieces if piece[0]]
