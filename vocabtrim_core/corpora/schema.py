"""`ColumnMapping`: which columns hold the conversation, and how a value is found in a row."""

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
from vocabtrim_core.corpora.trees import CURRENT
from vocabtrim_core.errors import InputError

SHAPES = {
    "conversation": "a list of messages, each with a role and a content",
    "prompt_response": "a prompt column and a response column",
    "text": "whole conversations already rendered with a chat template",
}


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """How a file's columns are read; an empty text means that there is no such column.

    A column may be a path into nested values ("response.body.choices.0.message"): names and list
    positions joined by points.

    Attributes:
        shape: One of `SHAPES`, "" where it is to be recognised.
        conversation: Column with the list of messages.
        role: Key of the role in each message.
        content: Key of the content in each message.
        prompt: One column, or several joined by blank lines ("instruction+input"); without one
            every response follows an empty user turn.
        response: Column with the response, or two ("response_a+response_b") where there is a
            winner.
        history: Column with the turns before the prompt, as pairs of a user's and an assistant's
            text.
        text: Column with rendered conversations.
        domain: Column with the domain label.
        system: Column with the system message.
        tools: Column with the tool definitions.
        calls: Column with the tool calls of the response.
        winner: Column that names which of two conversations ("conversation_a+conversation_b") or
            responses is read.
        roles: Further role names, ((name in the file, one of ROLES), ...).

    Raises:
        InputError: The shape is unknown or lacks a column, or a role is mapped to an unknown one.
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
        return several(self.prompt)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column this mapping reads, without repeats."""
        shaped = {
            "conversation": ("conversation",),
            "prompt_response": ("prompt", "response", "calls", "history"),
            "text": ("text",),
        }.get(self.shape, ())
        holders = (*shaped, "winner", "domain", "system", "tools")
        names = [name for field in holders for name in self.columns_in(field)]
        return tuple(dict.fromkeys(name for name in names if name))

    def columns_in(self, field: str) -> tuple[str, ...]:
        """The columns that a field names, as the file has them.

        Args:
            field: Name of a field that holds columns.

        Returns:
            One name; of prompts, and of two answers with a winner, several.
        """
        stated = getattr(self, field)
        return several(stated) if field in self.joined else (stated,) * bool(stated)

    @property
    def joined(self) -> tuple[str, ...]:
        """The fields that may name several columns, joined by "+"."""
        return ("prompt", *OF_TWO) if self.winner else ("prompt",)

    def columns_of(self, names: Container[str]) -> tuple[str, ...]:
        """The columns of a file that this mapping reads; of a path its first name.

        Beside a conversation that may be the last node of its tree (`trees`).

        Args:
            names: The file's columns.

        Returns:
            The columns without repeats, those that the file lacks left out.
        """
        wanted = (*self.columns, CURRENT) if self.shape == "conversation" else self.columns
        columns = (name if name in names else name.partition(".")[0] for name in wanted)
        return tuple(dict.fromkeys(name for name in columns if name in names))

    @property
    def nested(self) -> bool:
        """Whether only the decoder of Python rows can read it."""
        pairs = self.shape == "prompt_response"
        return bool(
            self.winner
            or self.calls
            or self.history
            or (pairs and not self.prompt)
            or any("." in name for name in self.columns)
        )

    def over(self, guess: ColumnMapping) -> ColumnMapping:
        """Combine this mapping with a guess.

        Args:
            guess: The mapping recognised in the file.

        Returns:
            The guess, changed where this mapping differs from the defaults; this mapping itself
            where it has a shape.
        """
        if self.shape:
            return self
        own_values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(
            guess, **{n: value for n, value in own_values.items() if value != DEFAULTS[n]}
        )

    def sentence(self) -> str:
        """The mapping in words, for a sentence."""
        if self.shape == "conversation":
            columns = f"messages in `{self.conversation}` (`{self.role}`, `{self.content}`)"
        elif self.shape == "prompt_response":
            prompt = f"prompt in `{self.prompt}`, " if self.prompt else ""
            parts = [f"response in `{self.response}`"] * bool(self.response)
            parts += [f"tool calls in `{self.calls}`"] * bool(self.calls)
            parts += [f"earlier turns in `{self.history}`"] * bool(self.history)
            columns = prompt + ", ".join(parts)
        elif self.shape == "text":
            columns = f"rendered conversations in `{self.text}`"
        else:
            return "not recognised: choose the columns"
        extra = [
            f"{name} in `{getattr(self, name)}`"
            for name in ("winner", "system", "tools", "domain")
            if getattr(self, name)
        ]
        return ", ".join([columns, *extra])

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> ColumnMapping:
        """Read a mapping as a command line gives it.

        Args:
            pairs: Words 'name=column', also 'roles.NAME=ROLE'; the shape may be left out.

        Returns:
            The mapping.

        Raises:
            InputError: A word has another form, or the mapping is incomplete.
        """
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
        mapping = cls(**values, roles=tuple(roles))  # type: ignore[arg-type]
        verbatim = {name: plain_name(v) for name, v in values.items() if name not in mapping.joined}
        return replace(mapping, **verbatim)  # type: ignore[arg-type]


