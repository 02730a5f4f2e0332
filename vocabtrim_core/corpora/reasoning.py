"""The reasoning of a message, under whatever key it stands."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.corpora.batches import MessageBatch
from vocabtrim_core.corpora.parts import text_in
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
# How every remark about reasoning begins: none is due where reasoning does not count.
REMARK = "reasoning "


def notes_of(batch: MessageBatch, *, reasoning: bool) -> SkipReport:
    """What the rows of a batch lost when they were read; of reasoning only where it counts."""
    notes = SkipReport.of(batch, notes=True)
    return notes if reasoning else notes.without(REMARK)


def reasoning_in(turn: dict[str, Any], known: str, remarks: list[str]) -> str:
    """The reasoning of an assistant turn: what is known of it from its parts, else the first text.

    What is not carried goes to remarks.
    """
    for key in REASONING:
        if not turn.get(key):
            continue
        text, lost = _text_of(turn[key])
        remarks += [f"{REMARK}in `{key}` {why}" for why in lost]
        if text and not known:
            known = text
        elif text and "".join(text.split()) != "".join(known.split()):
            remarks.append(f"{REMARK}in `{key}` is a second one of its message and was dropped")
    return known


def why_unread(part: dict[str, Any]) -> str:
    """The remark about a part or item that holds its thought encrypted alone; "" for others."""
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
    lost: list[str] = []
    before = None
    for item in value:
        text = text_in(item)
        if _is_encrypted(item, text):
            lost.append("is encrypted and cannot be counted")
        elif text is None:
            lost.append("is not text and was dropped")
        elif text:
            here = _stretch(item)
            apart = pieces and (here is None or here != before)
            pieces.append(f"\n\n{text}" if apart else text)
            before = here
    return "".join(pieces), list(dict.fromkeys(lost))


def _stretch(item: Any) -> Any:
    """What pieces of one thought share: the index that a stream numbers them by, or being parts of
    type text; None for a thought of its own."""
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
