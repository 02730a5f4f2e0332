"""Measurements to take along: tables as CSV, figures as SVG, the measurements themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vocabtrim_core.report.dot_plot import Dot, dots
from vocabtrim_core.report.svg import thousands
from vocabtrim_core.report.tables import csv_text
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.paper_comparison import PaperComparison, compare_with_paper
from vocabtrim_core.serving.statistics import RatioInterval, Row, summary

TOY = "toy target"


def take_along(measurements: Sequence[Measurement], concurrency: int) -> dict[str, bytes]:
    """File name -> content: summary, runs and the paper's tables as CSV, rates as SVG, JSON."""
    rows = summary_rows(measurements)
    summary = csv_text(rows[0] if rows else (), (row.values() for row in rows))
    texts = {
        "summary.csv": summary,
        "runs.csv": csv_text(RUN_COLUMNS, _runs(measurements)),
        "beside-paper.csv": csv_text(
            PAPER_COLUMNS, map(_paper, compare_with_paper(measurements, concurrency))
        ),
        "throughput.svg": rates(measurements, concurrency),
    }
    found = {name: text.encode() for name, text in texts.items()}
    return {**found, **{f"{each.key}.json": each.encoded() for each in measurements}}


# --- every configuration ------------------------------------------------------------------------


def summary_rows(measurements: Sequence[Measurement]) -> list[dict[str, object]]:
    """One row per configuration and concurrency, with 95 % intervals; times in milliseconds."""
    return [
        {
            "Prompts": each.prompts,
            "Target": _target(each),
            "Configuration": row.label,
            "k": row.k,
            "At once": at_once,
            **_numbers(row),
        }
        for each in measurements
        for at_once in each.concurrencies
        for row in summary(each, at_once)
        if row.runs or row.failed
    ]


def _target(measurement: Measurement) -> str:
    return f"{measurement.target} ({TOY})" if measurement.toy else measurement.target


def _numbers(row: Row) -> dict[str, object]:
    """A row's numbers, None where nothing is known."""
    rate, length = row.throughput, row.acceptance
    found: dict[str, object] = {
        "Tokens/s": rate and rate.mean,
        "± tokens/s": rate and rate.half,
        "Acceptance length": row.acceptance_length,
        "± length": length and length.half,
    }
    for title, late in (("Latency", row.latency), ("First token", row.first_token)):
        for name in ("mean", "p50", "p95"):
            found[f"{title} {name}, ms"] = late and 1e3 * getattr(late, name)
    return {**found, "Runs": row.runs, "Failed": len(row.failed)}


# --- every run ----------------------------------------------------------------------------------

RUN_COLUMNS = (
    "measurement",
    "prompts",
    "target",
    "engine",
    "device",
    "origin",
    "toy",
    "configuration",
    "k",
    "concurrency",
    "run",
    "tokens_per_s",
    "tokens",
    "seconds",
    "verified",
    "acceptance_length",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p95_s",
    "first_token_mean_s",
    "error",
    "started",
)


def _runs(measurements: Sequence[Measurement]) -> Iterable[Sequence[object]]:
    for each in measurements:
        for run in each.runs:
            k = each.configuration(run.configuration).k
            late, failed = run.latency, bool(run.error)
            yield (
                each.key,
                each.prompts,
                each.target,
                each.engine,
                each.device,
                each.origin,
                each.toy,
                run.configuration,
                k,
                run.concurrency,
                run.index + 1,
                None if failed else run.throughput,
                run.tokens,
                run.seconds,
                run.verified,
                run.acceptance_length,
                *((late.mean, late.p50, late.p95) if late else ("",) * 3),
                run.first_token.mean if run.first_token else None,
                run.error,
                run.started,
            )


# --- beside the paper ---------------------------------------------------------------------------

PAPER_COLUMNS = (
    "task",
    "where",
    "toy",
    "k",
    "full_k",
    "tokens_per_s",
    "half",
    "full_tokens_per_s",
    "full_half",
    "gain",
    "gain_half",
    "length",
    "full_length",
    "seconds",
    "full_seconds",
    "paper_k",
    "paper_tokens_per_s",
    "paper_full_tokens_per_s",
    "paper_gain",
    "paper_length",
    "paper_full_length",
)


def _paper(row: PaperComparison) -> Sequence[object]:
    ours, full, paper = row.trimmed, row.full, row.paper

    def mean(found: RatioInterval | None) -> float | None:
        return found and found.mean

    return (
        row.task,
        row.where,
        row.toy,
        ours and ours.k,
        full and full.k,
        ours and ours.rate.mean,
        ours and ours.rate.half,
        full and full.rate.mean,
        full and full.rate.half,
        row.gain and row.gain.mean - 1,
        row.gain and row.gain.half,
        mean(ours and ours.length),
        mean(full and full.length),
        mean(ours and ours.seconds),
        mean(full and full.seconds),
        *(
            (
                paper.k,
                paper.throughput_trimmed,
                paper.throughput_full,
                paper.gain,
                paper.length_trimmed,
                paper.length_full,
            )
            if paper
            else ("",) * 6
        ),
    )


# --- figure -------------------------------------------------------------------------------------


def rates(measurements: Sequence[Measurement], concurrency: int) -> str:
    """Tokens per second of every configuration with its interval, as SVG."""
    rows = []
    for each in measurements:
        for row in summary(each, concurrency):
            found = row.throughput
            if found is None:
                continue
            name = f"{row.label}, {each.prompts}" if len(measurements) > 1 else row.label
            half = found.half
            words = f"{found.mean:,.1f}" + (f" ± {half:,.1f}" if half else "  (one run)")
            rows.append(
                Dot(
                    name,
                    found.mean,
                    found.low if half else None,
                    found.high if half else None,
                    words,
                )
            )
    toy = f", {TOY}" if any(each.toy for each in measurements) else ""
    return dots(rows, f"Output tokens per second, 95 % interval{toy}", None, thousands)
