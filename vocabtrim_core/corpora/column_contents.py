"""What the columns of a file hold, in words, for error messages."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from vocabtrim_core.corpora.batches import canonical_role
from vocabtrim_core.corpora.schema import as_list

MOST_SEEN = 8  # columns named in a sentence
KINDS = {
    str: "text",
    dict: "object",
    list: "list",
    bool: "yes or no",
    int: "number",
    float: "number",
    bytes: "bytes",
    type(None): "empty",
}
SPEAKERS = ("speaker", "author", "sender", "who")


def describe_columns(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> str:
    """The columns and what they hold, for a sentence: "`id` (text), `data` (list of numbers)".

    Args:
        columns: Names of the columns.
        sample: The first rows of the file.

    Returns:
        At most `MOST_SEEN` columns and the number of further ones; "nothing" without columns.
    """
    described = [f"`{name[:40]}` ({_kind(sample, name)})" for name in columns[:MOST_SEEN]]
    count_left = len(columns) - len(described)
    return ", ".join([*described, *([f"{count_left} more"] if count_left else [])]) or "nothing"


def _kind(sample: Sequence[dict[str, Any]], name: str) -> str:
    value = next((row[name] for row in sample if row.get(name) is not None), None)
    items = as_list(value)
    if items:
        first = items[0]
        keys = f" with {', '.join(map(str, [*first][:5]))}" if isinstance(first, dict) else ""
        return f"list of {_plural(KINDS.get(type(first), 'value'))}{keys}"
    if isinstance(value, dict):
        return f"object with {', '.join(map(str, [*value][:5]))}"
    return KINDS.get(type(value), "value")


def _plural(kind: str) -> str:
    return kind if kind == "bytes" else f"{kind}s"


def message_key_options(sample: Sequence[dict[str, Any]], name: str) -> str:
    """Mapping options for a list of objects whose keys are not those of messages.

    Args:
        sample: The first rows of the file.
        name: The column.

    Returns:
        Words such as "conversation=NAME role=KEY content=KEY"; "" where no row has such a list.
    """
    lists = [as_list(row.get(name)) or [] for row in sample]
    lists = [turns for turns in lists if all(isinstance(turn, dict) for turn in turns)]
    turns = [turn for turns in lists for turn in turns]
    if not any(len(turns) > 1 for turns in lists):
        return ""
    keys = [k for k in turns[0] if all(isinstance(t.get(k), str) for t in turns)]
    keys.sort(
        key=lambda k: (
            not all(canonical_role(t[k]) for t in turns),
            k.lower() not in SPEAKERS,
            len({t[k] for t in turns}) == 1,
            len({t[k] for t in turns}),
            len(turns[0][k]),
        )
    )
    if len(keys) < 2:
        return ""
    return shlex.join([f"conversation={name}", f"role={keys[0]}", f"content={keys[1]}"])
