"""Missing tokens that occur earlier in the context: the most that a dynamic list could gain.

A static list of kept tokens proposes no other token. A dynamic list may add the tokens of the last
N positions: of prompt, tool results and earlier answers alike. The missing tokens that occur there
are the most that this can gain, by any rule for adding tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.kernels import previous_distances
from vocabtrim_core.counting.sample import WholeConversations
from vocabtrim_core.errors import InputError

WINDOWS = (256, 1024, 4096)  # tokens of context that are reported


@dataclass(frozen=True, slots=True, eq=False)
class ContextReuse:
    """How far back in the context missing tokens last occurred.

    Attributes:
        conversations: Conversations measured.
        tokens: Counted tokens in them.
        distances: int64[longest + 1]. distances[d], d > 0: missing tokens whose id last occurred d
            tokens earlier; distances[0]: those whose id did not occur before.
    """

    conversations: int
    tokens: int
    distances: np.ndarray

    @property
    def missing(self) -> int:
        """Counted tokens that are not kept."""
        return int(self.distances.sum())

    @property
    def coverage(self) -> float:
        """Share of the counted tokens that are kept, 0..1."""
        return 1 - self.missing / self.tokens

    @property
    def longest(self) -> int:
        """The largest distance of a missing token; 0 for none."""
        return len(self.distances) - 1

    def shares(self, windows: np.ndarray | Iterable[int]) -> np.ndarray:
        """Share of the missing tokens that occur in the last tokens of context.

        Args:
            windows: int64[n], tokens of context, each 0 or more.

        Returns:
            float64[n], 0..1, non-decreasing in the window; 0 where nothing is missing.
        """
        lengths = np.asarray(windows, np.int64)
        within = np.cumsum(np.append(0, self.distances[1:]))
        return within[np.minimum(lengths, self.longest)] / max(self.missing, 1)

    def coverages(self, windows: np.ndarray | Iterable[int]) -> np.ndarray:
        """Share of the counted tokens that are kept or occur in the last tokens of context.

        Args:
            windows: int64[n], tokens of context, each 0 or more.

        Returns:
            float64[n], 0..1.
        """
        return 1 - (1 - self.shares(windows)) * (1 - self.coverage)


def context_reuse(conversations: Iterable[WholeConversations], is_kept: np.ndarray) -> ContextReuse:
    """Measure, for every counted token that is not kept, how far back it last occurred.

    Args:
        conversations: Rendered conversations with marks on the counted tokens, in groups.
        is_kept: bool[V], the tokens of the static list.

    Returns:
        Distances to the last occurrence in the same conversation.

    Raises:
        InputError: An id lies outside 0..V-1, or no token counts.
    """
    total = np.zeros(1, np.int64)
    conversation_count = tokens = 0
    for ids, at, counted in conversations:
        if len(ids) and ids.max() >= len(is_kept):
            raise InputError(
                f"The conversations hold id {ids.max():,}, but the vocabulary has V = "
                f"{len(is_kept):,} tokens; give the tokenizer that it was made for."
            )
        distances = np.bincount(previous_distances(ids, at, len(is_kept))[counted & ~is_kept[ids]])
        longer, shorter = (distances, total) if len(distances) > len(total) else (total, distances)
        longer[: len(shorter)] += shorter
        total = longer
        conversation_count += len(at) - 1
        tokens += int(counted.sum())
    if not tokens:
        raise InputError("The conversations have no token that counts; choose another rule.")
    return ContextReuse(conversation_count, tokens, total)
