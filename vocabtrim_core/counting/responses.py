"""The counted responses, token by token, for intervals and the ceiling of the acceptance length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core import numpy_files
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

BATCH_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Token ids of counted spans in order, grouped by conversation.

    Attributes:
        ids: uint32[n].
        offsets: int64[responses + 1]; span i is ids[offsets[i]:offsets[i + 1]].
        conversation: int64[responses], non-decreasing, the index of each span's conversation.
        domain: int16[conversations], index into `domains`; -1 without a label.
        domains: Labels, in the order of first appearance.
        vocab_size: V.
        complete: False when these are a random sample of the corpus's conversations.
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
        """Number of conversations."""
        return len(self.domain)

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return len(self.ids)

    def conversation_offsets(self) -> np.ndarray:
        """int64[conversations + 1]: at, where tokens of conversation c are ids[at[c]:at[c + 1]]."""
        spans = np.bincount(self.conversation, minlength=self.conversations)
        return self.offsets[np.concatenate([[0], np.cumsum(spans)])]

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Iterate over whole responses, about BATCH_TOKENS tokens at a time.

        Yields:
            ids uint32[n], and offsets int64[responses + 1] into them.
        """
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
        """What resampling draws: the number of conversations."""
        return self.conversations

    def counts(self) -> np.ndarray:
        """int64[V], occurrences of each id."""
        total = np.zeros(self.vocab_size, np.int64)
        for ids, _ in self.batches():
            total += np.bincount(ids, minlength=self.vocab_size)
        return total

    def weighted(self, times: np.ndarray) -> np.ndarray:
        """Count ids with a weight for each conversation.

        Args:
            times: uint8[conversations], how often each conversation is taken.

        Returns:
            int64[V].
        """
        from vocabtrim_core.counting.kernels import weighted_counts

        at = self.conversation_offsets()
        return weighted_counts(self.ids, at, times, self.vocab_size)

    def save(self, path: str | Path) -> Path:
        """Write one .npz file, atomically.

        Args:
            path: The file.

        Returns:
            The file.

        Raises:
            InputError: It cannot be written.
        """
        arrays: dict[str, Any] = {
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
        """Read a file that `save` wrote.

        Args:
            path: The file.

        Returns:
            The responses.

        Raises:
            InputError: The file is anything else; the message names it.
        """
        try:
            arrays = numpy_files.load_npz(path)
            return cls(
                arrays["ids"],
                arrays["offsets"],
                arrays["conversation"],
                arrays["domain"],
                tuple(str(d) for d in arrays["domains"]),
                int(arrays["vocab_size"]),
                bool(arrays["complete"]),
            )
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(f"{path} does not hold counted responses ({error}).") from error


def concatenate(parts: Sequence[Responses]) -> Responses:
    """Join the conversations of several parts, in order.

    Args:
        parts: At least one, all with the same V.

    Returns:
        All conversations; complete if every part is.
    """
    ends = np.cumsum([0, *(part.tokens for part in parts)])
    firsts = np.cumsum([0, *(part.conversations for part in parts)])
    domains: dict[str, int] = {}
    codes = []
    for part in parts:
        places = [domains.setdefault(name, len(domains)) for name in part.domains]
        codes.append(np.array([*places, -1], np.int16)[part.domain])  # -1 stays -1
    return Responses(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([[0], *(p.offsets[1:] + end for p, end in zip(parts, ends, strict=False))]),
        np.concatenate([p.conversation + n for p, n in zip(parts, firsts, strict=False)]),
        np.concatenate(codes),
        tuple(domains),
        parts[0].vocab_size,
        all(part.complete for part in parts),
    )
