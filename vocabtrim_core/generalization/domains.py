"""Coverage by the domain labels of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.kernels import hits_of
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.generalization.held_out import held_out_hits
from vocabtrim_core.generalization.intervals import CoverageInterval, ratio_interval

UNLABELLED = "no label"


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


def coverage_by_domain(responses: Responses, is_kept: np.ndarray) -> list[DomainCoverage]:
    """Coverage per domain label of tokens that were chosen on other text.

    Args:
        responses: The text to measure, with its labels.
        is_kept: bool[V], the tokens kept.

    Returns:
        One row per label in the order of first appearance, conversations without a label last.
    """
    hits = hits_of(responses.ids, responses.conversation_offsets(), is_kept)
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
    return _by_domain(responses, held_out_hits(responses, k, counts, folds, seed))


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
