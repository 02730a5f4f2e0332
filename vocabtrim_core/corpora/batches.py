"""Messages as Arrow columns: what every reader yields and every counter takes.

The steps are: rows of a file -> `Block` (raw, cheap to skip) -> `MessageBatch` (canonical roles,
Arrow strings). Row numbers are counted from 1: the line of a JSONL file, else the position of the
record in its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

ROLES = ("system", "user", "assistant", "tool")
PREFORMATTED = "text"  # the role of a whole rendered conversation
ROLE_CODES = {role: code for code, role in enumerate((*ROLES, PREFORMATTED))}
ASSISTANT = ROLE_CODES["assistant"]

# Other names of the four roles, in lower case. `function_call` is ShareGPT's name for a turn in
# which the assistant calls a tool, `observation` for the tool's answer.
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
    """The canonical name of a role.

    Args:
        name: The role as a file writes it, in any case.
        extra: Further names, (name in lower case, one of ROLES).

    Returns:
        One of ROLES; None where the role is unknown.
    """
    if role := ROLE_NAMES.get(name):
        return role
    name = name.strip().lower()
    return ROLE_NAMES.get(name) or dict(extra).get(name)


class UnusableError(Exception):
    """A row cannot be used and is left out; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A row that was left out or, among notes, that lost a part.

    Attributes:
        row: Row number, counted from 1.
        reason: Why, in words that are the same for all rows with this reason.
    """

    row: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class MessageBatch:
    """n conversations with M messages in total, in the order of the file. No text is null.

    Attributes:
        roles: dictionary<int8, string>[M] over ROLES and PREFORMATTED.
        contents: large_string[M].
        offsets: int64[n+1]; the messages of conversation i are offsets[i]:offsets[i+1].
        rows: int64[n], row numbers.
        file: Name of the file.
        structured: Index of a conversation -> {"messages": [...], "tools": [...]?}, for those that
            a template must render from full dicts (tool calls, tools, reasoning).
        domains: string[n], null for none; None where no domain column is mapped.
        preformatted: Whether contents hold rendered conversations, one each.
        skipped: Rows that were left out.
        notes: Rows that lost a part.
        part: The part of the corpus that the batch belongs to, as in `Block`.
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
    part: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def codes(self) -> np.ndarray:
        """int8[M]: the role of each message as an index into ROLES (4 = preformatted)."""
        return np.asarray(self.roles.indices)

    def messages(self, i: int) -> list[dict[str, Any]]:
        """The messages of one conversation as a template takes them.

        Args:
            i: Index of the conversation.

        Returns:
            Full dicts where the conversation is structured, else dicts of role and content.
        """
        if i in self.structured:
            return self.structured[i]["messages"]
        span = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        roles, contents = self.roles[span].to_pylist(), self.contents[span].to_pylist()
        return [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]

    def tools(self, i: int) -> list[Any] | None:
        """The tool definitions of one conversation.

        Args:
            i: Index of the conversation.

        Returns:
            The definitions, None without any.
        """
        return self.structured[i].get("tools") if i in self.structured else None


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of a corpus that a thread reads on its own; the same corpus has the same shards.

    Attributes:
        key: Identifier within the corpus.
        file: Index into `Corpus.files`.
        start: First byte (JSON lines) or row group (Parquet); 0 where the file can only be read
            from its beginning.
        stop: Byte or row group to stop before; 0 likewise.
        first_row: Number of the first row.
        rows: Number of rows; None where only reading can tell.
        bytes: Bytes of the file that it covers.
    """

    key: str
    file: int
    start: int
    stop: int
    first_row: int
    rows: int | None
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows as they were read, 3 to 8 MB of text, to be decoded on any thread.

    Attributes:
        part: The piece of the corpus that is finished once all its blocks are counted: the shard's
            key, followed by a number where a shard is a complete file. Its blocks are adjacent.
        first_row: Number of the first row.
        rows: Number of rows.
        file_bytes: Bytes of the file that were read for it, compressed where the file is.
        decode: Returns the messages, without their part.
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
    """Where a row is, for a sentence.

    Args:
        file: Name of the file.
        row: Row number.

    Returns:
        "FILE, line N" for JSON lines, else "FILE, row N".
    """
    lines = ".jsonl" in file.lower() or ".ndjson" in file.lower()
    return f"{file}, {'line' if lines else 'row'} {row}"


def role_array(codes: np.ndarray) -> pa.DictionaryArray:
    """Role codes as the dictionary array of a batch.

    Args:
        codes: int8[M], indices into (*ROLES, PREFORMATTED).

    Returns:
        dictionary<int8, string>[M].
    """
    names = pa.array([*ROLES, PREFORMATTED])
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), names)
