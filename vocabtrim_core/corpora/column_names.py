"""Names of columns by what they hold, and checks of a column's values in a file's first rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from vocabtrim_core.corpora.content_parts import system_text
from vocabtrim_core.corpora.message_paths import CONVERSATIONS, HISTORY
from vocabtrim_core.corpora.schema import unread_because

# Names are in order of preference. A guess is sure when exactly one column of a file fits.
ALTERNATING = (*CONVERSATIONS, "data")  # UltraChat's name for its lists of texts
PROMPTS = ("prompt", "instruction", "question", "query", "problem", "input", "user")
RESPONSES = ("response", "output", "answer", "completion", "chosen", "solution", "assistant")
INPUTS, OUTPUTS = ("inputs", "input"), ("outputs", "output", "reference_outputs")  # objects
UNREAD = (*HISTORY, "reasoning", "reasoning_content", "thinking")  # beside a prompt: not read
REJECTED = ("rejected", "rejected_response", "rejected_messages", "reject")
CALLS = ("answers", "function_calls", "tool_calls", "calls")  # beside a query, as in xLAM
SYSTEMS = (
    "system",
    "system_prompt",
    "systeminstruction",
    "system_instruction",
    "meta_instruction",
)
INSTRUCTIONS = ("instructions",)  # the system message beside items of OpenAI's Responses API
TOOLS = ("tools", "functions", "toolconfig", "tool_config")
TEXTS = ("text",)
DOMAINS = ("domain", "category", "subject", "source", "task", "dataset")
WINNERS = ("winner", "preference", "winner_model_a")
IDENTITY = re.compile(r"(.*[_-])?(id|ids|uuid|guid|idx|index|hash|md5|sha\d*|url|timestamp)", re.I)
CHAT_MARKS = (
    "<|im_start|>",
    "<|start_header_id|>",
    "<|header_start|>",
    "<start_of_turn>",
    "[INST]",
    "<|assistant|>",
    "<\uff5cAssistant\uff5c>",
    "<|start|>",
)


def all_of_type(sample: Sequence[dict[str, Any]], name: str, kind: type) -> bool:
    """Whether a column has values in the sample and all of them are of one type.

    Args:
        sample: Rows of a file; a missing key counts as null.
        name: The column.
        kind: The Python type, such as `str`.

    Returns:
        True where at least one value is not null and every such value is of the type.
    """
    values = [row.get(name) for row in sample if row.get(name) is not None]
    return bool(values) and all(isinstance(value, kind) for value in values)


def all_text(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column holds system messages: texts, parts of text, or objects with such parts.

    Args:
        sample: Rows of a file.
        name: The column.

    Returns:
        True where at least one value is not empty and `system_text` reads every such value.
    """
    values = [row[name] for row in sample if row.get(name)]
    return bool(values) and all(system_text(value) is not None for value in values)


def has_chat_marks(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a text of a column contains a marker of a known chat template.

    Args:
        sample: Rows of a file.
        name: A column of texts.

    Returns:
        True where one of `CHAT_MARKS` is in any of the texts.
    """
    return any(mark in (row.get(name) or "") for row in sample for mark in CHAT_MARKS)


def why_unread(sample: Sequence[dict[str, Any]], name: str) -> str:
    """Why texts that look like lists of messages were not read as lists.

    Args:
        sample: Rows of a file.
        name: A column of texts.

    Returns:
        The column and the reason of the first such text; "" where there is none.
    """
    why = next(filter(None, (unread_because(row.get(name) or "") for row in sample)), "")
    return f"`{name}` {why}" if why else ""


def is_label(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column's texts are few and short, as domain labels are and ids are not.

    With one row there is no evidence, and the column counts as labels.

    Args:
        sample: Rows of a file.
        name: A column of texts.

    Returns:
        True where all texts have at most 80 characters and at most half of them differ, or where
        the column is called domain, category or subject.
    """
    values = [row[name] for row in sample if row.get(name)]
    few = len(set(values)) <= max(1, len(values) // 2)
    return (
        bool(values) and all(len(v) <= 80 for v in values) and (few or name.lower() in DOMAINS[:3])
    )


def first_named(names: Sequence[str], columns: Iterable[str]) -> str:
    """The most preferred column that has one of the names.

    Args:
        names: Names in lower case, most preferred first.
        columns: Columns of a file, in any case.

    Returns:
        The column as the file writes it; "" where none has such a name.
    """
    return next(iter(columns_named(names, columns)), "")


def columns_named(names: Sequence[str], columns: Iterable[str]) -> list[str]:
    """The columns that have one of the names, compared without case.

    Args:
        names: Names in lower case, most preferred first.
        columns: Columns of a file.

    Returns:
        The columns as the file writes them, most preferred first.
    """
    return [column for name in names for column in columns if column.lower() == name]
