"""Measurements compared with the paper's tables 2, 3 and 6: trimmed drafts against the full one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vocabtrim_core.forecast.paper import RESULTS, PaperResult
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run
from vocabtrim_core.serving.statistics import RatioInterval, interval, paired_ratio
from vocabtrim_core.serving.summary import alike


@dataclass(frozen=True, slots=True)
class Side:
    """The runs of one draft.

    Attributes:
        k: Draft vocabulary size.
        rate: Output tokens per second.
        seconds: Wall time of the prompt set, None where unknown.
        length: Acceptance length (tokens per cycle), None where unknown.
    """

    k: int
    rate: RatioInterval
    seconds: RatioInterval | None
    length: RatioInterval | None


@dataclass(frozen=True, slots=True)
class PaperComparison:
    """One row of the tables.

    Attributes:
        task: Name of the task.
        paper: The paper's result on it, None for other tasks.
        where: Device or engine of the measurement, with the drafted tokens (n) where they differ.
        imported: Whether the measurement was imported.
        trimmed: The trimmed draft, None where it was not measured.
        full: The full draft, None where it was not measured.
        gain: Tokens/s of trimmed over full, runs paired by index; 1.0 is no change.
        slower: Seconds of trimmed over full, runs paired by index; 1.0 is no change.
    """

    task: str
    paper: PaperResult | None = None
    where: str = ""
    imported: bool = False
    trimmed: Side | None = None
    full: Side | None = None
    gain: RatioInterval | None = None
    slower: RatioInterval | None = None


def paper_result(prompts: str) -> PaperResult | None:
    """The paper's result on a prompt set.

    Args:
        prompts: Name of the prompt set; case and punctuation do not matter ("math500").

    Returns:
        The result on the task whose name it starts with, None where there is none.
    """
    name = _plain(prompts)
    return next((row for row in RESULTS if name.startswith(_plain(row.task))), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def compare_with_paper(
    measurements: Sequence[Measurement], concurrency: int = 1
) -> tuple[PaperComparison, ...]:
    """Compare measurements with the paper's results.

    Args:
        measurements: The measurements.
        concurrency: Requests at once.

    Returns:
        Rows of measured tasks, the paper's first and in its order; then rows of the paper's tasks
        that were not measured.
    """
    rows = [row for measurement in measurements for row in _rows(measurement, concurrency)]
    rows.sort(key=lambda row: RESULTS.index(row.paper) if row.paper else len(RESULTS))
    measured = {row.task for row in rows}
    unmeasured = (
        PaperComparison(result.task, result) for result in RESULTS if result.task not in measured
    )
    return (*rows, *unmeasured)


def _rows(measurement: Measurement, concurrency: int) -> list[PaperComparison]:
    size = measurement.vocab_size
    drafts = [c for c in measurement.configurations if c.k and c.k != size]
    several = len({c.steps for c in measurement.configurations if c.steps}) > 1
    place = measurement.device or measurement.engine
    rows = []
    for draft in sorted(drafts, key=lambda c: c.k or 0):
        runs = measurement.good(draft.label, concurrency)
        if not runs:
            continue
        full_draft = alike(measurement, draft, size) if size else None
        full = measurement.good(full_draft.label, concurrency) if full_draft else ()
        gain, slower = _ratios(runs, full)
        paper = paper_result(measurement.prompts)
        rows.append(
            PaperComparison(
                paper.task if paper else measurement.prompts,
                paper,
                f"{place}, n = {draft.steps}" if several else place,
                measurement.origin == "imported",
                _side(draft, runs),
                _side(full_draft, full) if full_draft and full else None,
                gain,
                slower,
            )
        )
    return rows


def _side(configuration: Configuration, runs: Sequence[Run]) -> Side:
    seconds = [run.seconds for run in runs if run.seconds is not None]
    lengths = [run.acceptance_length for run in runs if run.acceptance_length is not None]
    return Side(
        configuration.k or 0,
        interval([run.throughput for run in runs]),
        interval(seconds) if seconds else None,
        interval(lengths) if lengths else None,
    )


def _ratios(
    runs: Sequence[Run], full: Sequence[Run]
) -> tuple[RatioInterval | None, RatioInterval | None]:
    """Throughput and wall time relative to the full draft's, of runs whose index both have."""
    by_index = {run.index: run for run in full}
    pairs = [(run, by_index[run.index]) for run in runs if run.index in by_index]
    if not pairs:
        return None, None
    gain = paired_ratio([a.throughput for a, _ in pairs], [b.throughput for _, b in pairs])
    timed = [(a.seconds, b.seconds) for a, b in pairs if a.seconds and b.seconds]
    slower = paired_ratio(*zip(*timed, strict=True)) if timed else None
    return gain, slower
