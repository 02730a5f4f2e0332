"""Comparisons of measurements in sentences: gains, what may be chance, and the fastest of several.

The gain of the fastest of several configurations is too high on average, because it was picked for
its high runs. So its interval is one that holds for all of them at once (Bonferroni), and the
configurations that cannot be told apart from it are named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.measurement import Configuration, Measurement
from vocabtrim_core.serving.significance import ALPHA, holm, power, runs_for
from vocabtrim_core.serving.statistics import Comparison, RatioInterval, compare
from vocabtrim_core.serving.summary import Row, baselines, candidates, summary
from vocabtrim_core.wording import listed

ONE_RUN = "Only one run, so there is no interval: what another run would show is not known."
EFFECT = 0.01  # the difference whose power is told
POWERS = (0.8, 0.9)  # for which the number of runs is told


def verdict(measurement: Measurement, label: str, concurrency: int | None = None) -> str:
    """One sentence on the gain of a configuration over its baselines.

    Args:
        measurement: The measurement.
        label: Label of the configuration.
        concurrency: Requests at once; None for all runs.

    Returns:
        The gains, and which of them may be due to chance.

    Raises:
        InputError: There is no configuration of this label.
    """
    row = _row(measurement, label, concurrency)
    name = _name(measurement, measurement.configuration(label))
    if row.throughput is None:
        return f"{name} has no run that went well on {measurement.prompts}."
    if not row.ratios:
        return f"{name} was measured without a baseline on {measurement.prompts}."
    parts = [f"{gain(comparison.ratio)} over {base}" for base, comparison in row.ratios.items()]
    return f"{name} is {listed(parts)} on {measurement.prompts}: {_findings(row.ratios)}."


def _findings(ratios: Mapping[str, Comparison]) -> str:
    distinct = {base: comparison.distinguishable for base, comparison in ratios.items()}
    unknown = [base for base, clear in distinct.items() if clear is None]
    if len(unknown) == len(distinct):
        return "one run each, so whether that is more than chance is not known"
    if unclear := [base for base, clear in distinct.items() if clear is False]:
        findings = [f"not distinguishable from {listed(unclear)}"]
    else:
        clear = [base for base in distinct if base not in unknown]
        slower = [base for base in clear if ratios[base].ratio.mean < 1]
        faster = [base for base in clear if base not in slower]
        findings = [f"faster than {listed(faster)}"] if faster else []
        findings += [f"slower than {listed(slower)}"] if slower else []
    only = f"; one pair of runs with {listed(unknown)}, which may be chance" if unknown else ""
    return f"{listed(findings)}{only}"


def precision(measurement: Measurement, label: str, concurrency: int | None = None) -> str:
    """One sentence on how small a difference the runs behind a verdict would show.

    Args:
        measurement: The measurement.
        label: Label of the configuration.
        concurrency: Requests at once; None for all runs.

    Returns:
        The power to see a difference of 1 %, rounded down, and how many runs give a power of 80 %
        and 90 %; "" where no baseline has two runs in common with the configuration.

    Raises:
        InputError: There is no configuration of this label.
    """
    tested = [c for c in _row(measurement, label, concurrency).ratios.values() if c.noise]
    if not tested:
        return ""
    runs, tests = min(c.ratio.n for c in tested), max(c.tests for c in tested)
    freedom = sum(c.ratio.n - 1 for c in tested)
    noise = math.sqrt(sum((c.ratio.n - 1) * (c.noise or 0) ** 2 for c in tested) / freedom)
    reached = power(runs, noise, EFFECT, tests)
    text = (
        f"{runs} runs at {100 * noise:.2g} % noise see a {100 * EFFECT:g} % effect "
        f"{math.floor(100 * reached)} % of the time"
    )
    if tests > 1:
        text += f" with Holm's correction for {tests} comparisons"
    missing = [wanted for wanted in POWERS if reached < wanted]
    needed = {wanted: runs_for(wanted, noise, EFFECT, tests) for wanted in missing}
    advice = [f"{n:,} for {100 * wanted:g} %" for wanted, n in needed.items() if n]
    return f"{text}: take {listed(advice)}." if advice else f"{text}."


# --- the fastest ---------------------------------------------------------------------------------


def fastest(measurement: Measurement, concurrency: int | None = None) -> Configuration | None:
    """The draft with the highest mean throughput among the `candidates`.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for all runs.

    Returns:
        The draft, None where no run with a draft went well.
    """
    return max(
        candidates(measurement, concurrency),
        key=lambda draft: mean_rate(measurement, draft, concurrency),
        default=None,
    )


def mean_rate(
    measurement: Measurement, configuration: Configuration, concurrency: int | None = None
) -> float:
    """Mean throughput of a configuration.

    Args:
        measurement: The measurement.
        configuration: A configuration with a good run.
        concurrency: Requests at once; None for all runs.

    Returns:
        Output tokens/s.
    """
    runs = measurement.good(configuration.label, concurrency)
    return sum(run.throughput for run in runs) / len(runs)


def fastest_verdict(measurement: Measurement, concurrency: int | None = None) -> tuple[str, ...]:
    """The verdict about the fastest draft, with a correction for having picked it.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for all runs.

    Returns:
        The `verdict` with intervals that hold for all drafts at once, a sentence that says so, and
        one that names the drafts it cannot be told apart from; the plain verdict alone for a single
        draft, nothing for none.
    """
    best = fastest(measurement, concurrency)
    if best is None:
        return ()
    drafts = candidates(measurement, concurrency)
    text = verdict(measurement, best.label, concurrency)
    if len(drafts) == 1:
        return (text,)
    name = _name(measurement, best)
    row = _row(measurement, best.label, concurrency)
    wide = {
        base: compare(measurement, best.label, label, concurrency, 1 - ALPHA / len(drafts)).ratio
        for base, label in baselines(measurement, best.label).items()
        if base in row.ratios
    }
    sentences = [text]
    noun = "drafts" if len({c.draft for c in drafts}) == len(drafts) else "configurations"
    if any(ratio.half is not None for ratio in wide.values()):
        ratios = {base: replace(row.ratios[base], ratio=ratio) for base, ratio in wide.items()}
        parts = [f"{gain(ratio)} over {base}" for base, ratio in wide.items()]
        sentences = [
            f"{name} is the fastest of {len(drafts)} {noun}, {listed(parts)} on "
            f"{measurement.prompts}: {_findings(ratios)}.",
            f"As it was picked from {len(drafts)}, these intervals hold for all of them at once.",
        ]
    if unclear := tied(measurement, best, drafts, concurrency):
        names = [_name(measurement, c) for c in drafts if c in (best, *unclear)]
        sentences.append(f"{listed(names)} cannot be told apart.")
    return tuple(sentences)


def tied(
    measurement: Measurement,
    best: Configuration,
    drafts: list[Configuration],
    concurrency: int | None = None,
) -> list[Configuration]:
    """Name what cannot be told apart from the best of several, by Holm over all pairs.

    Args:
        measurement: The measurement.
        best: The fastest of the drafts.
        drafts: The drafts, the best among them.
        concurrency: Requests at once; None for all runs.

    Returns:
        The drafts whose runs do not differ from the best's.
    """
    p_values: dict[tuple[str, str], float] = {}
    for one, other in combinations(drafts, 2):
        try:
            p = compare(measurement, one.label, other.label, concurrency).p
        except InputError:  # no two runs make a pair
            continue
        if p is not None:
            p_values[one.label, other.label] = p
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    unclear = {
        label for pair, p in corrected.items() if p > ALPHA and best.label in pair for label in pair
    }
    return [c for c in drafts if c.label in unclear - {best.label}]


# --- words ---------------------------------------------------------------------------------------


def _row(measurement: Measurement, label: str, concurrency: int | None) -> Row:
    measurement.configuration(label)  # raises InputError where there is none
    return next(row for row in summary(measurement, concurrency) if row.label == label)


def _name(measurement: Measurement, configuration: Configuration) -> str:
    """The size where one configuration has it, else the label."""
    k = configuration.k
    same = [c for c in measurement.configurations if c.k == k]
    return f"{k:,}" if k is not None and len(same) == 1 else configuration.label


def gain(ratio: RatioInterval) -> str:
    """A ratio as a relative change, such as '+4.1 % ± 1.2' for 1.041 ± 0.012."""
    text = f"{100 * (ratio.mean - 1):+.1f} %".replace("-", "\N{MINUS SIGN}")
    return text if ratio.half is None else f"{text} ± {100 * ratio.half:.1f}"
