"""Measurements as files: tables as CSV, a figure as SVG, the measurements as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vocabtrim_core.report.dot_plot import Dot, dots
from vocabtrim_core.report.svg import thousands
from vocabtrim_core.report.tables import csv_text
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.paper_comparison import PaperComparison, compare_with_paper
from vocabtrim_core.serving.statistics import RatioInterval
from vocabtrim_core.serving.summary import Row, summary

SGLANGS = "Tokens/verification (SGLang's length)"


def take_along(measurements: Sequence[Measurement], concurrency: int) -> dict[str, bytes]:
    """Write measurements as files.

    Args:
        measurements: The measurements.
        concurrency: Requests at once, for the figure and the comparison with the paper.

    Returns:
        File name -> content: summary, runs, the paper's table, the figure, one JSON per
        measurement.
    """
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
    files = {name: text.encode() for name, text in texts.items()}
    return {
        **files,
        **{f"{measurement.key}.json": measurement.encoded() for measurement in measurements},
    }


# --- every configuration ------------------------------------------------------------------------


def summary_rows(measurements: Sequence[Measurement]) -> list[dict[str, object]]:
    """Summarise measurements, one row per configuration and concurrency.

    Args:
        measurements: The measurements.

    Returns:
        Column -> value, with 95 % intervals; times in milliseconds.
    """
    return [
        {
            "Prompts": measurement.prompts,
            "Target": measurement.target,
            "Configuration": row.label,
            "k": row.k,
            "At once": concurrency,
            **_numbers(row),
        }
        for measurement in measurements
        for concurrency in measurement.concurrencies
        for row in summary(measurement, concurrency)
        if row.runs or row.failed
    ]


def _numbers(row: Row) -> dict[str, object]:
    """Return a row's numbers, None where one was not measured."""
    rate, length = row.throughput, row.acceptance
    numbers: dict[str, object] = {
        "Tokens/s": rate and rate.mean,
        "± tokens/s": rate and rate.half,
        "Acceptance length": row.acceptance_length,
        "± length": length and length.half,
        SGLANGS: row.tokens_per_verification,
    }
    for title, latency in (("Latency", row.latency), ("First token", row.first_token)):
        for name in ("mean", "p50", "p95"):
            numbers[f"{title} {name}, ms"] = latency and 1e3 * getattr(latency, name)
    if row.cpu_per_token is not None:
        numbers["CPU per token, ms"] = 1e3 * row.cpu_per_token
    return {**numbers, "Runs": row.runs, "Failed": len(row.failed)}


# --- every run ----------------------------------------------------------------------------------

RUN_COLUMNS = (
    "measurement",
    "prompts",
    "target",
    "engine",
    "device",
    "origin",
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
    "cpu_s",
)


def _runs(measurements: Sequence[Measurement]) -> Iterable[Sequence[object]]:
    for measurement in measurements:
        for run in measurement.runs:
            k = measurement.configuration(run.configuration).k
            latency, failed = run.latency, bool(run.error)
            yield (
                measurement.key,
                measurement.prompts,
                measurement.target,
                measurement.engine,
                measurement.device,
                measurement.origin,
                run.configuration,
                k,
                run.concurrency,
                run.index + 1,
                None if failed else run.throughput,
                run.tokens,
                run.seconds,
                run.verified,
                run.acceptance_length,
                *((latency.mean, latency.p50, latency.p95) if latency else ("",) * 3),
                run.first_token.mean if run.first_token else None,
                run.error,
                run.started,
                run.cpu_s,
            )


# --- beside the paper ---------------------------------------------------------------------------

PAPER_COLUMNS = (
    "task",
    "where",
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

    def mean(ratio: RatioInterval | None) -> float | None:
        return ratio and ratio.mean

    return (
        row.task,
        row.where,
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
    """Draw the tokens per second of every configuration with its interval.

    Args:
        measurements: The measurements.
        concurrency: Requests at once.

    Returns:
        SVG text.
    """
    rows = []
    for measurement in measurements:
        for row in summary(measurement, concurrency):
            rate = row.throughput
            if rate is None:
                continue
            name = f"{row.label}, {measurement.prompts}" if len(measurements) > 1 else row.label
            half = rate.half
            words = f"{rate.mean:,.1f}" + (f" ± {half:,.1f}" if half else "  (one run)")
            rows.append(
                Dot(
                    name,
                    rate.mean,
                    rate.low if half else None,
                    rate.high if half else None,
                    words,
                )
            )
    return dots(rows, "Output tokens per second, 95 % interval", None, thousands)
