"""The definition of a counted span, carried out literally.

It renders the beginnings of a conversation as they are and compares texts. It uses no parts,
prompts or loops and shares no code with `turns`, which is checked against it: when a template is
probed, and on a sample of every corpus that is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

PIECE = re.compile(r"<[^<>\s]{1,64}>")  # of markup
Text = Callable[[Sequence[Mapping[str, Any]], bool], str]


def generated(
    text: Text,
    messages: Sequence[Mapping[str, Any]],
    i: int,
    header: str = "",
    trailer: str = "",
) -> str | None:
    """What the model would have generated as one message, and what the template writes after it.

    Args:
        text: (messages, whether with the generation prompt) -> rendered text; raises InputError
            where the template refuses.
        messages: The conversation.
        i: Index of the message.
        header: What usually opens an answer, for templates that write it with the answer alone.
        trailer: What the template writes after every conversation, which is the generation prompt
            where it equals the header.

    Returns:
        The text; None where the template writes the earlier messages differently once message i is
        there, so that the two texts cannot be compared.

    Raises:
        InputError: The template refuses a beginning of the conversation.
    """
    before, closed = text(messages[:i], True), text(messages[:i], False)
    after = text(messages[: i + 1], False).removesuffix(trailer)
    written = before.endswith(header) and before != closed
    bare = closed.removesuffix(trailer)
    if trailer != header:
        before = bare + before[len(closed) :] if before.startswith(closed) else before
    if header and not written and after.startswith(before + header):
        before += header
    if after.startswith(before):
        return after[len(before) :]
    # What stands before the first message (a system prompt of the template's own) comes with it.
    opening = before[len(closed) :] if before.startswith(closed) else ""
    if not i and opening.strip() and opening in after:
        return after.partition(opening)[2]
    if i and not after.startswith(_open(bare)):
        return None
    # The prompt opens something that this turn does not have (a thought): cut at a piece of markup.
    pairs = enumerate(zip(before, after, strict=False))
    shared = next((n for n, (left, right) in pairs if left != right), min(len(before), len(after)))
    opened = before.rfind("<", 0, shared)
    if opened >= 0 and (piece := PIECE.match(before, opened)) and shared < piece.end():
        shared = opened
    # Or this turn alone closes the message before (Hermes 3: a result of a tool).
    added = before[len(bare) :] if before.startswith(bare) else ""
    late = re.compile(rf"(?:\s|{PIECE.pattern})*?{re.escape(added)}")
    closed_late = late.match(after, shared) if added.strip() else None
    return after[closed_late.end() if closed_late else shared :]


def _open(text: str) -> str:
    """A text without the piece of markup that closes it, which a template may write later."""
    text = text.rstrip()
    if text.endswith((">", "]")):
        return text[: max(text.rfind("<"), text.rfind("["), 0)]
    return text
