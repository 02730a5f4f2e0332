"""The report's tables as CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from vocabtrim_core.coverage import sampled
from vocabtrim_core.report.data import Facts
from vocabtrim_core.tokenizers.text import visible

POINTS = 2000  # sizes in curve.csv, even on a log axis
FORMULA = ("=", "+", "-", "@")


def tables(facts: Facts) -> dict[str, str]:
    """Write the tables of a report.

    Args:
        facts: The content of the report.

    Returns:
        Name of the file without its suffix -> CSV text (one header line, shares in 0..1).
    """
    texts = {"sizes": _sizes(facts), "curve": _curve(facts), "left_out": _left_out(facts)}
    if facts.elsewhere:
        texts["elsewhere"] = _elsewhere(facts)
    if facts.material.measured:
        texts["measured"] = _measured(facts)
    return texts


def _sizes(facts: Facts) -> str:
    head = (
        "k",
        "labels",
        "coverage",
        "latency_reduction",
        "utility",
        "head_bytes",
        "feasible",
        "throughput_gain_low",
        "throughput_gain_high",
    )
    rows = (
        (
            o.k,
            ", ".join(o.labels),
            o.choice.coverage,
            o.choice.latency_reduction,
            o.choice.utility,
            o.head_bytes,
            o.feasible,
            *(o.gain or ("", "")),
        )
        for o in facts.options
    )
    return csv_text(head, rows)


def _curve(facts: Facts) -> str:
    tradeoff, predicted = facts.opened.tradeoff, facts.forecast
    ks = sampled(1, facts.full.k, *(o.k for o in facts.options), points=POINTS)
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


def _elsewhere(facts: Facts) -> str:
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
        for p in facts.elsewhere
    )
    return csv_text(head, rows)


def _left_out(facts: Facts) -> str:
    """List every token that occurs and is not kept, most frequent first."""
    material, lost = facts.material, facts.missing
    ids = lost.ids.tolist()
    texts = material.tokenizer.tokens(ids) if material.tokenizer else [""] * len(ids)
    head = ("id", "token", "count", *(counts.name for counts in material.others))
    others = [counts.counts[lost.ids].tolist() for counts in material.others]
    rows = zip(ids, map(visible, texts), lost.counts.tolist(), *others, strict=True)
    return csv_text(head, rows)


def _measured(facts: Facts) -> str:
    head = (
        "task",
        "k",
        "baseline",
        "gain",
        "gain_low",
        "gain_high",
        "length",
        "baseline_length",
        "on",
    )
    rows = ([getattr(m, name) for name in head] for m in facts.material.measured)
    return csv_text(head, rows)


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
