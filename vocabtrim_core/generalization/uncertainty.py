"""How far to trust a coverage: intervals over conversations, unseen conversations, unseen mass.

Conversations are what is resampled, never tokens, since the tokens of one answer belong together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.kernels import hits_of, only_owner
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.errors import InputError

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class CoverageInterval:
    """An estimate with its interval at LEVEL."""

    value: float
    low: float
    high: float


def unseen_mass(counts: np.ndarray) -> float:
    """Good-Turing estimate of the chance that the next token is one never seen: N1 / N."""
    return float(np.count_nonzero(counts == 1) / counts.sum())


def unseen_in_new_conversation(responses: Responses) -> float:
    """Share of a new conversation's tokens that no conversation before it had.

    Every conversation in turn is taken as the new one: tokens that occur in one conversation only,
    all their occurrences, over N. A rare token comes in clumps, so this exceeds N1 / N.
    """
    _need_two(responses)
    owner = only_owner(responses.ids, responses.conversation_offsets(), responses.vocab_size)
    return float(responses.counts()[owner >= 0].sum() / responses.tokens)


def coverage_interval(
    responses: Responses, kept: np.ndarray, draws: int = 400, seed: int = 0
) -> CoverageInterval:
    """Frequency-weighted coverage of kept tokens (bool[V]), bootstrap over conversations."""
    _need_two(responses)
    at = responses.conversation_offsets()
    return _ratio(hits_of(responses.ids, at, kept), np.diff(at), draws, seed)


@dataclass(frozen=True, slots=True)
class DomainCoverage:
    """Coverage of the conversations that carry one label. interval: None for one of them alone."""

    domain: str
    conversations: int
    tokens: int
    coverage: float
    interval: CoverageInterval | None


UNLABELLED = "no label"


def coverage_by_domain(
    responses: Responses, kept: np.ndarray, draws: int = 400, seed: int = 0
) -> list[DomainCoverage]:
    """Coverage of kept tokens (bool[V]) per domain label, in the order of first appearance."""
    at = responses.conversation_offsets()
    hits, sizes = hits_of(responses.ids, at, kept), np.diff(at)
    rows = []
    for code, name in enumerate((*responses.domains, UNLABELLED)):
        inside = responses.domain == (code if code < len(responses.domains) else -1)
        tokens = int(sizes[inside].sum())
        if tokens:
            n = int(inside.sum())
            interval = _ratio(hits[inside], sizes[inside], draws, seed) if n > 1 else None
            rows.append(DomainCoverage(name, n, tokens, hits[inside].sum() / tokens, interval))
    return rows


def held_out_coverage(
    responses: Responses,
    k: int,
    *,
    counts: np.ndarray | None = None,
    folds: int = 10,
    draws: int = 400,
    seed: int = 0,
) -> CoverageInterval:
    """Coverage of k tokens on conversations that had no part in choosing them.

    Cross-validation: conversations fall into folds, each is measured with the top k of all others.
    counts: int64[V] of the whole corpus, where the responses are a part of it.
    """
    _need_two(responses)
    n, at = responses.conversations, responses.conversation_offsets()
    folds = min(folds, n)
    fold = np.random.default_rng(seed).permutation(n) % folds
    everything = responses.counts() if counts is None else counts
    hits = np.zeros(n, np.int64)
    for f in range(folds):
        others = everything - responses.weighted((fold == f).view(np.uint8))
        kept = np.zeros(responses.vocab_size, bool)
        kept[np.argsort(-others, kind="stable")[:k]] = True
        inside = fold == f
        hits[inside] = hits_of(responses.ids, at, kept)[inside]
    return _ratio(hits, np.diff(at), draws, seed)


@dataclass(frozen=True, slots=True, eq=False)
class Optimism:
    """In-sample against held-out coverage, from repeated random halves of the conversations.

    ks: int64[points]; in_sample, held_out: float64[repeats, points] coverage of the half that
    chose the vocabulary and of the other half. Choosing on all conversations flatters less.
    """

    ks: np.ndarray
    in_sample: np.ndarray
    held_out: np.ndarray


def optimism(responses: Responses, repeats: int = 10, points: int = 60, seed: int = 0) -> Optimism:
    """Split by conversation, choose on one half, measure on the other."""
    _need_two(responses)
    n, size = responses.conversations, responses.vocab_size
    ks = np.unique(np.geomspace(1, size, points).astype(np.int64))
    rng = np.random.default_rng(seed)
    everything = responses.counts()
    inside, outside = np.empty((repeats, len(ks))), np.empty((repeats, len(ks)))
    for i in range(repeats):
        half = np.zeros(n, np.uint8)
        half[rng.choice(n, n // 2, replace=False)] = 1
        chosen = responses.weighted(half)
        other = everything - chosen
        if not chosen.any() or not other.any():
            raise InputError("One half of the conversations holds no tokens; count more of them.")
        order = np.argsort(-chosen, kind="stable")
        inside[i] = (np.cumsum(chosen[order]) / chosen.sum())[ks - 1]
        outside[i] = (np.cumsum(other[order]) / other.sum())[ks - 1]
    return Optimism(ks, inside, outside)


def _ratio(hits: np.ndarray, sizes: np.ndarray, draws: int, seed: int) -> CoverageInterval:
    """Bootstrap over conversations of a share of tokens, percentile interval."""
    rng = np.random.default_rng(seed)
    samples = np.empty(draws)
    for i in range(draws):
        chosen = rng.integers(0, len(sizes), len(sizes), dtype=np.int32)
        samples[i] = hits[chosen].sum() / max(sizes[chosen].sum(), 1)
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return CoverageInterval(float(hits.sum() / sizes.sum()), float(low), float(high))


def _need_two(responses: Responses) -> None:
    if responses.conversations < 2 or not responses.tokens:
        raise InputError(
            "An interval needs two conversations with counted tokens at least, but there are "
            f"{responses.conversations}; add conversations."
        )
