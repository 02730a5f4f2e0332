"""The draft vocabulary: one ascending list of token ids, from which every export is made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class DraftVocabulary:
    """The target's token ids that are in the draft vocabulary.

    Attributes:
        ids: int64[k], strictly ascending, each in [0, V).
        vocab_size: V of the target's config.json.

    Raises:
        InputError: The ids are anything else.
    """

    ids: np.ndarray
    vocab_size: int

    def __post_init__(self) -> None:
        ids = np.ascontiguousarray(self.ids)
        if ids.ndim != 1 or not len(ids):
            raise InputError("A draft vocabulary needs a non-empty flat list of token ids.")
        if not np.issubdtype(ids.dtype, np.integer):
            raise InputError(f"Token ids must be integers, but the list holds {ids.dtype}.")
        steps = np.diff(ids.astype(np.int64))
        if len(steps) and steps.min() <= 0:
            at = int(np.argmax(steps <= 0))
            raise InputError(
                f"Token ids must ascend without repeats, but position {at} holds {ids[at]} "
                f"and position {at + 1} holds {ids[at + 1]}; sort and deduplicate the list."
            )
        if ids[0] < 0 or ids[-1] >= self.vocab_size:
            bad = ids[0] if ids[0] < 0 else ids[-1]
            raise InputError(
                f"Token id {bad} lies outside the target vocabulary 0..{self.vocab_size - 1}; "
                "check that the ids belong to this tokenizer."
            )
        ids = ids.astype(np.int64)
        ids.setflags(write=False)
        object.__setattr__(self, "ids", ids)

    @classmethod
    def of(cls, ids: Iterable[int], vocab_size: int) -> DraftVocabulary:
        """A vocabulary from ids in any order, repeats dropped.

        Args:
            ids: Token ids.
            vocab_size: V of the target.

        Returns:
            The vocabulary.

        Raises:
            InputError: There are no ids, or one lies outside [0, V).
        """
        return cls(np.unique(np.fromiter(ids, np.int64)), vocab_size)

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DraftVocabulary)
            and self.vocab_size == other.vocab_size
            and np.array_equal(self.ids, other.ids)
        )

    def __hash__(self) -> int:
        return hash(self.sha256)

    @property
    def d2t(self) -> np.ndarray:
        """int64[k] offsets as in EAGLE-3: target id = draft id + d2t[draft id]."""
        return self.ids - np.arange(len(self.ids))

    @property
    def t2d(self) -> np.ndarray:
        """bool[V], True at the ids; nonzero(t2d) == d2t + arange(k)."""
        mask = np.zeros(self.vocab_size, bool)
        mask[self.ids] = True
        return mask

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of V and the ids as little-endian int64."""
        head = np.array([self.vocab_size], "<i8").tobytes()
        return hashlib.sha256(head + self.ids.astype("<i8").tobytes()).hexdigest()

    def gained(self, other: DraftVocabulary) -> np.ndarray:
        """Ids that another vocabulary lacks.

        Args:
            other: The other vocabulary.

        Returns:
            int64, ascending.
        """
        return np.setdiff1d(self.ids, other.ids, assume_unique=True)
