"""The figures of a report, each a pure function from data to SVG text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vocabtrim_core.coverage import sampled
from vocabtrim_core.draft_kinds.kind import COMPONENTS
from vocabtrim_core.palette import LIGHT
from vocabtrim_core.report.data import Option, ReportData
from vocabtrim_core.report.dot_plot import elsewhere, measured
from vocabtrim_core.report.svg import (
    ACCENT,
    INK,
    LINE,
    MUTED,
    SOFT,
    WARN,
    WIDTH,
    Scale,
    Sheet,
    changes,
    free_places,
    percents,
    text_width,
    thousands,
)
from vocabtrim_core.wording import percent

LEFT, RIGHT = 52, 96  # room for the labels of the y axis, and of the lines' ends
PARTS: dict[str, str] = dict(zip(COMPONENTS, LIGHT.parts, strict=True))
SMALLEST = 100  # smallest size drawn; published drafts keep far more


def _size_scale(data: ReportData) -> Scale:
    low = min(SMALLEST, data.options[0].k)
    return Scale(low, data.full.k, LEFT, WIDTH - RIGHT, log=True)


def _by_importance(data: ReportData) -> list[Option]:
    return sorted(data.options, key=lambda o: (not o.chosen, o is not data.full, o.k))


# --- coverage, cost and utility over k ----------------------------------------------------------


def curve(data: ReportData) -> str:
    """Draw coverage, FLOPs saved and utility over the sizes; those of the table are marked.

    Args:
        data: The content of the report.

    Returns:
        SVG text.
    """
    sheet = Sheet(320, "Coverage, draft FLOPs saved and utility against draft vocabulary size")
    x, y = _size_scale(data), Scale(0, 100, 276, 44)
    tradeoff, chosen = data.opened.tradeoff, data.chosen
    sheet.y_axis(y, LEFT, x.stop, "Share", percents)
    sheet.x_axis(x, y.start, y.stop, "Draft vocabulary size k, tokens (log scale)", thousands)
    ks = sampled(int(x.low), data.full.k, *(o.k for o in data.options))
    lines = (
        ("Utility", tradeoff.utility, INK, 1.2, "4 3"),
        ("FLOPs saved", tradeoff.latency_reduction, MUTED, 2, ""),
        ("Coverage", tradeoff.curve.coverage, ACCENT, 2.6, ""),
    )
    if tradeoff.floor:
        at = y(100 * tradeoff.floor)
        sheet.line(LEFT, at, x.stop, at, stroke=WARN, stroke_dasharray="2 3")
        sheet.text(LEFT + 6, at - 5, f"floor {percent(tradeoff.floor)}", "s w")
    sheet.line(x(chosen.k), y.stop - 6, x(chosen.k), y.start, stroke=ACCENT, stroke_dasharray="1 3")
    ends = []
    for name, values, colour, width, dash in lines:
        places = [(x(k), y(100 * v)) for k, v in zip(ks, values[ks - 1], strict=True)]
        sheet.path(
            places,
            stroke=colour,
            stroke_width=width,
            stroke_dasharray=dash,
            stroke_linejoin="round",
        )
        ends.append((places[-1][1], name, colour))
    _line_ends(sheet, x.stop + 8, ends)
    options = _by_importance(data)
    for option in reversed(options):  # the chosen one on top
        _size_dot(sheet, option, x(option.k), y(100 * option.choice.coverage))
    _size_labels(sheet, options, x, y.stop - 12)
    return sheet.svg()


def _size_dot(sheet: Sheet, option: Option, x: float, y: float) -> None:
    radius, width = (5, 2.4) if option.chosen else (3.2, 1.6)
    sheet.circle(x, y, radius, fill="#fff", stroke=ACCENT, stroke_width=width)


def _size_labels(sheet: Sheet, options: Sequence[Option], x: Scale, y: float) -> None:
    """Write the sizes above a chart, the most important first, where there is room."""
    spans = [(x(o.k) - 20, x(o.k) + 20) for o in options]
    for option, free in zip(options, free_places(spans), strict=True):
        if free:
            bold = "s b" if option.chosen else "s"
            sheet.text(x(option.k), y, thousands(option.k), bold, "middle")


def _line_ends(sheet: Sheet, x: float, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write names at the ends of lines, moved apart where they would touch."""
    last = float("-inf")
    for y, name, colour in sorted(ends):
        last = max(y, last + 15)
        sheet.text(x, last + 4, name, "s", style=f"fill:{colour};font-weight:600")


