"""The interval of a coverage: over conversations, never tokens.

The tokens of one answer depend on each other, so it is conversations that are left out in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, stdtrit

from vocabtrim_core.counting.kernels import hits_of
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.errors import InputError

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class CoverageInterval:
    """An estimate with its interval at LEVEL.

    Attributes:
        value: The estimate.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def coverage_interval(responses: Responses, is_kept: np.ndarray) -> CoverageInterval:
    """Coverage of tokens that were chosen on other text, with an interval over conversations.

    On the text that chose them the interval would hold the coverage of that text alone, not of new
    text: `held_out.held_out_coverage` is for that.

    Args:
        responses: The text to measure.
        is_kept: bool[V], the tokens kept.

    Returns:
        The frequency-weighted coverage (0..1) with its interval.

    Raises:
        InputError: Fewer than two conversations.
    """
    need_two(responses)
    at = responses.conversation_offsets()
    return ratio_interval(hits_of(responses.ids, at, is_kept), np.diff(at))


def ratio_interval(hits: np.ndarray, sizes: np.ndarray) -> CoverageInterval:
    """A share of tokens, with the jackknife interval over conversations.

    Each conversation is left out in turn; Student's t on the logit, so that the ends stay within
    0..1. With few conversations a percentile bootstrap held the truth less often.

    Args:
        hits: int64[conversations], tokens of each that count.
        sizes: int64[conversations], all tokens of each.

    Returns:
        The share (0..1) with its interval.
    """
    share, number = float(hits.sum() / sizes.sum()), len(sizes)
    others = np.maximum(sizes.sum() - sizes, 1)
    without = (hits.sum() - hits) / others
    error = float(np.sqrt((number - 1) / number * ((without - without.mean()) ** 2).sum()))
    if not 0 < share < 1 or not error:
        return CoverageInterval(share, share, share)
    reach = stdtrit(number - 1, (1 + LEVEL) / 2) * error / (share * (1 - share))
    low, high = expit(logit(share) - reach), expit(logit(share) + reach)
    return CoverageInterval(share, float(low), float(high))


def need_two(responses: Responses) -> None:
    """Check that there are enough conversations for an interval.

    Args:
        responses: The conversations.

    Raises:
        InputError: There are fewer than two conversations, or no tokens in them.
    """
    if responses.conversations < 2 or not responses.tokens:
        raise InputError(
            "An interval needs two conversations with counted tokens at least, but there are "
            f"{responses.conversations}; add conversations."
        )
