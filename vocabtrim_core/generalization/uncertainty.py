"""How certain a coverage is: intervals over conversations, and held-out coverage.

Conversations are resampled, never tokens, since the tokens of one answer depend on each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, stdtrit

from vocabtrim_core.counting.kernels import hits_of, hits_of_folds
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.held_out import by_count, folds_of

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


def unseen_mass(counts: np.ndarray) -> float:
    """Good-Turing estimate of the chance that the next token is a new one: N1 / N.

    It takes tokens as independent, so it is a lower bound on real text; `unseen.unseen` is the
    estimate to show.

    Args:
        counts: int64[V], not all zero.

    Returns:
        0..1.
    """
    return float(np.count_nonzero(counts == 1) / counts.sum())


def coverage_interval(responses: Responses, kept: np.ndarray) -> CoverageInterval:
    """Coverage of tokens that were chosen on other text, with an interval over conversations.

    On the text that chose them the interval would hold the coverage of that text alone, not of new
    text: `held_out_coverage` is for that.

    Args:
        responses: The text to measure.
        kept: bool[V], the tokens kept.

    Returns:
        The frequency-weighted coverage (0..1) with its interval.

    Raises:
        InputError: Fewer than two conversations.
    """
    need_two(responses)
    at = responses.conversation_offsets()
    return ratio_interval(hits_of(responses.ids, at, kept), np.diff(at))


@dataclass(frozen=True, slots=True)
class DomainCoverage:
    """Coverage of the conversations with one label.

    Attributes:
        domain: The label.
        conversations: Conversations with it.
        tokens: Their counted tokens.
        coverage: 0..1.
        interval: None for a single conversation.
    """

    domain: str
    conversations: int
    tokens: int
    coverage: float
    interval: CoverageInterval | None


UNLABELLED = "no label"


def coverage_by_domain(responses: Responses, kept: np.ndarray) -> list[DomainCoverage]:
    """Coverage per domain label of tokens that were chosen on other text.

    Args:
        responses: The text to measure, with its labels.
        kept: bool[V], the tokens kept.

    Returns:
        One row per label in the order of first appearance, conversations without a label last.
    """
    hits = hits_of(responses.ids, responses.conversation_offsets(), kept)
    return _by_domain(responses, hits)


def held_out_by_domain(
    responses: Responses,
    k: int,
    *,
    counts: np.ndarray | None = None,
    folds: int = 10,
    seed: int = 0,
) -> list[DomainCoverage]:
    """Held-out coverage per domain label, of the text that chooses the tokens.

    Args:
        responses: The conversations that choose, or a random part of them.
        k: Tokens kept.
        counts: int64[V] of the whole corpus, where the responses are a part of it.
        folds: Number of folds, at most that of conversations.
        seed: Of the folds.

    Returns:
        One row per label in the order of first appearance, conversations without a label last.

    Raises:
        InputError: Fewer than two conversations.
    """
    return _by_domain(responses, _held_out_hits(responses, k, counts, folds, seed))


def held_out_coverage(
    responses: Responses,
    k: int,
    *,
    counts: np.ndarray | None = None,
    folds: int = 10,
    seed: int = 0,
) -> CoverageInterval:
    """Coverage of the k most frequent tokens on conversations that had no part in choosing them.

    Cross-validation: conversations fall into folds, each is measured with the top k of all others.

    Args:
        responses: The conversations that choose, or a random part of them.
        k: Tokens kept.
        counts: int64[V] of the whole corpus, where the responses are a part of it.
        folds: Number of folds, at most that of conversations.
        seed: Of the folds.

    Returns:
        Coverage (0..1) with its interval.

    Raises:
        InputError: Fewer than two conversations.
    """
    hits = _held_out_hits(responses, k, counts, folds, seed)
    return ratio_interval(hits, np.diff(responses.conversation_offsets()))


def _held_out_hits(
    responses: Responses, k: int, counts: np.ndarray | None, folds: int, seed: int
) -> np.ndarray:
    """int64[conversations]: tokens of each that the top k of the other folds hold."""
    need_two(responses)
    number, at = responses.conversations, responses.conversation_offsets()
    fold = folds_of(number, folds, seed)
    folds = int(fold.max()) + 1
    all_counts = responses.counts() if counts is None else counts
    kept = np.zeros((folds, responses.vocab_size), bool)
    for fold_number in range(folds):
        others = all_counts - responses.weighted((fold == fold_number).view(np.uint8))
        kept[fold_number, by_count(others)[:k]] = True
    return hits_of_folds(responses.ids, at, kept, fold)


def _by_domain(responses: Responses, hits: np.ndarray) -> list[DomainCoverage]:
    sizes = np.diff(responses.conversation_offsets())
    rows = []
    for code, name in enumerate((*responses.domains, UNLABELLED)):
        inside = responses.domain == (code if code < len(responses.domains) else -1)
        tokens = int(sizes[inside].sum())
        if tokens:
            number = int(inside.sum())
            interval = ratio_interval(hits[inside], sizes[inside]) if number > 1 else None
            rows.append(DomainCoverage(name, number, tokens, hits[inside].sum() / tokens, interval))
    return rows


@dataclass(frozen=True, slots=True, eq=False)
class Optimism:
    """In-sample against held-out coverage, from repeated random halves of the conversations.

    Choosing on all conversations is less optimistic than choosing on half of them.

    Attributes:
        ks: int64[points].
        in_sample: float64[repeats, points], coverage of the half that chose the vocabulary.
        held_out: float64[repeats, points], coverage of the other half.
    """

    ks: np.ndarray
    in_sample: np.ndarray
    held_out: np.ndarray


def optimism(responses: Responses, repeats: int = 10, points: int = 60, seed: int = 0) -> Optimism:
    """Split by conversation, choose on one half, measure on the other.

    Args:
        responses: The conversations.
        repeats: Random splits.
        points: Values of k, evenly spaced on a log scale, at the most.
        seed: Of the splits.

    Returns:
        Both coverages of every split at every k.

    Raises:
        InputError: Fewer than two conversations, or a half without tokens.
    """
    need_two(responses)
    n, size = responses.conversations, responses.vocab_size
    ks = np.unique(np.geomspace(1, size, points).astype(np.int64))
    rng = np.random.default_rng(seed)
    all_counts = responses.counts()
    inside, outside = np.empty((repeats, len(ks))), np.empty((repeats, len(ks)))
    for i in range(repeats):
        half = np.zeros(n, np.uint8)
        half[rng.choice(n, n // 2, replace=False)] = 1
        chosen = responses.weighted(half)
        remaining = all_counts - chosen
        if not chosen.any() or not remaining.any():
            raise InputError("One half of the conversations holds no tokens; count more of them.")
        order = np.argsort(-chosen, kind="stable")
        inside[i] = (np.cumsum(chosen[order]) / chosen.sum())[ks - 1]
        outside[i] = (np.cumsum(remaining[order]) / remaining.sum())[ks - 1]
    return Optimism(ks, inside, outside)


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
