"""Which columns hold the conversation: `Mapping`, and how a value is found in a row."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec

from vocabtrim_core.corpora.batches import canonical_role
from vocabtrim_core.corpora.skips import HALF_PAIR, NOT_JSON
from vocabtrim_core.errors import InputError

SHAPES = {
    "conversation": "a list of messages, each with a role and a content",
    "prompt_response": "a prompt column and a response column",
    "text": "whole conversations already rendered with a chat template",
}


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """How a file's columns are read; empty = not there.

    A column may be a path into nested values ("response.body.choices.0.message"): names and list
    positions joined by points. conversation: column with the list of messages; role, content: keys
    inside each message. prompt: one column, or several joined by blank lines
    ("instruction+input"); without one every response follows an empty user turn. history: the turns
    before it, pairs of a user's and the assistant's text. calls: the tool
    calls of the response. winner: the column that says which of two conversations
    ("conversation_a+conversation_b") or responses is read.
    roles: further role names, ((name in the file, one of ROLES), ...).
    """

    shape: str = ""
    conversation: str = ""
    role: str = "role"
    content: str = "content"
    prompt: str = ""
    response: str = ""
    history: str = ""
    text: str = ""
    domain: str = ""
    system: str = ""
    tools: str = ""
    calls: str = ""
    winner: str = ""
    roles: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.shape and self.shape not in SHAPES:
            raise InputError(f"Shape {self.shape!r} is unknown; it is one of {', '.join(SHAPES)}.")
        needed = {
            "conversation": ("conversation", "role", "content"),
            "prompt_response": () if self.calls else ("response",),
            "text": ("text",),
        }
        missing = [name for name in needed.get(self.shape, ()) if not getattr(self, name)]
        if missing:
            raise InputError(f"Shape {self.shape} needs a column for {' and '.join(missing)}.")
        wrong = [name for name, role in self.roles if canonical_role(role) != role]
        if wrong:
            raise InputError(f"Role {wrong[0]!r} is mapped to a role that does not exist.")

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompt columns, in the order they are joined."""
        return _several(self.prompt)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column this mapping reads, without repeats."""
        pair = (lambda name: _several(name)) if self.winner else (lambda name: (name,))
        shaped = {
            "conversation": pair(self.conversation),
            "prompt_response": (*self.prompts, *pair(self.response), self.calls, self.history),
            "text": (self.text,),
        }.get(self.shape, ())
        wanted = (*shaped, *_several(self.winner), self.domain, self.system, self.tools)
        return tuple(dict.fromkeys(name for name in wanted if name))

    def columns_of(self, names: Container[str]) -> tuple[str, ...]:
        """The columns of a file with these names that this mapping reads; of a path its first."""
        found = (name if name in names else name.partition(".")[0] for name in self.columns)
        return tuple(dict.fromkeys(name for name in found if name in names))

    @property
    def nested(self) -> bool:
        """Whether only the path over whole rows can read it."""
        pairs = self.shape == "prompt_response"
        return bool(
            self.winner
            or self.calls
            or self.history
            or (pairs and not self.prompt)
            or any("." in name for name in self.columns)
        )

    def over(self, guess: ColumnMapping) -> ColumnMapping:
        """The guess with what this mapping says of it; itself where it has a shape of its own."""
        if self.shape:
            return self
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(guess, **{n: value for n, value in said.items() if value != DEFAULTS[n]})

    def sentence(self) -> str:
        """The mapping in words."""
        if self.shape == "conversation":
            what = f"messages in `{self.conversation}` (`{self.role}`, `{self.content}`)"
        elif self.shape == "prompt_response":
            prompt = f"prompt in `{self.prompt}`, " if self.prompt else ""
            named = [f"response in `{self.response}`"] * bool(self.response)
            named += [f"tool calls in `{self.calls}`"] * bool(self.calls)
            named += [f"earlier turns in `{self.history}`"] * bool(self.history)
            what = prompt + ", ".join(named)
        elif self.shape == "text":
            what = f"rendered conversations in `{self.text}`"
        else:
            return "not recognised: choose the columns"
        extra = [
            f"{name} in `{getattr(self, name)}`"
            for name in ("winner", "system", "tools", "domain")
            if getattr(self, name)
        ]
        return ", ".join([what, *extra])

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> ColumnMapping:
        """From 'name=column' words as a command line gives them; the shape may be left out."""
        known = {f.name for f in fields(cls)} - {"roles"}
        values: dict[str, str] = {}
        roles = []
        for pair in pairs:
            name, equals, value = pair.partition("=")
            if name.startswith("roles.") and value:
                roles.append((name.removeprefix("roles.").lower(), value))
            elif equals and name in known:
                values[name] = value
            else:
                raise InputError(
                    f"Mapping {pair!r} is not name=column with a name among "
                    f"{', '.join(sorted(known))} (or roles.NAME=ROLE)."
                )
        if "shape" not in values:
            shapes = {
                "conversation": "conversation",
                "text": "text",
                "calls": "prompt_response",
                "response": "prompt_response",
                "prompt": "prompt_response",
            }
            values["shape"] = next((shapes[name] for name in shapes if values.get(name)), "")
        return cls(**values, roles=tuple(roles))  # type: ignore[arg-type]


# How Python's notation begins where JSON would have double quotes; and what of it is read, at most.
PYTHON = re.compile(r"\s*(array\()?(\{'|\[\s*[\[{]\s*['\"])")
LONGEST_LITERAL = 2**20
DEFAULTS = {f.name: f.default for f in fields(ColumnMapping)}


def value_at(row: dict[str, Any], path: str) -> Any:
    """What a row holds under a column's name or a path; None where it leads nowhere.

    JSON kept as text is read on the way.
    """
    if path in row or "." not in path:
        return row.get(path)
    value: Any = row
    for step in path.split("."):
        if isinstance(value, str):
            value = from_text(value)
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def from_text(value: Any) -> Any:
    """An object or list that was stored as text, in JSON or in Python's notation; anything else as
    it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return from_python(value)
    return value


def from_python(text: str) -> Any:
    """Objects, or lists of objects or lists, as `str()` of Python or NumPy writes them, which is
    how pandas puts them into a CSV file, or JSON with NaN in it; any other text as it is.

    Only literals that JSON has too are read, and nothing is run. NumPy writes no commas, but a line
    end, between items.
    """
    for read in (json.loads, _literal):
        try:
            found = json.dumps(read(text), ensure_ascii=False)
            found.encode()  # no half of a surrogate pair
            return json.loads(found)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text


def _literal(text: str) -> Any:
    if not PYTHON.match(text) or len(text) > LONGEST_LITERAL:
        raise ValueError("not a literal that is read")
    return ast.literal_eval(re.sub(r"(?<=[}\]])\s*\n\s*(?=[{\[])", ", ", text.strip()))


def unread_because(text: str) -> str:
    """Why text that looks like a list or objects was not read as such; "" where it does not."""
    try:
        is_json = isinstance(json.loads(text), list | dict)
    except (ValueError, RecursionError):
        is_json = False
    if is_json:
        return f"is {HALF_PAIR}"
    return NOT_JSON if PYTHON.match(text) else ""


def as_list(value: Any) -> list[Any] | None:
    """A list, also when it was stored as JSON text; None for anything else."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        value = from_text(value)
    return value if isinstance(value, list) else None


def _several(columns: str) -> tuple[str, ...]:
    return tuple(name for name in columns.split("+") if name)