# How Python's notation begins where JSON would have double quotes; and what of it is read, at most.
PYTHON = re.compile(r"\s*(array\()?(\{'|\[\s*[\[{]\s*['\"])")
LONGEST_LITERAL = 2**20
OF_TWO = ("conversation", "response", "winner")  # fields with two columns where one wins
PLUS = re.compile(r"(?<!\\)\+")  # between the names of columns
DEFAULTS = {f.name: f.default for f in fields(ColumnMapping)}


def value_at(row: dict[str, Any], path: str) -> Any:
    """The value of a row under a column's name or a path; JSON stored as text is read on the way.

    Args:
        row: The row.
        path: Name of a column, or names and list positions joined by points.

    Returns:
        The value; None where the path leads nowhere.
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
    """Read an object or list that was stored as text, in JSON or in Python's notation.

    Args:
        value: Any value.

    Returns:
        The object or list; the value itself where it is anything else.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return from_python(value)
    return value


def from_python(text: str) -> Any:
    """Read objects or lists as `str()` of Python or NumPy writes them, or JSON with NaN in it.

    pandas writes such text into CSV files. Only literals that JSON has too are read, and nothing is
    run. NumPy writes no commas, but a line end, between items.

    Args:
        text: The stored text.

    Returns:
        The objects or list; the text itself where it cannot be read.
    """
    for read in (json.loads, _literal):
        try:
            as_json = json.dumps(read(text), ensure_ascii=False)
            as_json.encode()  # no half of a surrogate pair
            return json.loads(as_json)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text


def _literal(text: str) -> Any:
    if not PYTHON.match(text) or len(text) > LONGEST_LITERAL:
        raise ValueError("not a literal that is read")
    return ast.literal_eval(re.sub(r"(?<=[}\]])\s*\n\s*(?=[{\[])", ", ", text.strip()))


def unread_because(text: str) -> str:
    """Why text that looks like a list or objects was not read as such.

    Args:
        text: The text.

    Returns:
        The reason, as the end of a sentence; "" where the text does not look like a list or
        objects.
    """
    try:
        is_json = isinstance(json.loads(text), list | dict)
    except (ValueError, RecursionError):
        is_json = False
    if is_json:
        return f"is {HALF_PAIR}"
    return NOT_JSON if PYTHON.match(text) else ""


def as_list(value: Any) -> list[Any] | None:
    """Read a list, also one that was stored as text.

    Args:
        value: Any value.

    Returns:
        The list; None for anything else.
    """
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        value = from_text(value)
    return from_texts(value) if isinstance(value, list) else None


def from_texts(items: list[Any]) -> list[Any]:
    """Read messages that were stored as a list of JSON texts.

    Args:
        items: A list.

    Returns:
        The objects where every item is the text of one with a role; else the list itself.
    """
    if not all(isinstance(item, str) and item.lstrip()[:1] == "{" for item in items):
        return items
    objects = [from_text(item) for item in items]
    are_messages = all(isinstance(o, dict) and ("role" in o or "from" in o) for o in objects)
    return objects if are_messages else items


def several(columns: str) -> tuple[str, ...]:
    """The columns that a field names: joined by "+", a plus of a name itself written "\\+".

    Args:
        columns: What the field of a mapping holds.

    Returns:
        Their names, as the file has them.
    """
    return tuple(plain_name(name) for name in PLUS.split(columns) if name)


def one_of_several(name: str) -> str:
    """A column's name as a field that may hold several writes it, the inverse of `several`."""
    return name.replace("+", r"\+")


def plain_name(name: str) -> str:
    """A column's name without the marks of `one_of_several`."""
    return name.replace(r"\+", "+")
