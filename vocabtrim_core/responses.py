"""The counted responses themselves, token by token: what intervals and ceilings need."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import write_atomic

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
        spans = np.bincount(self.conversation, minlength=self.conversations)
        return self.offsets[np.concatenate([[0], np.cumsum(spans)])]

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

    @property
    def units(self) -> int:
        """What resampling draws: conversations."""
        return self.conversations

    def counts(self) -> np.ndarray:
        """int64[V] of all responses."""
        return self.weighted(np.ones(self.conversations, np.uint8))

    def weighted(self, times: np.ndarray) -> np.ndarray:
        """int64[V] with every conversation taken times[c] times (uint8[conversations])."""
        return _weighted(self.ids, self.conversation_offsets(), times, self.vocab_size)

    def save(self, path: str | Path) -> Path:
        """Write one .npz, atomically."""
        arrays = {
            "ids": self.ids,
            "offsets": self.offsets,
            "conversation": self.conversation,
            "domain": self.domain,
            "domains": np.array(self.domains, dtype=np.str_),
            "vocab_size": self.vocab_size,
            "complete": self.complete,
        }
        return write_atomic(path, lambda file: np.savez(file, **arrays))

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


@numba.njit(cache=True, nogil=True)
def _weighted(ids, at, times, size):  # pragma: no cover - compiled
    counts = np.zeros(size, np.int64)
    for c in range(len(times)):
        weight = times[c]
        if weight:
            for i in range(at[c], at[c + 1]):
                counts[ids[i]] += weight
    return counts
