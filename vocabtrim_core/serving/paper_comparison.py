"""Measurements beside the paper's tables 2, 3 and 6: each trimmed draft against all of V."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vocabtrim_core.forecast.paper import RESULTS, PaperResult
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run
from vocabtrim_core.serving.statistics import RatioInterval, interval, paired_ratio


@dataclass(frozen=True, slots=True)
class Side:
    """One draft over the runs: tokens/s, wall seconds of the whole set, tokens per cycle."""

    k: int
    rate: RatioInterval
    seconds: RatioInterval | None
    length: RatioInterval | None


@dataclass(frozen=True, slots=True)
class Beside:
    """One row of the tables.

    paper: the paper's result on this task, None for other tasks.  trimmed, full: what was measured,
    None where it was not.  gain, slower: tokens/s and seconds of trimmed over full, 1.0 = the same,
    runs paired by index.
    """

    task: str
    paper: PaperResult | None = None
    where: str = ""
    toy: bool = False
    imported: bool = False
    trimmed: Side | None = None
    full: Side | None = None
    gain: RatioInterval | None = None
    slower: RatioInterval | None = None


def paper_result(prompts: str) -> PaperResult | None:
    """The paper's row for a prompt set, by its name: "math500" and "AIME 2024" are found too."""
    name = _plain(prompts)
    return next((row for row in RESULTS if name.startswith(_plain(row.task))), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def beside_paper(measurements: Sequence[Measurement], concurrency: int = 1) -> tuple[Beside, ...]:
    """What was measured first, the paper's tasks in its order; then those nobody measured."""
    rows = [row for each in measurements for row in _rows(each, concurrency)]
    rows.sort(key=lambda row: RESULTS.index(row.paper) if row.paper else len(RESULTS))
    measured = {row.task for row in rows}
    left = (Beside(result.task, result) for result in RESULTS if result.task not in measured)
    return (*rows, *left)


def _rows(measurement: Measurement, concurrency: int) -> list[Beside]:
    size = measurement.vocab_size
    drafts = [c for c in measurement.configurations if c.k and c.k != size]
    held = next((c for c in measurement.configurations if c.k and c.k == size), None)
    full = measurement.good(held.label, concurrency) if held else ()
    rows = []
    for draft in sorted(drafts, key=lambda c: c.k or 0):
        runs = measurement.good(draft.label, concurrency)
        if not runs:
            continue
        gain, slower = _ratios(runs, full)
        paper = paper_result(measurement.prompts)
        rows.append(
            Beside(
                paper.task if paper else measurement.prompts,
                paper,
                measurement.device or measurement.engine,
                measurement.toy,
                measurement.origin == "imported",
                _side(draft, runs),
                _side(held, full) if held and full else None,
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
    """Throughput and wall time over the full vocabulary's, of the runs that both have."""
    by_index = {run.index: run for run in full}
    pairs = [(run, by_index[run.index]) for run in runs if run.index in by_index]
    if not pairs:
        return None, None
    gain = paired_ratio([a.throughput for a, _ in pairs], [b.throughput for _, b in pairs])
    timed = [(a.seconds, b.seconds) for a, b in pairs if a.seconds and b.seconds]
    slower = paired_ratio(*zip(*timed, strict=True)) if timed else None
    return gain, slower
