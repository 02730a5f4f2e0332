"""What the columns of a file hold, in words: for the sentence that nothing was recognised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vocabtrim_core.corpora.batches import canonical_role
from vocabtrim_core.corpora.schema import as_list

MOST_SEEN = 8  # columns in a sentence
KINDS = {
    str: "text",
    dict: "object",
    list: "list",
    bool: "yes or no",
    int: "number",
    float: "number",
    type(None): "empty",
}


def seen(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> str:
    """The columns and what is in them, for a sentence: "`id` (text), `data` (list of numbers)"."""
    told = [f"`{name[:40]}` ({_kind(sample, name)})" for name in columns[:MOST_SEEN]]
    more = len(columns) - len(told)
    return ", ".join([*told, *([f"{more} more"] if more else [])]) or "nothing"


def _kind(sample: Sequence[dict[str, Any]], name: str) -> str:
    value = next((row[name] for row in sample if row.get(name) is not None), None)
    listed = as_list(value)
    if listed:
        first = listed[0]
        keys = f" with {', '.join(map(str, [*first][:5]))}" if isinstance(first, dict) else ""
        return f"list of {KINDS.get(type(first), 'value')}s{keys}"
    if isinstance(value, dict):
        return f"object with {', '.join(map(str, [*value][:5]))}"
    return KINDS.get(type(value), "value")


def odd_messages(sample: Sequence[dict[str, Any]], name: str) -> str:
    """The words that map a list of objects with other keys; empty where it is none."""
    for row in sample:
        turns = as_list(row.get(name)) or []
        if len(turns) > 1 and all(isinstance(turn, dict) for turn in turns):
            keys = [k for k in turns[0] if all(isinstance(t.get(k), str) for t in turns)]
            keys.sort(
                key=lambda k: (
                    not all(canonical_role(t[k]) for t in turns),
                    len({t[k] for t in turns}),
                    len(turns[0][k]),
                )
            )
            if len(keys) > 1:
                return f"conversation={name} role={keys[0]} content={keys[1]}"
    return ""
