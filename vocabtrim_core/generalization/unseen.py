"""How much of the text to come is made of tokens that the counts have never seen.

The share of a *new conversation's* tokens is what matters, and each conversation counted can stand
for the new one: its tokens that no other conversation has. A rare token comes in clumps, so this is
more than Good-Turing's N1 / N, which takes tokens for independent of each other (on real text it
came to less than half of the truth) and is given as a lower bound where nothing else can be said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from vocabtrim_core.counting.kernels import owners
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.generalization.uncertainty import LEVEL, need_two, unseen_mass

Basis = Literal["conversations", "pieces", "tokens"]
LEAST_PIECES = 8  # to stand for a corpus when each is left out in turn


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
        """One sentence.

        Args:
            name: Of the counted text.
        """
        share = f"{self.value:.3%}"
        rest = f"of the tokens of new conversations of {name} will be ones never seen here"
        if self.basis == "tokens":
            return (
                f"At least {share} {rest} (estimated; a lower bound by Good-Turing: the "
                "conversations themselves are not at hand)."
            )
        if self.basis == "pieces":
            return (
                f"About {share} {rest} (estimated from pieces of the corpus; less if its topics "
                "stand in blocks)."
            )
        assert self.low is not None
        return f"{share} ({self.low:.3%} to {self.high:.3%}) {rest} (estimated)."


def unseen(
    counts: np.ndarray, responses: Responses | None = None, pieces: ShardCounts | None = None
) -> Unseen:
    """The best estimate that the material at hand allows.

    Args:
        counts: int64[V] of the whole corpus, not all zero.
        responses: Its conversations, or a random part of them.
        pieces: Its counts by piece.

    Returns:
        From conversations where there are two, else from LEAST_PIECES or more, else a lower bound.
    """
    if responses is not None and responses.conversations > 1 and responses.tokens:
        return unseen_in_new_conversation(responses, counts)
    if pieces is not None and len(pieces) >= LEAST_PIECES:
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
    who, often = owners(responses.ids, at, responses.vocab_size)
    if counts is not None:
        who[:, counts > responses.counts()] = -2
    number, tokens = responses.conversations, responses.tokens
    alone = np.flatnonzero((who[0] >= 0) & (who[1] < 0))
    new = np.bincount(who[0, alone], weights=often[0, alone], minlength=number)
    share = float(new.sum() / tokens)
    if not new.any():
        return Unseen(0.0, 0.0, 0.0, "conversations")
    # The estimate varies with the conversations, and so does what they leave unseen: with the
    # chance of a token to occur in none, which those that occur in two tell (as for Good-Turing).
    shared = np.flatnonzero(who[1] >= 0)
    pairs, which = np.unique(who[:, shared], axis=1, return_inverse=True)
    both = [np.bincount(which, weights=o, minlength=pairs.shape[1]) for o in often[:, shared]]
    squares = ((new - share * np.diff(at)) ** 2).sum() + 2 * (both[0] * both[1]).sum()
    reach = stdtrit(number - 1, (1 + LEVEL) / 2) * np.sqrt(squares) / tokens / share
    low, high = share * np.exp(-reach), share * np.exp(reach)
    return Unseen(share, float(low), min(float(high), 1.0), "conversations")


def _unseen_in_new_piece(pieces: ShardCounts, counts: np.ndarray) -> float:
    """Share of a piece's tokens that no other piece has, over all pieces in turn.

    Each conversation of a piece is compared with all other pieces, so this is the share in a new
    conversation for a corpus that is smaller by one piece.
    """
    return float(pieces.counts[pieces.counts == counts[pieces.ids]].sum() / counts.sum())