# --- frontier -----------------------------------------------------------------------------------


def frontier(data: ReportData) -> str:
    """Draw coverage against the FLOPs saved, with the Pareto frontier.

    Args:
        data: The content of the report.

    Returns:
        SVG text.
    """
    sheet = Sheet(334, "Pareto frontier of coverage against draft FLOPs saved")
    tradeoff = data.opened.tradeoff
    shown = [o for o in data.options if o.choice.coverage > 0]
    floor = min([o.choice.coverage for o in shown] + [tradeoff.floor or 1.0])
    bottom = max(0, 5 * np.floor((100 * floor - 8) / 5))
    most = 100 * float(tradeoff.architecture.latency_reduction(1))
    x, y = Scale(0, most, LEFT, WIDTH - 66), Scale(bottom, 100, 288, 44)
    sheet.y_axis(y, LEFT, x.stop, "Coverage", percents)
    sheet.x_axis(x, y.start, y.stop, "Draft FLOPs saved per step, against all tokens", percents)
    ks = sampled(1, data.full.k, *(o.k for o in shown), tradeoff.curve.distinct, points=400)
    covered, saved = 100 * tradeoff.curve.coverage[ks - 1], 100 * tradeoff.latency_reduction[ks - 1]
    inside = covered >= bottom
    ks, covered, saved = ks[inside], covered[inside], saved[inside]
    allowed, useful = tradeoff.within()[ks - 1], tradeoff.on_frontier()[ks - 1]
    kind = np.where(useful, np.where(allowed, 2, 0), 1)  # infeasible, dominated, on the frontier
    styles = ((WARN, "2 3"), (MUTED, "1 3"), (ACCENT, ""))
    cuts = np.flatnonzero(np.diff(kind)) + 1
    for piece in np.split(np.arange(len(ks)), cuts):
        colour, dash = styles[kind[piece[0]]]
        joined = range(piece[0], min(piece[-1] + 2, len(ks)))  # up to the next piece
        sheet.path(
            [(x(saved[i]), y(covered[i])) for i in joined],
            stroke=colour,
            stroke_width=2.4,
            stroke_dasharray=dash,
        )
    if tradeoff.floor and 100 * tradeoff.floor > bottom:
        at = y(100 * tradeoff.floor)
        sheet.line(LEFT, at, x.stop, at, stroke=WARN, stroke_width=0.8)
        words = f"floor {percent(tradeoff.floor)}: below it nothing qualifies"
        sheet.text(LEFT + 6, at + 14, words, "s w")
    _frontier_labels(sheet, data, x, y)
    return sheet.svg()


def _frontier_labels(sheet: Sheet, data: ReportData, x: Scale, y: Scale) -> None:
    """Draw the points with their size at the right, where the frontier never runs."""
    taken: list[tuple[float, float]] = []
    points = [
        (o, (x(100 * o.choice.latency_reduction), y(100 * o.choice.coverage)))
        for o in _by_importance(data)
    ]
    for option, at in reversed(points):  # the chosen one on top
        sheet.circle(
            *at,
            5.5 if option.chosen else 3.6,
            fill=ACCENT if option.chosen else "#fff",
            stroke=ACCENT,
            stroke_width=1.8,
        )
    for option, at in points:
        if any(abs(at[0] - a) < 56 and abs(at[1] - b) < 14 for a, b in taken):
            continue
        taken.append(at)
        bold = "b" if option.chosen else "s"
        # At the top left the line is flat, so the label goes below it.
        rise = 18 if at[0] < x.start + 90 else -6
        sheet.text(at[0] + 9, at[1] + rise, thousands(option.k), bold)


# --- cost ---------------------------------------------------------------------------------------


