"""Missing tokens that already stand in the context: what a list that grows with it could win.

A static list of kept tokens proposes no other token. A dynamic list may add the tokens of the last
N positions, of prompt, tool results and earlier answers alike. The missing tokens that stand there
are the most that this can win, whatever the rule by which tokens are added.
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
    """How far back missing tokens stand in the context.

    Attributes:
        conversations: Conversations looked at.
        tokens: Tokens that count in them.
        distances: int64[longest + 1]. distances[d], d > 0: missing tokens whose id stands d tokens
            earlier and nowhere nearer; distances[0]: those whose id stands nowhere before.
    """

    conversations: int
    tokens: int
    distances: np.ndarray

    @property
    def missing(self) -> int:
        """Tokens that count and are not kept."""
        return int(self.distances.sum())

    @property
    def coverage(self) -> float:
        """Share of the tokens that count that are kept, 0..1."""
        return 1 - self.missing / self.tokens

    @property
    def longest(self) -> int:
        """The largest distance at which a missing token stands; 0 for none."""
        return len(self.distances) - 1

    def shares(self, windows: np.ndarray | Iterable[int]) -> np.ndarray:
        """Share of the missing tokens that stand in the last tokens of context.

        Args:
            windows: int64[n], tokens of context, each 0 or more.

        Returns:
            float64[n], 0..1, non-decreasing in the window; 0 where nothing is missing.
        """
        lengths = np.asarray(windows, np.int64)
        found = np.cumsum(np.append(0, self.distances[1:]))
        return found[np.minimum(lengths, self.longest)] / max(self.missing, 1)

    def coverages(self, windows: np.ndarray | Iterable[int]) -> np.ndarray:
        """Share of the tokens that count that are kept or stand in the last tokens of context.

        Args:
            windows: int64[n], tokens of context, each 0 or more.

        Returns:
            float64[n], 0..1.
        """
        return 1 - (1 - self.shares(windows)) * (1 - self.coverage)


def context_reuse(conversations: Iterable[WholeConversations], kept: np.ndarray) -> ContextReuse:
    """Look up, for every token that counts and is not kept, where it stood before.

    Args:
        conversations: Rendered conversations with marks on the tokens that count, in groups.
        kept: bool[V], the tokens of the static list.

    Returns:
        The distances to the nearest earlier place in the same conversation.

    Raises:
        InputError: An id lies outside 0..V-1, or no token counts.
    """
    total = np.zeros(1, np.int64)
    texts = tokens = 0
    for ids, at, counted in conversations:
        if len(ids) and ids.max() >= len(kept):
            raise InputError(
                f"The conversations hold id {ids.max():,}, but the vocabulary has V = "
                f"{len(kept):,} tokens; give the tokenizer that it was made for."
            )
        found = np.bincount(previous_distances(ids, at, len(kept))[counted & ~kept[ids]])
        longer, shorter = (found, total) if len(found) > len(total) else (total, found)
        longer[: len(shorter)] += shorter
        total = longer
        texts += len(at) - 1
        tokens += int(counted.sum())
    if not tokens:
        raise InputError("The conversations have no token that counts; choose another rule.")
    return ContextReuse(texts, tokens, total)
