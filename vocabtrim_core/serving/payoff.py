"""Whether speculation pays at all where it was measured, and why not where it does not."""

from __future__ import annotations

from collections.abc import Sequence

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.measurement import Measurement, Run
from vocabtrim_core.serving.statistics import acceptance_length, compare
from vocabtrim_core.serving.summary import drafts_nothing
from vocabtrim_core.serving.verdict import gain, mean_rate


def unpaid(measurement: Measurement, concurrency: int | None = None) -> str:
    """One sentence where even the fastest draft is slower than no speculation.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for all runs.

    Returns:
        By how much it is slower, and how many tokens decoded one by one a cycle of it lasts (the
        time to the first token left out); "" where speculation pays, may pay, or has nothing to be
        compared with.
    """
    measured = [c for c in measurement.configurations if measurement.good(c.label, concurrency)]
    alone = next(filter(drafts_nothing, measured), None)
    drafts = [c for c in measured if not drafts_nothing(c)]
    if alone is None or not drafts:
        return ""
    best = max(drafts, key=lambda draft: mean_rate(measurement, draft, concurrency))
    try:
        comparison = compare(measurement, best.label, alone.label, concurrency)
    except InputError:  # no two runs make a pair
        return ""
    if comparison.ratio.mean >= 1 or comparison.distinguishable is False:
        return ""
    name = "the draft" if len(drafts) == 1 else "even the fastest draft"
    sentence = (
        f"Speculation does not pay here: {name}, {best.label}, is {gain(comparison.ratio)} over no "
        "speculation"
    )
    runs = measurement.good(best.label, concurrency)
    answers = measurement.settings.get("prompts")
    length = acceptance_length(runs)
    cycle = _seconds_per(runs, [run.verified for run in runs], answers, first=0)
    plain = measurement.good(alone.label, concurrency)
    token = _seconds_per(plain, [run.tokens for run in plain], answers, first=1)
    if not (cycle and token and length and best.steps):
        return f"{sentence}."
    return (
        f"{sentence}: drafting {best.steps} and verifying {best.draft_tokens} tokens takes as long "
        f"as decoding {cycle / token:.1f} one by one, and gives {length:.2f}."
    )


def _seconds_per(
    runs: Sequence[Run], counts: Sequence[int | None], answers: object, *, first: int
) -> float | None:
    """Seconds after the first token for each unit of an answer; `first`: units it came with."""
    if not isinstance(answers, int) or not answers:
        return None
    seconds = units = 0.0
    for run, count in zip(runs, counts, strict=True):
        if count is None or run.latency is None or run.first_token is None:
            return None
        if any(answer.first_token_s is None for answer in run.answers):  # the means do not fit
            return None
        seconds += run.latency.mean - run.first_token.mean
        units += count / answers - first
    return seconds / units if units > 0 else None
