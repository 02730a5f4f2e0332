"""Messages as Arrow columns: what every reader yields and every counter takes.

    rows of a file ─► Block (raw, cheap to skip) ─► MessageBatch (canonical roles, Arrow strings)

Row numbers are 1-based: the line of a JSONL file, else the position of the record in its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

ROLES = ("system", "user", "assistant", "tool")
PREFORMATTED = "text"  # the role of a whole rendered conversation
ROLE_CODES = {role: code for code, role in enumerate((*ROLES, PREFORMATTED))}
ASSISTANT = ROLE_CODES["assistant"]

# What other people call the four roles, lower case. `function_call` is ShareGPT's name for a turn
# in which the assistant calls a tool, `observation` for the tool's answer.
ROLE_NAMES = {role: role for role in ROLES} | {
    "developer": "system",
    "context": "system",
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "ai": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "tool_result": "tool",
    "ipython": "tool",
}


def canonical_role(name: str, extra: Iterable[tuple[str, str]] = ()) -> str | None:
    """One of ROLES for a role as files write it, None when it is unknown."""
    if found := ROLE_NAMES.get(name):
        return found
    name = name.strip().lower()
    return ROLE_NAMES.get(name) or dict(extra).get(name)


class UnusableError(Exception):
    """The row is left out; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A row that was left out (or, among notes, lost a part), and why, in words fit to group by."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class MessageBatch:
    """n conversations with M messages in all, in the order of the file. No text is null.

    roles: dictionary<int8, string>[M] over ROLES; contents: large_string[M];
    offsets: int64[n+1], messages of conversation i are offsets[i]:offsets[i+1]; rows: int64[n].
    structured: conversations a template must render from full dicts (tool calls, tools, reasoning),
    by index. preformatted: contents hold rendered conversations, one each.
    """

    roles: pa.DictionaryArray
    contents: pa.LargeStringArray
    offsets: np.ndarray
    rows: np.ndarray
    file: str
    structured: dict[int, dict[str, Any]] = field(default_factory=dict)
    domains: pa.Array | None = None
    preformatted: bool = False
    skipped: tuple[Skip, ...] = ()
    notes: tuple[Skip, ...] = ()
    part: str = ""  # the part of the corpus it belongs to; see Block

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def codes(self) -> np.ndarray:
        """int8[M]: the role of each message as an index into ROLES (4 = preformatted)."""
        return np.asarray(self.roles.indices)

    def messages(self, i: int) -> list[dict[str, Any]]:
        """Conversation i as a template takes it: full dicts where it is structured."""
        if i in self.structured:
            return self.structured[i]["messages"]
        span = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        roles, contents = self.roles[span].to_pylist(), self.contents[span].to_pylist()
        return [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]

    def tools(self, i: int) -> list[Any] | None:
        """The tool definitions conversation i comes with."""
        return self.structured[i].get("tools") if i in self.structured else None


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of a corpus that a thread reads on its own; the same corpus has the same shards.

    start, stop: byte offsets (JSON lines), row groups (Parquet), 0 and 0 for a file that can only
    be read from its beginning. rows: None where only reading will tell. bytes: of the file.
    """

    key: str
    file: int  # index into Corpus.files
    start: int
    stop: int
    first_row: int
    rows: int | None
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows as they were read, 3 to 8 MB of text; `batch()` decodes them, on any thread.

    part: the piece of the corpus a counter may call finished once all its blocks are counted:
    the shard's key, and behind it a number where a shard is a whole file. Its blocks are adjacent.
    file_bytes: how much of the file was read for it (compressed bytes where compressed).
    """

    part: str
    first_row: int
    rows: int
    file_bytes: int
    decode: Callable[[], MessageBatch]

    def batch(self) -> MessageBatch:
        """The rows of this block, decoded."""
        return replace(self.decode(), part=self.part)


def place(file: str, row: int) -> str:
    """Where a row is, for a sentence: its line where a row is a line."""
    lines = ".jsonl" in file.lower() or ".ndjson" in file.lower()
    return f"{file}, {'line' if lines else 'row'} {row}"


def role_array(codes: np.ndarray) -> pa.DictionaryArray:
    """int8 codes as the dictionary array of a batch."""
    names = pa.array([*ROLES, PREFORMATTED])
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), names)


def iter_conversations(
    batches: Iterable[MessageBatch],
) -> Iterator[tuple[MessageBatch, int]]:
    """(batch, index) of every conversation, for those who want them one by one."""
    for batch in batches:
        for i in range(len(batch)):
            yield batch, i
