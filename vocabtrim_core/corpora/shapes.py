"""Which columns hold the conversation: `Mapping`, and the guess made from the first rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec

from vocabtrim_core.corpora.batches import canonical_role
from vocabtrim_core.errors import InputError

SHAPES = {
    "conversation": "a list of messages, each with a role and a content",
    "prompt_response": "a prompt column and a response column",
    "text": "whole conversations already rendered with a chat template",
}

# Names in order of preference; a guess is sure when exactly one of a row's columns fits.
CONVERSATIONS = ("messages", "conversations", "conversation", "chat", "dialogue", "dialog")
ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value")
PROMPTS = ("prompt", "instruction", "question", "query", "problem", "input", "user")
RESPONSES = ("response", "output", "answer", "completion", "chosen", "solution", "assistant")
SYSTEMS = ("system", "system_prompt")
TEXTS = ("text",)
DOMAINS = ("domain", "category", "subject", "source", "task", "dataset")
CHAT_MARKS = ("<|im_start|>", "<|start_header_id|>", "<|header_start|>", "<start_of_turn>")
CHAT_MARKS += ("[INST]", "<|assistant|>", "<｜Assistant｜>", "<|start|>")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Mapping:
    """How a file's columns are read; empty = not there.

    conversation: column with the list of messages; role, content: keys inside each message.
    prompt: one column, or several joined by blank lines ("instruction+input").
    roles: further role names, ((name in the file, one of ROLES), ...).
    """

    shape: str = ""
    conversation: str = ""
    role: str = "role"
    content: str = "content"
    prompt: str = ""
    response: str = ""
    text: str = ""
    domain: str = ""
    system: str = ""
    tools: str = ""
    roles: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.shape and self.shape not in SHAPES:
            raise InputError(f"Shape {self.shape!r} is unknown; it is one of {', '.join(SHAPES)}.")
        needed = {
            "conversation": ("conversation", "role", "content"),
            "prompt_response": ("prompt", "response"),
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
        return tuple(name for name in self.prompt.split("+") if name)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column this mapping reads, without repeats."""
        shaped = {
            "conversation": (self.conversation,),
            "prompt_response": (*self.prompts, self.response),
            "text": (self.text,),
        }.get(self.shape, ())
        wanted = (*shaped, self.domain, self.system, self.tools)
        return tuple(dict.fromkeys(name for name in wanted if name))

    def over(self, guess: Mapping) -> Mapping:
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
            what = f"prompt in `{self.prompt}`, response in `{self.response}`"
        elif self.shape == "text":
            what = f"rendered conversations in `{self.text}`"
        else:
            return "not recognised: choose the columns"
        extra = [f"{name} in `{getattr(self, name)}`" for name in ("system", "tools", "domain")
                 if getattr(self, name)]  # fmt: skip
        return ", ".join([what, *extra])

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> Mapping:
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
            shapes = {"conversation": "conversation", "text": "text",
                      "response": "prompt_response", "prompt": "prompt_response"}  # fmt: skip
            values["shape"] = next((shapes[name] for name in shapes if values.get(name)), "")
        return cls(**values, roles=tuple(roles))  # type: ignore[arg-type]


DEFAULTS = {f.name: f.default for f in fields(Mapping)}


@dataclass(frozen=True, slots=True)
class Recognition:
    """A guess: the mapping, whether it is sure, what else would fit, and remarks to show."""

    mapping: Mapping
    sure: bool
    candidates: tuple[tuple[str, tuple[str, ...]], ...] = ()  # field of Mapping -> columns
    notes: tuple[str, ...] = ()


