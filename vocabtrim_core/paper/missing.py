"""Section 4.1: the tokens that the paper names as missing, looked up in the shipped counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vocabtrim_core.forecast.paper import GENERAL_K
from vocabtrim_core.paper.counts import BLEND, shipped, tradeoff
from vocabtrim_core.paper.published import MISSING, MissingExample

KEPT, LACKING, SEVERAL = "kept here", "missing here too", "several tokens"


@dataclass(frozen=True, slots=True)
class LookedUp:
    """One of the paper's examples in the shipped counts.

    Attributes:
        example: The example.
        rank: Best rank of its ids in the blend, from 1; None where it is several tokens.
        in_blend: Occurrences in the blend.
        in_benchmark: Occurrences in the benchmark's shipped sets.
        verdict: KEPT, LACKING or SEVERAL.
    """

    example: MissingExample
    rank: int | None
    in_blend: int
    in_benchmark: int
    verdict: str


def looked_up() -> tuple[LookedUp, ...]:
    """Look up every example among the 13,264 most frequent tokens of the shipped blend.

    A text that is a token both alone and after a space is missing where both are.

    Returns:
        One entry per example, in the paper's order.
    """
    ranks, blend = tradeoff().curve.ranks(), shipped(BLEND).counts().counts
    return tuple(_look_up(example, ranks, blend) for example in MISSING)


def _look_up(example: MissingExample, ranks: np.ndarray, blend: np.ndarray) -> LookedUp:
    ids = list(example.ids)
    if not ids:
        return LookedUp(example, None, 0, 0, SEVERAL)
    rank = int(ranks[ids].min()) + 1
    searched = sum(int(shipped(name).counts().counts[ids].sum()) for name in example.searched)
    verdict = KEPT if rank <= GENERAL_K else LACKING
    return LookedUp(example, rank, int(blend[ids].sum()), searched, verdict)


REASON = (
    "The blend here holds the training solutions of GSM8K with their << annotations, and code with "
    "doctests, so << and >>> are frequent in it; the nouns and names are rare in both."
)
