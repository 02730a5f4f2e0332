# ruff: noqa: RUF001 - DeepSeek writes its markers with full-width bars
"""What tests of chat templates share: conversations, and counted text and ids both ways."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from vocabtrim_core.templates.chat_template import span_ids

SPECIALS = {"bos_token": "<s>", "eos_token": "</s>"}
NAMED_MARKERS = [
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eot|>",
    "<|header_start|>",
    "<|header_end|>",
    "<|im_sep|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
]
TWO_TURNS = [
    {"role": "user", "content": "one?"},
    {"role": "assistant", "content": "One."},
    {"role": "user", "content": "two?"},
    {"role": "assistant", "content": "Two."},
]

THOUGHTFUL = "<think>\nhm\n</think>\n\nYes."


def user(*assistants: str, **more) -> list[dict]:
    turns = (
        [{"role": "user", "content": "Q"}, {"role": "assistant", "content": a} | more]
        for a in assistants
    )
    return [message for turn in turns for message in turn]


def counted(template, messages, rule, **options) -> list[str]:
    text, spans = template.spans(messages, rule, **options)
    return [text[start:end] for start, end in spans]


def reference_ids(tokenizer, template, messages, rule, **options) -> list[int]:
    text, spans = template.spans(messages, rule, **options)
    found = span_ids(tokenizer, text, spans, masks=template.masks)
    return [i for ids in found for i in ids.tolist()]


def columns(chats: list[list[dict]]):
    """Roles, contents and offsets as in a MessageBatch."""
    messages = [message for chat in chats for message in chat]
    return (
        pa.array([message["role"] for message in messages], pa.string()),
        pa.array([message["content"] for message in messages], pa.large_string()),
        np.cumsum([0, *map(len, chats)]),
    )


def fast_ids(tokenizer, template, messages, rule) -> list[int] | None:
    """Ids without rendering, None where that is not proved."""
    return all_fast_ids(tokenizer, template, [messages], rule)[0]


def all_fast_ids(tokenizer, template, chats, rule) -> list[list[int] | None]:
    roles, contents, offsets = columns(chats)
    slow = template.rendering_rows(roles, contents, offsets, rule)
    written = iter(template.as_rendered(contents).to_pylist())
    found = []
    for chat, rendering in zip(chats, slow, strict=True):
        ids = []
        for at, message in enumerate(chat):
            content = next(written)
            if message["role"] == "assistant":
                frame = template.frames(rule)[at == len(chat) - 1]
                ids += [*frame.before, *tokenizer.ids(content), *frame.after]
        found.append(None if rendering else ids)
    return found
