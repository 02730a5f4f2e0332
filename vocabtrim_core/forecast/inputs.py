"""From counts and responses to an acceptance model, with what had to be assumed said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance import ceiling, check_depth
from vocabtrim_core.forecast.paper import RESULTS
from vocabtrim_core.forecast.throughput import AcceptanceModel, acceptance_rate, order_free_ceiling

PAPER_DEPTH = 3  # not stated there; its cycle times and lengths imply it


def paper_length(depth: int) -> float:
    """Acceptance length of a full draft that accepts as often as the paper's does on MT-Bench."""
    rate = acceptance_rate(RESULTS[0].length_full, PAPER_DEPTH)
    return float(sum(rate**j for j in range(depth + 1)))


def inferred_length(
    lengths: Mapping[int, float], coverage: np.ndarray, depth: int
) -> tuple[float, float]:
    """Acceptance length of the full draft from the largest measured k, and the most it may be.

    At least that of the largest k, at most what it is if all tokens outside k were lost
    independently of the draft's other misses; taken is the middle. InputError for a k above V.
    """
    k = max(lengths)
    if not 1 <= k <= len(coverage):
        raise InputError(f"k = {k:,} was measured, but the target has {len(coverage):,} tokens.")
    rate = min(acceptance_rate(lengths[k], depth) / coverage[k - 1], 1.0)
    most = float(sum(rate**j for j in range(depth + 1)))
    return (lengths[k] + most) / 2, most


def acceptance_on(
    curve: CoverageCurve,
    served: TokenCounts,
    responses: Responses | None,
    depth: int = PAPER_DEPTH,
    full_length: float | None = None,
    measured: Mapping[int, float] | None = None,
    limit: np.ndarray | None = None,
    progress: Callable[..., None] | None = None,
) -> tuple[AcceptanceModel, tuple[str, ...]]:
    """Acceptance for every k of the vocabulary order `curve` on the text that `served` counts.

    responses: of `served`; None gives a weaker ceiling.  full_length: of the full-vocabulary
    draft; None takes the measured one, infers it from others, or takes the paper's rate.
    measured: k -> acceptance length.  limit: float64[V], the ceiling where it is known already.
    progress: called with (tokens, of, message) while the ceiling is found.  Also returns the
    assumptions, a sentence each.
    """
    if not served.tokens:
        raise InputError(f"{served.name} holds no tokens, so nothing can be forecast for it.")
    check_depth(depth)
    assumed = []
    covered = served.counts[curve.order]
    coverage = np.cumsum(covered) / served.tokens
    if limit is None and responses is None:
        limit = order_free_ceiling(coverage, depth)
        assumed.append(
            f"The responses of {served.name} are not at hand, so the ceiling is the one that "
            "holds for any order of its tokens; count it on this machine for a sharper one."
        )
    elif limit is None:
        assert responses is not None
        limit = ceiling(_watched(responses, progress), curve.ranks()).length(depth)
    if responses is not None and not responses.complete:
        assumed.append(
            f"The ceiling is that of {responses.conversations:,} conversations, a random part "
            f"of {served.name}."
        )
    lengths = dict(measured or {})
    full = lengths.get(curve.vocab_size) if full_length is None else full_length
    if full is None and lengths:
        full, most = inferred_length(lengths, coverage, depth)
        k = max(lengths)
        assumed.append(
            f"The full draft was not measured. From {lengths[k]:.2f} at {k:,} tokens its "
            f"acceptance length is taken to be {full:.2f}, between {lengths[k]:.2f} and {most:.2f}."
        )
    elif full is None:
        full, rate = paper_length(depth), acceptance_rate(RESULTS[0].length_full, PAPER_DEPTH)
        assumed.append(
            f"The full draft's acceptance length is assumed to be {full:.2f}: {rate:.0%} per "
            "token, as on MT-Bench in the paper; measure and give yours."
        )
    if np.array_equal(covered, curve.sorted_counts):
        assumed.append(
            f"Coverage is that of {served.name}, on which the vocabulary is chosen; give the text "
            "to be served where that is another."
        )
    assumed.append(
        "Most acceptance: tokens outside the vocabulary are ones the draft would miss anyway. "
        "Least: they are independent of its other misses."
    )
    return AcceptanceModel(coverage, limit, depth, full, lengths), tuple(assumed)


def _watched(
    responses: Responses, progress: Callable[..., None] | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    done = 0
    for ids, offsets in responses.batches():
        yield ids, offsets
        done += len(ids)
        if progress:
            progress(done, responses.tokens, "acceptance ceiling")
