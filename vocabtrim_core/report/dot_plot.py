"""Figures of values with intervals, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vocabtrim_core.generalization.intervals import CoverageInterval
from vocabtrim_core.report.data import ReportData
from vocabtrim_core.report.svg import ACCENT, INK, WIDTH, Scale, Sheet, changes, percents
from vocabtrim_core.tokenizers.text import visible
from vocabtrim_core.wording import between, percent, signed


class Dot(NamedTuple):
    """One row.

    Attributes:
        name: Name at the left.
        value: The value.
        low: Lower end of its interval, None without one.
        high: Upper end of its interval, None without one.
        words: Text at the right.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    words: str


def dots(
    rows: Sequence[Dot], title: str, mark: tuple[float, str] | None, show: Callable[[float], str]
) -> str:
    """Draw values with intervals, one row each.

    Args:
        rows: The rows, all in the same unit.
        title: Title of the axis.
        mark: A value to compare with and its name, None for none.
        show: Writes a tick.

    Returns:
        SVG text.
    """
    sheet = Sheet(74 + 30 * len(rows), title)
    ends = [v for row in rows for v in (row.value, row.low, row.high) if v is not None]
    ends += [mark[0]] if mark else []
    low, high = min(ends), max(ends)
    margin = max((high - low) * 0.12, 0.5)
    x = Scale(low - margin, high + margin, 216, WIDTH - 176)
    bottom = 28 + 30 * len(rows)
    sheet.x_axis(x, bottom, 20, title, show)
    if mark:
        sheet.line(x(mark[0]), 14, x(mark[0]), bottom, stroke=INK, stroke_dasharray="1 3")
        sheet.text(x(mark[0]), 10, mark[1], "s b", "middle")
    for i, row in enumerate(rows):
        y = 42 + 30 * i
        name = visible(row.name).replace("␣", " ")
        sheet.text(204, y + 4, name if len(name) <= 32 else f"{name[:31]}…", "", "end")
        if row.low is not None and row.high is not None:
            sheet.line(
                x(row.low),
                y,
                x(row.high),
                y,
                stroke=ACCENT,
                stroke_width=5,
                stroke_opacity=0.28,
                stroke_linecap="round",
            )
        sheet.circle(x(row.value), y, 4.6, fill=ACCENT)
        sheet.text(WIDTH - 162, y + 4, row.words, "s")
    return sheet.svg()


def elsewhere(data: ReportData) -> str:
    """Draw the coverage of every other corpus beside that of the counted one.

    Args:
        data: The content of the report.

    Returns:
        SVG text.
    """
    rows = [
        Dot(
            place.held.name,
            100 * place.held.coverage,
            100 * place.interval.low if place.interval else None,
            100 * place.interval.high if place.interval else None,
            percent(place.held.coverage, 2) + _span(place.interval),
        )
        for place in data.elsewhere
    ]
    inputs = data.inputs
    if held_out := inputs.held_out:
        own_row = Dot(
            f"{inputs.counts.name}, held out",
            100 * held_out.value,
            100 * held_out.low,
            100 * held_out.high,
            percent(held_out.value, 2) + _span(held_out),
        )
        rows.insert(0, own_row)
    own = (100 * data.opened.choice.coverage, "in sample")
    return dots(rows, "Coverage of each corpus", own, percents)


def _span(interval: CoverageInterval | None) -> str:
    return f"  ({percent(interval.low)} to {percent(interval.high)})" if interval else ""


def measured(data: ReportData) -> str:
    """Draw measured throughput gains with their intervals; a single run has none.

    Args:
        data: The content of the report.

    Returns:
        SVG text.
    """
    rows = [
        Dot(
            f"{m.task}, {m.k:,} : {m.baseline}",
            100 * m.gain,
            None if m.gain_low is None else 100 * m.gain_low,
            None if m.gain_high is None else 100 * m.gain_high,
            signed(m.gain) + _gains(m.gain_low, m.gain_high),
        )
        for m in data.inputs.measured
    ]
    return dots(rows, "Throughput gain, 95 % interval", (0, "no change"), changes)


def _gains(low: float | None, high: float | None) -> str:
    return "  (one run)" if low is None or high is None else f"  ({between(low, high)})"
