"""The reasoning of a message, under any of the keys that rows use."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.corpora.batches import MessageBatch
from vocabtrim_core.corpora.content_parts import text_in
from vocabtrim_core.corpora.skips import SkipReport

# Texts (vLLM, DeepSeek, gpt-oss), then lists of objects: `reasoning_details` of OpenRouter,
# `thinking_blocks` and `reasoning_items` of LiteLLM. The first that holds text is carried.
REASONING = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_details",
    "thinking_blocks",
    "reasoning_items",
)
# The beginning of every remark about reasoning, by which remarks are left out where it is not
# counted.
REMARK = "reasoning "


def notes_of(batch: MessageBatch, *, reasoning: bool) -> SkipReport:
    """What the rows of a batch lost when they were read.

    Args:
        batch: The batch.
        reasoning: Whether reasoning counts; if not, remarks about it are left out.

    Returns:
        The remarks by reason.
    """
    notes = SkipReport.of(batch, notes=True)
    return notes if reasoning else notes.without(REMARK)


def reasoning_in(turn: dict[str, Any], known: str, remarks: list[str]) -> str:
    """The reasoning of an assistant turn.

    Args:
        turn: The message as the row gives it.
        known: The reasoning found in the parts of its content, "" for none.
        remarks: List that receives a remark for everything that is not carried.

    Returns:
        The known reasoning, else the text under the first key of `REASONING` that has one.
    """
    for key in REASONING:
        if not turn.get(key):
            continue
        text, losses = _text_of(turn[key])
        remarks += [f"{REMARK}in `{key}` {reason}" for reason in losses]
        if text and not known:
            known = text
        elif text and "".join(text.split()) != "".join(known.split()):
            remarks.append(f"{REMARK}in `{key}` is a second one of its message and was dropped")
    return known


def why_unread(part: dict[str, Any]) -> str:
    """The remark about a part of which the reasoning is encrypted.

    Args:
        part: A part of a message, or an item of OpenAI's Responses.

    Returns:
        The remark; "" where the part has readable text or is not encrypted.
    """
    sealed = _is_encrypted(part, text_in({**part, "encrypted_content": None}))
    return (
        f"{REMARK}in a part of type {part.get('type')} is encrypted and cannot be counted" * sealed
    )


def _text_of(value: Any) -> tuple[str, list[str]]:
    """(the text of a thought, why parts of it are not in there)."""
    if not isinstance(value, list):
        text = text_in(value)
        return text or "", ["is not text and was dropped"] * (text is None)
    pieces: list[str] = []
    losses: list[str] = []
    previous = None
    for item in value:
        text = text_in(item)
        if _is_encrypted(item, text):
            losses.append("is encrypted and cannot be counted")
        elif text is None:
            losses.append("is not text and was dropped")
        elif text:
            group = _stretch(item)
            is_separate = pieces and (group is None or group != previous)
            pieces.append(f"\n\n{text}" if is_separate else text)
            previous = group
    return "".join(pieces), list(dict.fromkeys(losses))


def _stretch(item: Any) -> Any:
    """The group of a piece of reasoning; adjacent pieces of one group are one thought.

    Args:
        item: A piece.

    Returns:
        The index that a stream numbers the pieces by, or "text" for parts of type text; None for a
        thought of its own.
    """
    if not isinstance(item, dict):
        return "text"
    if item.get("index") is not None:
        return item["index"], item.get("type")
    return "text" if item.get("type") in ("text", "summary_text", None) else None


def _is_encrypted(item: Any, text: str | None) -> bool:
    if not isinstance(item, dict):
        return False
    kind = str(item.get("type"))
    sealed = item.get("data") or item.get("encrypted_content")
    return kind.endswith("encrypted") or kind.startswith("redacted") or bool(sealed and not text)