def recognise(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> Recognition:
    """Guess the mapping from a file's columns and its first rows."""
    chats = {name: keys for name in columns if (keys := message_keys(sample, name))}
    texts = [name for name in columns if _all(sample, name, str) and name not in chats]
    base = Mapping(
        domain=next((n for n in _fitting(DOMAINS, texts) if _is_label(sample, n)), ""),
        system=_first(SYSTEMS, texts),
        tools=_first(("tools",), columns),
    )
    candidates = (("conversation", tuple(chats)), *((f, tuple(texts)) for f in
                  ("prompt", "response", "text", "domain")))  # fmt: skip

    if chats and not _is_pair(chats):
        named = _fitting(CONVERSATIONS, chats)
        best = (named or list(chats))[0]
        role, content = chats[best]
        notes = () if len(chats) == 1 else (f"Also lists of messages: {_names(chats, best)}.",)
        mapping = replace(base, shape="conversation", conversation=best, role=role, content=content)
        return Recognition(mapping, len(chats) == 1 or len(named) == 1, candidates, notes)

    usable = [*texts, *chats] if chats else texts
    responses, prompts = _fitting(RESPONSES, usable), _fitting(PROMPTS, usable)
    if responses and prompts:
        prompt = prompts[0]
        if prompt == "instruction" and "input" in prompts:
            prompt, prompts = "instruction+input", [p for p in prompts if p != "input"]
        mapping = replace(base, shape="prompt_response", prompt=prompt, response=responses[0])
        others = [f"response: {', '.join(responses[1:])}"] * (len(responses) > 1)
        others += [f"prompt: {', '.join(prompts[1:])}"] * (len(prompts) > 1)
        notes = (f"Other columns would fit as {'; '.join(others)}.",) if others else ()
        return Recognition(mapping, not others, candidates, notes)

    text = _first(TEXTS, texts) or (texts[0] if len(texts) == 1 and not prompts else "")
    if text:
        marked = any(mark in row.get(text, "") for row in sample for mark in CHAT_MARKS)
        notes = () if marked else (f"No chat template marks were seen in `{text}`.",)
        mapping = Mapping("text", text=text, domain=base.domain if base.domain != text else "")
        return Recognition(mapping, marked and text in TEXTS, candidates, notes)

    reason = "There are prompts but no responses." if prompts else "No column was recognised."
    return Recognition(Mapping(), False, candidates, (reason,))


def message_keys(sample: Sequence[dict[str, Any]], name: str) -> tuple[str, str] | None:
    """(role key, content key) of a column that holds lists of messages, else None."""
    for row in sample:
        messages = as_list(row.get(name))
        if not messages or not all(isinstance(m, dict) for m in messages):
            continue
        keys = {key for m in messages for key in m}
        role, content = _first(ROLE_KEYS, keys), _first(CONTENT_KEYS, keys)
        if role and content:
            return role, content
    return None


def as_list(value: Any) -> list[Any] | None:
    """A list, also when it was stored as JSON text; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None
    return value if isinstance(value, list) else None


def _is_pair(chats: dict[str, Any]) -> bool:
    """Conversational prompt/completion: two lists of messages that belong together."""
    return bool(_first(PROMPTS, chats) and _first(("completion", "response"), chats))


def _all(sample: Sequence[dict[str, Any]], name: str, kind: type) -> bool:
    values = [row.get(name) for row in sample if row.get(name) is not None]
    return bool(values) and all(isinstance(value, kind) for value in values)


def _is_label(sample: Sequence[dict[str, Any]], name: str) -> bool:
    """Few short values: a domain, not an id. One row is no evidence either way."""
    values = [row[name] for row in sample if row.get(name)]
    few = len(set(values)) <= max(1, len(values) // 2)
    return (
        bool(values) and all(len(v) <= 80 for v in values) and (few or name.lower() in DOMAINS[:3])
    )


def _first(names: Sequence[str], among: Any) -> str:
    return next(iter(_fitting(names, among)), "")


def _fitting(names: Sequence[str], among: Any) -> list[str]:
    """The columns that have one of the names, in any case, most preferred first."""
    return [column for name in names for column in among if column.lower() == name]


def _names(chats: dict[str, Any], but: str) -> str:
    return ", ".join(name for name in chats if name != but)
