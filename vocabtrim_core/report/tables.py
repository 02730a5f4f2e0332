"""The report's tables as CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import fields

from vocabtrim_core.coverage import sampled
from vocabtrim_core.report.data import Option, ReportData
from vocabtrim_core.report.inputs import Measured
from vocabtrim_core.tokenizers.text import visible

POINTS = 2000  # sizes in curve.csv, even on a log axis
FORMULA = ("=", "+", "-", "@")


def tables(data: ReportData) -> dict[str, str]:
    """Write the tables of a report.

    Args:
        data: The content of the report.

    Returns:
        Name of the file without its suffix -> CSV text (one header line, shares in 0..1).
    """
    texts = {"sizes": _sizes(data), "curve": _curve(data), "left_out": _left_out(data)}
    if data.elsewhere:
        texts["elsewhere"] = _elsewhere(data)
    if data.inputs.measured:
        texts["measured"] = _measured(data)
    return texts


def _sizes(data: ReportData) -> str:
    columns: dict[str, Callable[[Option], object]] = {
        "k": lambda option: option.k,
        "labels": lambda option: ", ".join(option.labels),
        "coverage": lambda option: option.choice.coverage,
        "latency_reduction": lambda option: option.choice.latency_reduction,
        "utility": lambda option: option.choice.utility,
        "head_bytes": lambda option: option.head_bytes,
        "feasible": lambda option: option.feasible,
        "throughput_gain_low": lambda option: option.gain and option.gain[0],
        "throughput_gain_high": lambda option: option.gain and option.gain[1],
    }
    return csv_text(columns, ([column(o) for column in columns.values()] for o in data.options))


def _curve(data: ReportData) -> str:
    tradeoff, predicted = data.opened.tradeoff, data.forecast
    ks = sampled(1, data.full.k, *(o.k for o in data.options), points=POINTS)
    columns = [
        tradeoff.curve.coverage,
        tradeoff.latency_reduction,
        tradeoff.utility,
        tradeoff.within(),
        tradeoff.on_frontier(),
    ]
    head = ["k", "coverage", "latency_reduction", "utility", "feasible", "on_frontier"]
    if predicted:
        columns += [predicted.low, predicted.middle, predicted.high]
        head += [f"throughput_ratio_{name}" for name in ("low", "middle", "high")]
    return csv_text(head, zip(ks.tolist(), *(c[ks - 1].tolist() for c in columns), strict=True))


def _elsewhere(data: ReportData) -> str:
    head = ("corpus", "tokens", "coverage", "low", "high", "unique_coverage", "missing_tokens")
    rows = (
        (
            p.held.name,
            p.held.tokens,
            p.held.coverage,
            *((p.interval.low, p.interval.high) if p.interval else ("", "")),
            p.held.unique_coverage,
            p.held.missing_tokens,
        )
        for p in data.elsewhere
    )
    return csv_text(head, rows)


def _left_out(data: ReportData) -> str:
    """List every token that occurs and is not kept, most frequent first."""
    inputs, lost = data.inputs, data.missing
    ids = lost.ids.tolist()
    texts = inputs.tokenizer.tokens(ids) if inputs.tokenizer else [""] * len(ids)
    head = ("id", "token", "count", *(counts.name for counts in inputs.others))
    others = [counts.counts[lost.ids].tolist() for counts in inputs.others]
    rows = zip(ids, map(visible, texts), lost.counts.tolist(), *others, strict=True)
    return csv_text(head, rows)


def _measured(data: ReportData) -> str:
    names = [field.name for field in fields(Measured)]
    return csv_text(names, ([getattr(m, n) for n in names] for m in data.inputs.measured))


def csv_text(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a table as CSV.

    Args:
        head: The header.
        rows: The rows; None is an empty cell.

    Returns:
        The text, with an apostrophe before texts that a spreadsheet would run as a formula.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_cell, head))
    writer.writerows(map(_cell, row) for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
