"""How many tokens a cycle should draft: the fastest n of each draft that was measured with several.

A draft's fastest n is picked from several, so its intervals hold for all of them at once
(Bonferroni), and values of n that cannot be told from it are named (Holm over all pairs).
"""

from __future__ import annotations

import re
from itertools import groupby

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.measurement import Configuration, Measurement
from vocabtrim_core.serving.significance import ALPHA
from vocabtrim_core.serving.statistics import compare
from vocabtrim_core.serving.verdict import gain, mean_rate, tied
from vocabtrim_core.wording import listed

EQUAL = "Drafts are compared with baselines that draft as many tokens per cycle (n)."


def best_steps(measurement: Measurement, concurrency: int | None = None) -> tuple[str, ...]:
    """Say how many drafted tokens are fastest, for each draft that was measured with several.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for all runs.

    Returns:
        A sentence on what is compared with what, then one for each draft; none where every draft
        was measured with one number of steps.
    """
    sentences = [
        _sentence(measurement, same_draft, concurrency)
        for same_draft in by_draft(measurement, concurrency)
        if len({c.steps for c in same_draft}) > 1
    ]
    return (EQUAL, *sentences) if sentences else ()


def by_draft(
    measurement: Measurement, concurrency: int | None = None
) -> list[tuple[Configuration, ...]]:
    """Group the configurations with a good run by their draft.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for all runs.

    Returns:
        The groups from the largest draft to the smallest, by steps inside; configurations without
        a draft are in none.
    """

    def draft(c: Configuration) -> tuple[int, str, int]:
        return -(c.k or 0), c.draft, c.topk

    drafting = [
        c for c in measurement.configurations if c.steps and measurement.good(c.label, concurrency)
    ]
    ordered = sorted(drafting, key=lambda c: (*draft(c), c.steps))
    return [tuple(group) for _, group in groupby(ordered, draft)]


def _sentence(
    measurement: Measurement, group: tuple[Configuration, ...], concurrency: int | None
) -> str:
    best = max(group, key=lambda c: mean_rate(measurement, c, concurrency))
    others = [c for c in group if c is not best]
    parts = []
    for other in others:
        try:
            ratio = compare(
                measurement, best.label, other.label, concurrency, 1 - ALPHA / len(group)
            ).ratio
        except InputError:  # no two runs make a pair
            continue
        parts.append(f"{gain(ratio)} over n = {other.steps}")
    name = re.sub(r"n = \d+(, )?", "", best.label).replace(" ()", "")
    rate = mean_rate(measurement, best, concurrency)
    text = f"{name} is fastest with n = {best.steps} ({rate:.1f} tokens/s"
    text += f", {listed(parts)})" if parts else ")"
    unclear = [f"n = {c.steps}" for c in tied(measurement, best, list(group), concurrency)]
    one_run = all(len(measurement.good(c.label, concurrency)) < 2 for c in group)
    if one_run:
        text += ", one run each, which may be chance"
    elif unclear:
        text += f", not distinguishable from {listed(unclear)}"
    return f"{text}."
