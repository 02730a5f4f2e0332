"""The settings that servers report, and whether two servers can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Served:
    """The settings of a server.

    Attributes:
        url: URL of the server.
        version: Version of the engine.
        target: Path or id of the target.
        tokenizer: Path or id of the tokenizer.
        algorithm: Speculative algorithm, "" without speculation.
        draft: Path or id of the draft, "" without speculation.
        steps: Draft steps per cycle, 0 without speculation.
        topk: Branches per step, 0 without speculation.
        draft_tokens: Tokens verified per cycle, 0 without speculation.
        draft_vocab_size: k, None where the server does not report it.
        arguments: Settings that affect the numbers, by name.
        engine: Name of the engine for people.
    """

    url: str
    version: str
    target: str
    tokenizer: str
    algorithm: str = ""
    draft: str = ""
    steps: int = 0
    topk: int = 0
    draft_tokens: int = 0
    draft_vocab_size: int | None = None
    arguments: Mapping[str, Value] = field(default_factory=dict)
    engine: str = "SGLang"


def differences(servers: Sequence[Served]) -> list[str]:
    """Differences between servers that must be equal.

    Args:
        servers: The servers.

    Returns:
        One sentence for each setting that differs, with two of its values.
    """
    speculating = [server for server in servers if server.algorithm]
    sentences = []
    for name, noun, group in (
        ("engine", "engine", servers),
        ("target", "target", servers),
        ("tokenizer", "tokenizer", servers),
        ("algorithm", "speculative algorithm", speculating),
        ("steps", "draft steps", speculating),
        ("topk", "top-k", speculating),
        ("draft_tokens", "draft tokens", speculating),
    ):
        values: dict[Any, Served] = {}
        for server in group:
            values.setdefault(getattr(server, name), server)
        if len(values) > 1:
            (a, first), (b, second) = list(values.items())[:2]
            sentences.append(
                f"The servers differ in {noun}: {a} at {first.url}, {b} at {second.url}."
            )
    return sentences


def shared_arguments(servers: Sequence[Served]) -> tuple[Mapping[str, Value], list[str]]:
    """Compare the launch arguments of servers.

    Args:
        servers: The servers.

    Returns:
        Arguments that are equal on all servers and not None, by name; and the names of arguments
        that differ.
    """
    if not servers:
        return {}, []
    names = list(dict.fromkeys(name for s in servers for name in s.arguments))
    same = [n for n in names if len({repr(s.arguments.get(n)) for s in servers}) == 1]
    values = {name: servers[0].arguments.get(name) for name in same}
    stated = {name: value for name, value in values.items() if value is not None}
    return stated, [name for name in names if name not in same]
