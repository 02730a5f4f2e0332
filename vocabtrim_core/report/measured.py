"""Measurements as files: tables as CSV, a figure as SVG, the measurements as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vocabtrim_core.report.dot_plot import Dot, dots
from vocabtrim_core.report.svg import thousands
from vocabtrim_core.report.tables import csv_text
from vocabtrim_core.serving.measurement import Answer, Measurement, Run
from vocabtrim_core.serving.paper_comparison import PaperComparison, compare_with_paper
from vocabtrim_core.serving.statistics import RatioInterval
from vocabtrim_core.serving.summary import Row, summary

SGLANG_LENGTH = "Tokens/verification (SGLang's length)"


def measurement_files(measurements: Sequence[Measurement], concurrency: int) -> dict[str, bytes]:
    """Write measurements as files.

    Args:
        measurements: The measurements.
        concurrency: Requests at once, for the figure and the comparison with the paper.

    Returns:
        File name -> content: summary, runs, answers by prompt, the paper's table, the figure, one
        JSON per measurement.
    """
    rows = summary_rows(measurements)
    summary = csv_text(rows[0] if rows else (), (row.values() for row in rows))
    texts = {
        "summary.csv": summary,
        "runs.csv": _runs(measurements),
        "prompts.csv": _prompts(measurements),
        "beside-paper.csv": _beside_paper(measurements, concurrency),
        "throughput.svg": rates(measurements, concurrency),
    }
    files = {name: text.encode() for name, text in texts.items()}
    return files | {f"{m.key}.json": m.encoded() for m in measurements}


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
            "Target": _target(measurement),
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


def _target(measurement: Measurement) -> str:
    return measurement.target


def _numbers(row: Row) -> dict[str, object]:
    """Return a row's numbers, None where one was not measured."""
    rate, length = row.throughput, row.acceptance
    numbers: dict[str, object] = {
        "Tokens/s": rate and rate.mean,
        "± tokens/s": rate and rate.half,
        "Acceptance length": row.acceptance_length,
        "± length": length and length.half,
        SGLANG_LENGTH: row.tokens_per_verification,
    }
    for title, latency in (("Latency", row.latency), ("First token", row.first_token)):
        for name in ("mean", "p50", "p95"):
            numbers[f"{title} {name}, ms"] = latency and 1e3 * getattr(latency, name)
    if row.cpu_per_token is not None:
        numbers["CPU per token, ms"] = 1e3 * row.cpu_per_token
    return {**numbers, "Runs": row.runs, "Failed": len(row.failed)}


# --- every run ----------------------------------------------------------------------------------

RUN_COLUMNS: dict[str, Callable[[Measurement, Run], object]] = {
    "measurement": lambda m, run: m.key,
    "prompts": lambda m, run: m.prompts,
    "target": lambda m, run: m.target,
    "engine": lambda m, run: m.engine,
    "device": lambda m, run: m.device,
    "origin": lambda m, run: m.origin,
    "configuration": lambda m, run: run.configuration,
    "k": lambda m, run: m.configuration(run.configuration).k,
    "steps": lambda m, run: m.configuration(run.configuration).steps or None,
    "concurrency": lambda m, run: run.concurrency,
    "run": lambda m, run: run.index + 1,
    "tokens_per_s": lambda m, run: None if run.error else run.throughput,
    "tokens": lambda m, run: run.tokens,
    "seconds": lambda m, run: run.seconds,
    "verified": lambda m, run: run.verified,
    "acceptance_length": lambda m, run: run.acceptance_length,
    "latency_mean_s": lambda m, run: run.latency and run.latency.mean,
    "latency_p50_s": lambda m, run: run.latency and run.latency.p50,
    "latency_p95_s": lambda m, run: run.latency and run.latency.p95,
    "first_token_mean_s": lambda m, run: run.first_token and run.first_token.mean,
    "error": lambda m, run: run.error,
    "started": lambda m, run: run.started,
    "cpu_s": lambda m, run: run.cpu_s,
}


def _runs(measurements: Sequence[Measurement]) -> str:
    runs = ((measurement, run) for measurement in measurements for run in measurement.runs)
    return csv_text(
        RUN_COLUMNS, ([column(*row) for column in RUN_COLUMNS.values()] for row in runs)
    )


# --- every answer -------------------------------------------------------------------------------

ANSWER_COLUMNS: dict[str, Callable[[Answer], object]] = {
    "tokens": lambda answer: answer.tokens,
    "seconds": lambda answer: answer.seconds,
    "first_token_s": lambda answer: answer.first_token_s,
    "verified": lambda answer: answer.verified,
    # verifications that accepted 0, 1, … drafted tokens
    "accepted": lambda answer: " ".join(map(str, answer.accepted)),
}
RUN_OF_ANSWER = ("measurement", "configuration", "k", "steps", "concurrency", "run")


def _prompts(measurements: Sequence[Measurement]) -> str:
    """Every stored answer, with the number of its prompt in the prompt set, from 1."""
    return csv_text(
        (*RUN_OF_ANSWER, "prompt", *ANSWER_COLUMNS),
        (
            [
                *(RUN_COLUMNS[name](measurement, run) for name in RUN_OF_ANSWER),
                number,
                *(column(answer) for column in ANSWER_COLUMNS.values()),
            ]
            for measurement in measurements
            for run in measurement.runs
            for number, answer in enumerate(run.answers, 1)
        ),
    )


# --- beside the paper ---------------------------------------------------------------------------

PAPER_COLUMNS: dict[str, Callable[[PaperComparison], object]] = {
    "task": lambda row: row.task,
    "where": lambda row: row.where,
    "k": lambda row: row.trimmed and row.trimmed.k,
    "full_k": lambda row: row.full and row.full.k,
    "tokens_per_s": lambda row: row.trimmed and row.trimmed.rate.mean,
    "half": lambda row: row.trimmed and row.trimmed.rate.half,
    "full_tokens_per_s": lambda row: row.full and row.full.rate.mean,
    "full_half": lambda row: row.full and row.full.rate.half,
    "gain": lambda row: row.gain and row.gain.mean - 1,
    "gain_half": lambda row: row.gain and row.gain.half,
    "length": lambda row: _mean(row.trimmed and row.trimmed.length),
    "full_length": lambda row: _mean(row.full and row.full.length),
    "seconds": lambda row: _mean(row.trimmed and row.trimmed.seconds),
    "full_seconds": lambda row: _mean(row.full and row.full.seconds),
    "paper_k": lambda row: row.paper and row.paper.k,
    "paper_tokens_per_s": lambda row: row.paper and row.paper.throughput_trimmed,
    "paper_full_tokens_per_s": lambda row: row.paper and row.paper.throughput_full,
    "paper_gain": lambda row: row.paper and row.paper.gain,
    "paper_length": lambda row: row.paper and row.paper.length_trimmed,
    "paper_full_length": lambda row: row.paper and row.paper.length_full,
}


def _mean(ratio: RatioInterval | None) -> float | None:
    return ratio and ratio.mean


def _beside_paper(measurements: Sequence[Measurement], concurrency: int) -> str:
    rows = compare_with_paper(measurements, concurrency)
    return csv_text(
        PAPER_COLUMNS, ([column(row) for column in PAPER_COLUMNS.values()] for row in rows)
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
