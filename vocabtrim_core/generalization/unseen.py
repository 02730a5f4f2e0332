"""The share of future text that is made of tokens the counts have never seen.

The estimate is for a *new conversation*. Each counted conversation can stand for the new one, by
its tokens that no other conversation has. Rare tokens come in clusters, so this is more than
Good-Turing's N1 / N, which takes tokens as independent (on real text it came to less than half of
the truth). That one is given as a lower bound where nothing else is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from vocabtrim_core.counting.kernels import owners
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.generalization.intervals import LEVEL, need_two

Basis = Literal["conversations", "pieces", "tokens"]
LEAST_PIECES = 8  # fewest pieces for an estimate that leaves out each in turn


@dataclass(frozen=True, slots=True)
class Unseen:
    """Estimated share (0..1) of a new conversation's tokens that the counts have never seen.

    Attributes:
        value: The estimate; with the basis "tokens" a lower bound.
        low: Lower end at 95 %, None without conversations.
        high: Upper end at 95 %, None without conversations.
        basis: What was left out in turn. "conversations": each conversation.  "pieces": each piece
            of the corpus, which is right for text in random order and too high where pieces differ
            in topic.  "tokens": Good-Turing over tokens.
    """

    value: float
    low: float | None
    high: float | None
    basis: Basis

    def words(self, name: str = "the same kind") -> str:
        """Write the estimate as one sentence.

        Args:
            name: Of the counted text.

        Returns:
            The sentence.
        """
        share = f"{self.value:.3%}"
        claim = f"of the tokens of new conversations of {name} will be ones never seen here"
        if self.basis == "tokens":
            return (
                f"At least {share} {claim} (estimated; a lower bound by Good-Turing: the "
                "conversations themselves are not at hand)."
            )
        if self.basis == "pieces":
            return (
                f"About {share} {claim} (estimated from pieces of the corpus; less if its topics "
                "stand in blocks)."
            )
        assert self.low is not None
        return f"{share} ({self.low:.3%} to {self.high:.3%}) {claim} (estimated)."


def unseen_mass(counts: np.ndarray) -> float:
    """Good-Turing estimate of the chance that the next token is a new one: N1 / N.

    It takes tokens as independent, so it is a lower bound on real text; `unseen` is the
    estimate to show.

    Args:
        counts: int64[V], not all zero.

    Returns:
        0..1.
    """
    return float(np.count_nonzero(counts == 1) / counts.sum())


def unseen(
    counts: np.ndarray, responses: Responses | None = None, pieces: ShardCounts | None = None
) -> Unseen:
    """Compute the best estimate that the stored data allows.

    Args:
        counts: int64[V] of the whole corpus, not all zero.
        responses: Its conversations, or a random part of them.
        pieces: Its counts by piece.

    Returns:
        From conversations where there are two, else from LEAST_PIECES or more, else a lower bound.
    """
    if responses is not None and responses.conversations > 1 and responses.tokens:
        return unseen_in_new_conversation(responses, counts)
    if pieces is not None and pieces.counted >= LEAST_PIECES:
        return Unseen(_unseen_in_new_piece(pieces, counts), None, None, "pieces")
    return Unseen(unseen_mass(counts), None, None, "tokens")


def unseen_in_new_conversation(responses: Responses, counts: np.ndarray | None = None) -> Unseen:
    """Share of a conversation's tokens that no other conversation has, over all of them in turn.

    Args:
        responses: The conversations.
        counts: int64[V] of the whole corpus, where the responses are a part of it.

    Returns:
        The share, with an interval over conversations.

    Raises:
        InputError: Fewer than two conversations.
    """
    need_two(responses)
    at = responses.conversation_offsets()
    conversation_of, occurrences = owners(responses.ids, at, responses.vocab_size)
    if counts is not None:
        conversation_of[:, counts > responses.counts()] = -2
    number, tokens = responses.conversations, responses.tokens
    alone = np.flatnonzero((conversation_of[0] >= 0) & (conversation_of[1] < 0))
    new = np.bincount(conversation_of[0, alone], weights=occurrences[0, alone], minlength=number)
    share = float(new.sum() / tokens)
    if not new.any():
        return Unseen(0.0, 0.0, 0.0, "conversations")
    # Two sources of variance: the conversations themselves, and what they leave unseen. Tokens in
    # exactly two conversations estimate the second one (as for Good-Turing).
    shared = np.flatnonzero(conversation_of[1] >= 0)
    pairs, pair_index = np.unique(conversation_of[:, shared], axis=1, return_inverse=True)
    pair_occurrences = [
        np.bincount(pair_index, weights=o, minlength=pairs.shape[1]) for o in occurrences[:, shared]
    ]
    squares = ((new - share * np.diff(at)) ** 2).sum() + 2 * (
        pair_occurrences[0] * pair_occurrences[1]
    ).sum()
    reach = stdtrit(number - 1, (1 + LEVEL) / 2) * np.sqrt(squares) / tokens / share
    low, high = share * np.exp(-reach), share * np.exp(reach)
    return Unseen(share, float(low), min(float(high), 1.0), "conversations")


def _unseen_in_new_piece(pieces: ShardCounts, counts: np.ndarray) -> float:
    """Share of a piece's tokens that no other piece has, over all pieces in turn.

    Each conversation of a piece is compared with all other pieces, so this is the share in a new
    conversation for a corpus that is smaller by one piece.

    Returns:
        0..1.
    """
    return float(pieces.counts[pieces.counts == counts[pieces.ids]].sum() / counts.sum())
