"""The counted responses themselves, token by token: what intervals and ceilings need."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError

BATCH_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Token ids of counted spans in order, grouped by conversation.

    ids: uint32[n].  offsets: int64[responses + 1], span i is ids[offsets[i]:offsets[i + 1]].
    conversation: int64[responses], non-decreasing index of the conversation each span belongs to.
    domain: int16[conversations] into `domains`, -1 where a row had no label.
    complete: False when only a random part of the corpus's conversations is held.
    """

    ids: np.ndarray
    offsets: np.ndarray
    conversation: np.ndarray
    domain: np.ndarray
    domains: tuple[str, ...]
    vocab_size: int
    complete: bool = True

    @property
    def conversations(self) -> int:
        """Conversations held."""
        return len(self.domain)

    @property
    def tokens(self) -> int:
        """Tokens held."""
        return len(self.ids)

    def conversation_offsets(self) -> np.ndarray:
        """int64[conversations + 1]: tokens of conversation c are ids[at[c]:at[c + 1]]."""
        spans = np.searchsorted(self.conversation, np.arange(self.conversations + 1))
        return self.offsets[spans]

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(ids, offsets) of whole responses, about BATCH_TOKENS at a time."""
        last = len(self.offsets) - 1
        start = 0
        while start < last:
            goal = self.offsets[start] + BATCH_TOKENS
            stop = int(np.searchsorted(self.offsets, goal, side="right")) - 1
            stop = min(max(stop, start + 1), last)
            bounds = self.offsets[start : stop + 1]
            yield self.ids[bounds[0] : bounds[-1]], bounds - bounds[0]
            start = stop

    def counts(self, conversations: np.ndarray | None = None) -> np.ndarray:
        """int64[V] of all responses, or of those of the given conversations (bool mask)."""
        ids = self.ids
        if conversations is not None:
            ids = ids[np.repeat(conversations, np.diff(self.conversation_offsets()))]
        return np.bincount(ids, minlength=self.vocab_size)

    def save(self, path: str | Path) -> Path:
        """Write one .npz, atomically."""
        path = Path(path)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            ids=self.ids,
            offsets=self.offsets,
            conversation=self.conversation,
            domain=self.domain,
            domains=np.array(self.domains, dtype=np.str_),
            vocab_size=self.vocab_size,
            complete=self.complete,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            scratch.write_bytes(buffer.getvalue())
            scratch.replace(path)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            raise InputError(f"Cannot write {path}: {error.strerror or error}.") from error
        return path

    @classmethod
    def load(cls, path: str | Path) -> Responses:
        """Read what `save` wrote; InputError names the file when it is anything else."""
        try:
            with np.load(path, allow_pickle=False) as a:
                return cls(
                    a["ids"], a["offsets"], a["conversation"], a["domain"],
                    tuple(str(d) for d in a["domains"]), int(a["vocab_size"]), bool(a["complete"]),
                )  # fmt: skip
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} does not hold counted responses ({error}).") from error


def gather(
    batches: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    domain: np.ndarray,
    domains: tuple[str, ...],
    vocab_size: int,
    complete: bool = True,
) -> Responses:
    """Join batches of (ids, offsets, conversation index of each span)."""
    ids = [np.asarray(b[0], np.uint32) for b in batches]
    lengths = [np.diff(b[1]) for b in batches]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths or [[]]))]).astype(np.int64)
    conversation = np.concatenate([b[2] for b in batches] or [[]]).astype(np.int64)
    joined = np.concatenate(ids or [np.empty(0, np.uint32)])
    return Responses(joined, offsets, conversation, domain, domains, vocab_size, complete)
