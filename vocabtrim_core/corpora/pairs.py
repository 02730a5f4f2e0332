"""Turns that name their speaker in a key: pairs of a question and an answer, as ms-swift and
XTuner take them ({"human": …, "assistant": …}, {"system": …, "input": …, "output": …}), or one
speaker each ({"user": …})."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vocabtrim_core.corpora.batches import canonical_role
from vocabtrim_core.corpora.items import turns_of_items
from vocabtrim_core.corpora.langchain import turns_of_langchain

ASKED = ("human", "user", "query", "question", "prompt", "instruction", "input", "tool")
ANSWERED = ("assistant", "gpt", "bot", "model", "response", "answer", "output")


def speakers(turn: Any) -> tuple[str, ...]:
    """The keys of a turn that hold what its speakers say, in order; none where it is no such."""
    if not isinstance(turn, Mapping) or not {"role", "from", "content"}.isdisjoint(turn):
        return ()
    known = {str(key).lower(): key for key, value in turn.items() if value is not None}
    system = [known[name] for name in ("system",) if isinstance(turn.get(known.get(name)), str)]
    asked = [known[name] for name in ASKED if name in known]
    answered = [known[name] for name in ANSWERED if name in known]
    if len(asked) == 1 and len(answered) == 1:
        return (*system, *asked, *answered)
    alone = [*known.values()] if len(known) == 1 and canonical_role(next(iter(known))) else []
    return tuple(key for key in alone if isinstance(turn[key], str))


def turns_of_pairs(turns: list[Any], role: str, content: str) -> list[Any]:
    """Such turns as messages; any other list as it is. What stands beside an answer stays with it.

    role, content: the keys under which messages hold these.
    """
    named = [speakers(turn) for turn in turns]
    if not turns or not all(named):
        return turns
    found = []
    for turn, keys in zip(turns, named, strict=True):
        for key in keys:
            who = canonical_role(key) or ("user" if key.lower() in ASKED else "assistant")
            beside = {k: v for k, v in turn.items() if k not in keys}
            found.append({role: who, content: turn[key]} | (beside if who == "assistant" else {}))
    return found


def as_messages(turns: list[Any], role: str, content: str) -> list[Any]:
    """A list of turns in any of the shapes that are none of messages, as messages."""
    for read in (turns_of_items, turns_of_langchain, turns_of_pairs):
        turns = read(turns, role, content)
    return turns
