"""The acceptance-length ceiling of a perfect draft, for every k.

Acceptance length counts the tokens of one verification: accepted draft tokens plus the token that
the target adds itself, so it lies in 1..K+1 at draft depth K. A draft can only propose tokens it
kept, so even a perfect one stops at the first token outside its vocabulary.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.kernels import merge_runs
from vocabtrim_core.generalization.held_out import folds_of

MAX_DEPTH = 16


@dataclass(frozen=True, slots=True, eq=False)
class Ceiling:
    """Acceptance length that no draft over the k most frequent tokens can exceed, on one text.

    The last cycle of a response counts for the share of it that the response fills, so the ceiling
    at k = V is K + 1 whatever the lengths of the responses.

    Attributes:
        tokens: Tokens of the text.
        responses: Responses with tokens.
        cycles: float64[MAX_DEPTH, V], verification cycles of a perfect draft at depth K = row + 1
            and k = column + 1.
    """

    tokens: int
    responses: int
    cycles: np.ndarray

    def length(self, depth: int) -> np.ndarray:
        """Compute the tokens per cycle of a perfect draft.

        Args:
            depth: Drafted tokens K per cycle, 1..MAX_DEPTH.

        Returns:
            float64[V].

        Raises:
            InputError: The depth is out of range.
        """
        return self.tokens / self.cycles[check_depth(depth) - 1]

    def __add__(self, other: Ceiling) -> Ceiling:
        return Ceiling(
            self.tokens + other.tokens,
            self.responses + other.responses,
            self.cycles + other.cycles,
        )


def held_out_ceiling(
    responses: Responses, rank: Callable[[np.ndarray], np.ndarray], seed: int = 0
) -> Ceiling:
    """The ceiling on text that had no part in choosing the tokens.

    Each fold of the conversations is read with the order of all others, as in `held_out_curve`.

    Args:
        responses: Those of the text that chooses, two conversations at least.
        rank: int64[V] counts to int64[V] ids in the order they are kept.
        seed: Of the random folds.

    Returns:
        The ceiling of all folds together.
    """
    fold = folds_of(responses.conversations, seed=seed)
    total, size = responses.counts(), responses.vocab_size
    lengths = np.diff(responses.offsets)
    parts: list[Ceiling] = []
    for number in range(int(fold.max()) + 1):
        inside = fold == number
        spans = inside[responses.conversation]
        if not lengths[spans].any():
            continue
        ids = responses.ids[np.repeat(spans, lengths)]
        offsets = np.append(0, np.cumsum(lengths[spans]))
        ranks = np.empty(size, np.int64)
        ranks[rank(total - responses.weighted(inside.view(np.uint8)))] = np.arange(size)
        parts.append(ceiling([(ids, offsets)], ranks))
    return functools.reduce(operator.add, parts)


def check_depth(depth: int) -> int:
    """Check that a draft depth is within 1..MAX_DEPTH.

    Args:
        depth: Drafted tokens K per cycle.

    Returns:
        The depth itself.

    Raises:
        InputError: It is outside.
    """
    if not 1 <= depth <= MAX_DEPTH:
        raise InputError(f"The draft depth must lie within 1..{MAX_DEPTH}, but it is {depth}.")
    return depth


def ceiling(batches: Iterable[tuple[np.ndarray, np.ndarray]], ranks: np.ndarray) -> Ceiling:
    """Compute the ceiling for all k at once, in one pass over the responses.

    Args:
        batches: (ids uint32[n], offsets int64[responses + 1]), as `Responses.batches` gives them.
        ranks: int64[V], 0-based rank of each id.

    Returns:
        The ceiling.

    Raises:
        InputError: There is no token.
    """
    size = len(ranks)
    ranks = ranks.astype(np.int32)
    change = np.zeros((MAX_DEPTH, size + 1))
    tokens = responses = 0
    for ids, offsets in batches:
        text = ranks[ids]
        merge_runs(text, offsets, change)
        tokens += len(ids)
        responses += int(np.count_nonzero(np.diff(offsets)))
    if not tokens:
        raise InputError("The responses hold no tokens, so they have no acceptance ceiling.")
    cycles = tokens + np.cumsum(change[:, :size], axis=1)
    return Ceiling(tokens, responses, cycles)
