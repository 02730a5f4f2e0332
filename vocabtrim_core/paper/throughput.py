"""Tables 2, 3 and 6: measured here where somebody has, else forecast on the shipped counts."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.inputs import PAPER_DEPTH, acceptance_on, served_text
from vocabtrim_core.forecast.paper import FULL_K, RESULTS, SECONDS, PaperResult
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import Forecast, forecast
from vocabtrim_core.paper.counts import BLEND, DRAFT, shipped
from vocabtrim_core.paper.panels import Panel, PanelRow
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.paper_comparison import PaperComparison, compare_with_paper
from vocabtrim_core.serving.statistics import RatioInterval
from vocabtrim_core.wording import percent

DOWNSTREAM = {  # task -> the set that chooses, the set that is served
    "Function calling": ("Function calling train", "Function calling test"),
    "NER": ("NER train", "NER test"),
}
ASSUMED = (
    "Forecast from the paper's acceptance length with all tokens, an A100's data sheet, depth 3 "
    "and the shipped counts, with its 90% band; measured where a measurement of the task is stored."
)
NO_MEASUREMENT = "Absolute times belong to the paper's machine and target."


@functools.cache
def predicted(task: str) -> Forecast:
    """The forecast of one of the paper's tasks.

    Args:
        task: Name of the task, as in `RESULTS`.

    Returns:
        The forecast, on shipped counts, from the paper's acceptance length with all tokens.
    """
    result = next(row for row in RESULTS if row.task == task)
    chooser, served = DOWNSTREAM.get(task, (BLEND, task))
    curve = CoverageCurve.of(shipped(chooser).counts())
    settings = ForecastSettings(result.length_full, PAPER_DEPTH)
    acceptance = acceptance_on(served_text(curve, shipped(served).counts()), settings)
    return forecast(acceptance.model, cycle_times(settings, PRESETS[DRAFT]))


def table_2(measured: Mapping[str, PaperComparison]) -> Panel:
    """Throughput on the benchmarks.

    Args:
        measured: Task -> what was measured of it.

    Returns:
        The panel.
    """
    rows = [
        row
        for result in RESULTS
        if result.task not in SECONDS
        for row in (*_rates(result, measured.get(result.task)), _gain(result, measured))
    ]
    return Panel("Table 2", "Output tokens per second on the benchmarks", tuple(rows), ASSUMED)


def table_3(measured: Mapping[str, PaperComparison]) -> Panel:
    """Latency and throughput on the domain tasks.

    Args:
        measured: Task -> what was measured of it.

    Returns:
        The panel.
    """
    rows: list[PanelRow] = []
    for task, pairs in SECONDS.items():
        result = next(row for row in RESULTS if row.task == task)
        ours = measured.get(task)
        for k, side, (seconds, half) in zip(
            (FULL_K, result.k), ("full", "trimmed"), pairs, strict=True
        ):
            own = _mean(ours, side, "seconds")
            rows.append(PanelRow(f"{task}, seconds at {k:,}", "seconds", seconds, own, half=half))
        rows += [_latency(result, pairs, ours), *_rates(result, ours), _gain(result, measured)]
    title = "Latency and throughput on the domain tasks"
    return Panel("Table 3", title, tuple(rows), f"{ASSUMED} {NO_MEASUREMENT}")


def _latency(
    result: PaperResult, pairs: tuple[tuple[float, float], ...], ours: PaperComparison | None
) -> PanelRow:
    """The change of latency, which is that of the time per token."""
    label, change = f"{result.task}, change of latency", pairs[1][0] / pairs[0][0] - 1
    if ours and ours.slower:
        return PanelRow(label, "change", change, ours.slower.mean - 1, ends=_ends(ours.slower))
    low, middle, high = (
        1 / (1 + gain) - 1 for gain in predicted(result.task).gain(result.k, FULL_K)
    )
    return PanelRow(label, "change", change, middle, "estimated", ends=(high, low))


def table_6(measured: Mapping[str, PaperComparison]) -> Panel:
    """Coverage, acceptance length and throughput of every task.

    Args:
        measured: Task -> what was measured of it.

    Returns:
        The panel.
    """
    rows: list[PanelRow] = []
    for result in RESULTS:
        ours, covered = measured.get(result.task), _coverage(result)
        full = _mean(ours, "full", "length")
        where = f"{result.task}, acceptance length at"
        rows += [
            PanelRow(f"{result.task}, coverage of {result.k:,}", "share", result.coverage, covered),
            PanelRow(f"{where} {FULL_K:,}", "length", result.length_full, full),
            _length(f"{where} {result.k:,}", result, ours),
            _gain(result, measured),
        ]
    return Panel(
        "Table 6",
        "Coverage, acceptance length and throughput",
        tuple(rows),
        "Acceptance lengths at k are forecast from the paper's with all tokens and the coverage "
        "of the shipped counts. Its function calls and named entities are internal data, ours "
        "public ones.",
    )


def _length(label: str, result: PaperResult, ours: PaperComparison | None) -> PanelRow:
    if (length := _mean(ours, "trimmed", "length")) is not None:
        return PanelRow(label, "length", result.length_trimmed, length)
    model = predicted(result.task).acceptance
    low, high = (float(end[result.k - 1]) for end in model.interval())
    middle = float(model.middle[result.k - 1])
    return PanelRow(label, "length", result.length_trimmed, middle, "estimated", ends=(low, high))


def _coverage(result: PaperResult) -> float:
    return float(predicted(result.task).acceptance.coverage[result.k - 1])


def measured_by_task(measurements: Sequence[Measurement]) -> dict[str, PaperComparison]:
    """The first measurement of each of the paper's tasks, one request at a time.

    Args:
        measurements: What is stored.

    Returns:
        Task -> the measured drafts beside the paper's result; without tasks not measured.
    """
    rows = compare_with_paper(measurements)
    by_task: dict[str, PaperComparison] = {}
    for row in rows:
        if row.paper and row.trimmed:
            by_task.setdefault(row.task, row)
    return by_task


def _rates(result: PaperResult, ours: PaperComparison | None) -> tuple[PanelRow, PanelRow]:
    return (
        PanelRow(
            f"{result.task}, tokens/s at {FULL_K:,}",
            "rate",
            result.throughput_full,
            _mean(ours, "full", "rate"),
            half=result.throughput_full_ci,
        ),
        PanelRow(
            f"{result.task}, tokens/s at {result.k:,}",
            "rate",
            result.throughput_trimmed,
            _mean(ours, "trimmed", "rate"),
            half=result.throughput_trimmed_ci,
        ),
    )


def _gain(result: PaperResult, measured: Mapping[str, PaperComparison]) -> PanelRow:
    label, ours = f"{result.task}, gain of throughput", measured.get(result.task)
    if ours and ours.gain:
        own, where = ours.gain.mean - 1, f"Ours was measured on {ours.where}."
        return PanelRow(label, "change", result.gain, own, ends=_ends(ours.gain), reason=where)
    low, middle, high = predicted(result.task).gain(result.k, FULL_K)
    why = _why(result, low, high)
    return PanelRow(label, "change", result.gain, middle, "estimated", ends=(low, high), reason=why)


def _why(result: PaperResult, low: float, high: float) -> str:
    """How the paper's gain lies to the band."""
    if low <= result.gain <= high:
        return "The paper's lies within the band."
    covered = _coverage(result)
    if (covered < result.coverage) == (result.gain > high):
        return (
            f"The paper's text is covered to {percent(result.coverage)}, this one to "
            f"{percent(covered)}."
        )
    if result.gain > high:
        return "The paper's cycle of this task is shorter than an A100's data sheet allows."
    return "The paper's draft lost more length than coverage explains."


def _ends(ratio: RatioInterval) -> tuple[float, float] | None:
    """The ends of a measured ratio, as changes."""
    if ratio.half is None:
        return None
    return ratio.mean - 1 - ratio.half, ratio.mean - 1 + ratio.half


def _mean(ours: PaperComparison | None, side: str, name: str) -> float | None:
    draft = getattr(ours, side) if ours else None
    interval = getattr(draft, name) if draft else None
    return interval.mean if interval else None
