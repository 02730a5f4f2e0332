"""Keys of an assistant's message that hold text which is not read, and remarks on them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vocabtrim_core.corpora.loss_flags import FLAGS
from vocabtrim_core.corpora.reasoning import REASONING

CALLS = ("tool_calls", "function_call")
OTHER_ANSWERS = ("refusal", "audio")  # keys with the text of an answer, if not in its content
# Messages with these keys are decoded as Python rows.
RICH = (*CALLS, *REASONING, *OTHER_ANSWERS, *FLAGS)
# Keys of metadata about a message.
_ABOUT = """
    role from name id _id uuid message_id msg_id messageId parent parent_id parentId parentUuid
    turn_id turn turn_idx turn_index index idx order position rank hash md5 sha256
    timestamp timestamps time ts date created created_at createdAt updated_at create_time
    model model_name model_id model_slug provider system_fingerprint author sender user user_id
    recipient speaker agent session_id conversation_id chat_id
    lang language locale country type object kind status state source dataset domain category
    task split label labels tag tags topic score scores rating reward quality feedback emotion
    sentiment toxicity toxic moderation openai_moderation detoxify_moderation deleted redacted
    review_result review_count annotations citations logprobs usage tokens token_count num_tokens
    finish_reason stop_reason stop_sequence stop cache_control signature format metadata meta
    extra provider_specific_fields response_metadata additional_kwargs tool_call_id tool_use_id
    call_id image images video videos audios file files attachment attachments url urls
"""
METADATA = frozenset(_ABOUT.split())
DEPTH = 4  # nesting of values that are searched for text


def unread_keys(turn: Collection[str], keys: tuple[str, str]) -> list[str]:
    """The keys of a message that are neither read nor known metadata.

    Args:
        turn: The message, or its keys.
        keys: Keys under which it holds its role and its content.

    Returns:
        The keys, in order.
    """
    return [key for key in turn if key not in METADATA and key not in RICH and key not in keys]


def remark_on(key: str) -> str:
    """The remark for such a key where it holds text.

    Args:
        key: The key; 40 characters of it are shown.

    Returns:
        The remark, as the reason of a note.
    """
    return f"`{key[:40]}` of an assistant turn holds text that is not read"


def note_unread(turn: dict[str, Any], keys: tuple[str, str], remarks: list[str]) -> None:
    """Add a remark for every such key of an assistant turn that holds text.

    Args:
        turn: The message.
        keys: Keys under which it holds its role and its content.
        remarks: List that receives the remarks.
    """
    remarks += [remark_on(key) for key in unread_keys(turn, keys) if _holds_text(turn[key], DEPTH)]


def _holds_text(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and any(_holds_text(item, depth - 1) for item in inner)
