"""What a draft that knows nothing of the text would have accepted.

Such a draft proposes its tokens whatever stands before them. At each position it is right with the
share that the proposed token has of all tokens; so at most with the share of the most frequent one.
Drawn at random from the k that it keeps, it is right with coverage / k on average. And it is right
at the second position as often as at the first: a row of j accepted tokens has the j-th power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve

CONFIDENCE = 0.95
# Where there are no counts: more than the share of the most frequent token of any corpus that the
# tests count, tool calls and named entities included; less than a draft that is worth serving has.
ASSUMED = 0.1


@dataclass(frozen=True, slots=True)
class RandomDraft:
    """The acceptance of drafts that know nothing of the text, per position.

    Attributes:
        uniform: Mean share of a kept token: drawn at random, each as likely.
        by_frequency: Sum of squared shares over the coverage: drawn as often as they occur. None
            without counts.
        most: The most that any such draft reaches: the upper end of the interval of the share of
            the most frequent kept token.
        tokens: Counted tokens, 0 without counts.
        name: Name of the counts, "" without.
    """

    uniform: float | None
    by_frequency: float | None
    most: float
    tokens: int = 0
    name: str = ""

    @classmethod
    def of(cls, counts: TokenCounts, k: int | None, ids: np.ndarray | None = None) -> RandomDraft:
        """From counts of the text.

        Args:
            counts: The counts.
            k: Tokens that the draft keeps; None for all.
            ids: int64[k], these tokens; None for the k most frequent ones.

        Returns:
            The acceptance.

        Raises:
            InputError: k is not within 1..V.
        """
        if ids is None:
            ids = CoverageCurve.of(counts).vocabulary(k or counts.vocab_size).ids
        of_kept = counts.counts[ids].astype(np.float64)
        total, kept_tokens = counts.tokens, of_kept.sum()
        top = round(of_kept.max())
        return cls(
            float(kept_tokens / total / len(ids)),
            float((of_kept**2).sum() / kept_tokens / total) if kept_tokens else 0.0,
            share_interval(top, total)[1],
            total,
            counts.name,
        )

    @classmethod
    def assumed(cls, k: int | None) -> RandomDraft:
        """Without counts.

        Args:
            k: Tokens that the draft keeps, None where unknown.

        Returns:
            The acceptance, with an assumed most frequent token.
        """
        return cls(1 / k if k else None, None, ASSUMED)

    @property
    def sentence(self) -> str:
        """What it would reach, in a sentence."""
        if not self.tokens:
            drawn = "" if self.uniform is None else f" ({self.uniform:.4%} drawn at random)"
            return (
                f"A draft that ignores the text would have at most {self.most:.1%} of its tokens "
                f"accepted{drawn}; that is an assumption, --counts computes it."
            )
        return (
            f"A draft that ignores the text would have {self.uniform:.4%} of its tokens accepted "
            f"when it draws them at random, {self.by_frequency or 0:.2%} when it draws them as "
            f"often as they occur, and at most {self.most:.2%} (always the most frequent token), "
            f"by the {self.tokens:,} tokens of {self.name}."
        )

    def accepted_of(self, verifications: int) -> tuple[int, int]:
        """First tokens that such a draft would have accepted.

        Args:
            verifications: The number of drafts.

        Returns:
            The ends of a 95 % interval of the counts between `uniform` and `most`.
        """
        tail = (1 - CONFIDENCE) / 2
        low = stats.binom.ppf(tail, verifications, self.uniform or 0.0)
        high = stats.binom.ppf(1 - tail, verifications, self.most)
        return int(low), int(high)


def share_interval(successes: int, trials: int) -> tuple[float, float]:
    """The Clopper-Pearson interval of a share.

    Args:
        successes: How often it was so.
        trials: Of how many.

    Returns:
        The ends of the 95 % interval; (0, 1) without trials.
    """
    if not trials:
        return 0.0, 1.0
    hits, tail = min(successes, trials), (1 - CONFIDENCE) / 2
    low = special.betaincinv(hits, trials - hits + 1, tail) if hits else 0.0
    high = special.betaincinv(hits + 1, trials - hits, 1 - tail) if hits < trials else 1.0
    return float(low), float(high)
