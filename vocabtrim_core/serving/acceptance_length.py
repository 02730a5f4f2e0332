"""The one definition of acceptance length, to which every engine's and tool's is converted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np

LENGTH_HELP = (
    "Tokens per verification by the target: 1 + accepted drafted tokens / verifications. The first "
    "token of an answer comes from the prefill and does not count, so the length of K drafted "
    "tokens lies within 1..K + 1. vLLM and llama.cpp define it so; SGLang's own number counts the "
    "first token too."
)
TOOLS_OWN_LENGTH = (
    "The acceptance lengths are those of the tool, whose definition cannot be converted here. "
    "SGLang's is tokens / verifications, which counts the first token of every answer too."
)


def added(accepted: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Add histograms of accepted tokens.

    Args:
        accepted: Histograms of any lengths.

    Returns:
        Their sum, as long as the longest.
    """
    return tuple(map(sum, zip_longest(*accepted, fillvalue=0)))


def length_of(
    verified: int | None, generated: int | None, accepted: Sequence[int] = ()
) -> float | None:
    """The acceptance length, as `LENGTH_HELP` defines it.

    Args:
        verified: Verifications; None without speculation or where unknown.
        generated: Tokens that verifications gave: all but the first of each answer. None where
            unknown.
        accepted: accepted[j] verifications accepted exactly j drafted tokens.

    Returns:
        1 + accepted / verified from the histogram where it has every verification; else generated /
        verified, which is less by the tokens that a limit or an end cut off the last verifications;
        None where both are unknown.
    """
    if not verified:
        return None
    if sum(accepted) == verified:
        return 1 + sum(j * cycles for j, cycles in enumerate(accepted)) / verified
    return None if generated is None else generated / verified


def noise_of_prompts(tokens: Sequence[float], verified: Sequence[float]) -> float | None:
    """How much an acceptance length would differ on as many other prompts of the kind.

    The error of a ratio of sums over prompts, linearized; the cycles of one answer depend on each
    other, so prompts are the unit.

    Args:
        tokens: float[n], what the verifications of each answer gave.
        verified: float[n], the verifications of each answer.

    Returns:
        Standard deviation of the logarithm of the length; None for fewer than two answers with a
        verification.
    """
    given, cycles = np.asarray(tokens, float), np.asarray(verified, float)
    given, cycles = given[cycles > 0], cycles[cycles > 0]
    n = len(cycles)
    if n < 2 or not given.sum():
        return None
    residuals = given - given.sum() / cycles.sum() * cycles
    return float(np.sqrt(n / (n - 1) * (residuals**2).sum()) / given.sum())
