"""What to say about a file in which no conversation was recognised."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from vocabtrim_core.corpora.column_contents import message_key_options
from vocabtrim_core.corpora.column_names import (
    PROMPTS,
    all_of_type,
    columns_named,
    why_unread,
)
from vocabtrim_core.corpora.skips import remedy_of

UNRECOGNISED = "No column was recognised."
NO_RESPONSES = "There are prompts but no responses."


def explain_unrecognised(
    columns: Sequence[str], sample: Sequence[dict[str, Any]], texts: Sequence[str]
) -> tuple[str, str]:
    """Why no conversation was recognised, and what to map or to change.

    Args:
        columns: Names of all columns.
        sample: The first rows of the file.
        texts: The columns that hold texts.

    Returns:
        (reason, advice), a sentence each.
    """
    texts = [name for name in texts if name.strip()]
    prompts = columns_named(PROMPTS, texts)
    others = [name for name in texts if name not in prompts]
    if prompts and not others:
        advice = "Answer them with the target model first, and give a file with both."
        return NO_RESPONSES, advice
    if reason := next(filter(None, (why_unread(sample, name) for name in texts)), ""):
        remedy = remedy_of(reason)
        return f"{reason}.", f"{remedy[:1].upper()}{remedy[1:]}."
    if odd := next(filter(None, (message_key_options(sample, name) for name in columns)), ""):
        return UNRECOGNISED, f"Map the keys of its objects: {odd}."
    if len(texts) > 1:
        prompt = prompts[0] if prompts else texts[0]
        response = next(name for name in texts if name != prompt)
        words = shlex.join([f"prompt={prompt}", f"response={response}"])
        advice = f"Map a prompt and a response, for example {words}."
        return NO_RESPONSES if prompts else UNRECOGNISED, advice
    if raw := [name for name in columns if all_of_type(sample, name, bytes)]:
        return (
            UNRECOGNISED,
            f"Write {' and '.join(f'`{name}`' for name in raw[:4])} as text, not bytes.",
        )
    advice = (
        'Write every row as {"messages": [{"role": "user", "content": "…"}, '
        '{"role": "assistant", "content": "…"}]}'
    )
    if texts:
        advice += f", or map {shlex.quote(f'text={texts[0]}')} if that holds rendered conversations"
    return UNRECOGNISED, f"{advice}."
