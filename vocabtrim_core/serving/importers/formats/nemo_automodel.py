"""NeMo Automodel's `bench_sglang`, `bench_vllm` and `bench_sweep` with --output-json.

The file is one object for one workload, or {"results": [one per data set], "aggregate"} for a
sweep. With vLLM the acceptance length is 1 + accepted/drafts of counters read before and after, so
it is exact; with SGLang it is the server's average since it started. Both leave out first tokens.
The throughput of a baseline server may be there too. The file does not have the concurrency (16 by
default).

Checked against the writers (`_summarize`, `_report_summary`) in nemo-automodel 0.7.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Length,
    Piece,
    Positive,
    has,
    typed,
    verified,
)
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Run

TITLE = "NeMo Automodel"
CONCURRENCY = 16  # the tool's default


@dataclass(frozen=True, slots=True)
class _Summary:
    model: str
    output_tokens: Count
    wall_clock_s: Positive
    output_throughput_tok_s: Positive | None
    accept_length: Length | None = None
    speculative_num_steps: int | None = None
    num_prompts: Count = 0
    failed: Count = 0
    num_drafts: Count | None = None
    num_accepted_tokens: Count | None = None
    baseline_throughput_tok_s: Positive | None = None
    dataset: str = "unnamed prompts"


@dataclass(frozen=True, slots=True)
class _Failed:
    dataset: str
    error: str


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        results = record.value.get("results")
        if results is None:
            yield from _pieces(typed(record, _Summary, TITLE))
            continue
        for i, result in enumerate(results):
            part = Record(result, f"{record.where}, result {i + 1},")
            if has(result, "error"):
                failed = typed(part, _Failed, TITLE)
                run = Run("", 0, 0, error=failed.error)
                yield Piece(failed.dataset, run, True, usual_concurrency=CONCURRENCY)
            else:
                yield from _pieces(typed(part, _Summary, TITLE))


def _pieces(summary: _Summary) -> Iterable[Piece]:
    generated = summary.output_tokens - summary.num_prompts
    cycles = summary.num_drafts or verified(generated, summary.accept_length)
    length = summary.accept_length
    if summary.num_drafts and summary.num_accepted_tokens is not None:
        length = 1 + summary.num_accepted_tokens / summary.num_drafts
    engine = "SGLang" if summary.num_drafts is None else "vLLM"
    rate = summary.output_throughput_tok_s
    error = "No request was answered." if rate is None else ""
    run = Run(
        "",
        0,
        0,
        throughput=rate or 0.0,
        tokens=summary.output_tokens,
        seconds=summary.wall_clock_s,
        verified=cycles,
        acceptance_length=length,
        error=error,
    )
    settings = {"prompts": summary.num_prompts, "failed requests": summary.failed}
    yield Piece(
        summary.dataset,
        run,
        None if length is None else True,
        steps=summary.speculative_num_steps or 0,
        target=summary.model,
        engine=engine,
        usual_concurrency=CONCURRENCY,
        settings=settings,
    )
    if summary.baseline_throughput_tok_s:
        baseline = Run("", 0, 0, throughput=summary.baseline_throughput_tok_s)
        yield Piece(
            summary.dataset,
            baseline,
            False,
            target=summary.model,
            engine=engine,
            usual_concurrency=CONCURRENCY,
            settings=settings,
        )


def _matches(value: Any) -> bool:
    if has(value, "results", "aggregate") and isinstance(value["results"], list):
        return any(_is_summary(result) for result in value["results"])
    return _is_summary(value)


def _is_summary(value: Any) -> bool:
    return has(value, "output_throughput_tok_s", "wall_clock_s")


IMPORTER = Importer(
    "nemo-automodel",
    TITLE,
    _matches,
    _read,
    "the writers of nemo-automodel 0.7.0",
    (
        "With SGLang the acceptance length is the server's average since it started; with vLLM it "
        "is this run's own.",
        "Which draft and which engine version were measured is not in the file.",
    ),
)