def breakdown(data: ReportData) -> str:
    """Draw the FLOPs of a draft step by component, with all tokens and with the kept ones.

    Args:
        data: The content of the report.

    Returns:
        SVG text.
    """
    sheet = Sheet(140, "FLOPs of one draft step by component, with all tokens and with the kept")
    architecture = data.opened.tradeoff.architecture
    sizes = (data.full.k, data.chosen.k)
    weights = [architecture.breakdown(k) for k in sizes]
    total = max(sum(w.values()) for w in weights)
    x = Scale(0, total, 110, WIDTH - 76)
    at = x.start
    for name in weights[0]:
        sheet.rect(at, 6, 11, 11, fill=PARTS[name])
        sheet.text(at + 17, 16, name, "s")
        at += 40 + text_width(name, 11)
    for row, (k, parts) in enumerate(zip(sizes, weights, strict=True)):
        top, at = 36 + 50 * row, 0.0
        sheet.text(100, top + 22, f"{k:,} tokens", "b" if row else "", "end")
        for name, count in parts.items():
            start, end = x(at), x(at + count)
            sheet.rect(start, top, end - start - 1, 34, fill=PARTS[name])
            words = f"{2 * count / 1e6:,.0f}"
            if text_width(words) + 8 < end - start:
                style = f"fill:{INK if name in COMPONENTS[:2] else '#fff'};font-weight:600"
                sheet.text((start + end) / 2, top + 22, words, "", "middle", style=style)
            at += count
        sheet.text(x(at) + 8, top + 22, f"{2 * at / 1e6:,.0f} M", "b")
    return sheet.svg()


# --- forecast -----------------------------------------------------------------------------------


def throughput(data: ReportData) -> str:
    """Draw the predicted throughput of every size against all tokens, as an interval.

    Args:
        data: The content of the report.

    Returns:
        SVG text.
    """
    predicted = data.forecast
    assert predicted is not None
    sheet = Sheet(304, "Predicted throughput against draft vocabulary size, as an interval")
    x, base = _size_scale(data), predicted.baseline_k
    ks = sampled(int(x.low), data.full.k, *(o.k for o in data.options))
    low, middle, high = (
        100 * (getattr(predicted, n)[ks - 1] - 1) for n in ("low", "middle", "high")
    )
    # Large losses are cut off, so that the scale serves the other sizes.
    lowest = max(float(low.min()), -2 * float(high.max()) - 10)
    y = Scale(min(lowest, -2), float(high.max()) + 2, 258, 40)
    sheet.y_axis(y, LEFT, x.stop, f"Throughput against {base:,} tokens", changes)
    sheet.x_axis(x, y.start, y.stop, "Draft vocabulary size k, tokens (log scale)", thousands)
    inside = high >= lowest
    xs = [x(k) for k in ks[inside]]
    ups = [y(v) for v in high[inside]]
    downs = [y(max(v, lowest)) for v in low[inside]]
    around = [*zip(xs, ups, strict=True), *reversed(list(zip(xs, downs, strict=True)))]
    sheet.path(around, True, style=f"fill:{SOFT}")
    sheet.line(LEFT, y(0), x.stop, y(0), stroke=INK, stroke_width=0.8)
    shown = middle >= lowest
    sheet.path(
        [(x(k), y(v)) for k, v in zip(ks[shown], middle[shown], strict=True)],
        stroke=ACCENT,
        stroke_width=2.2,
    )
    options = _by_importance(data)
    for option in options:
        at = x(option.k)
        value = 100 * data.gain(option, base).middle
        stroke = ACCENT if option.chosen else LINE
        sheet.line(at, y.stop - 4, at, y.start, stroke=stroke, stroke_dasharray="1 3")
        if value >= lowest:
            _size_dot(sheet, option, at, y(value))
    _size_labels(sheet, options, x, y.stop - 10)
    return sheet.svg()


def figures(data: ReportData) -> dict[str, str]:
    """Draw every figure that these data have.

    Args:
        data: The content of the report.

    Returns:
        Name of the file without its suffix -> SVG text, in the order of the report.
    """
    drawn = {"curve": curve(data), "frontier": frontier(data), "breakdown": breakdown(data)}
    if data.elsewhere:
        drawn["elsewhere"] = elsewhere(data)
    if data.inputs.measured:
        drawn["measured"] = measured(data)
    if data.forecast:
        drawn["throughput"] = throughput(data)
    return drawn
