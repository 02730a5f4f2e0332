"""NeMo Automodel's `bench_sglang`, `bench_vllm` and `bench_sweep` with --output-json.

One object for one workload, or {"results": [one per data set], "aggregate"} for a sweep. With vLLM
the acceptance is 1 + accepted/drafts of counters read before and after, so exact; with SGLang it
is the server's average since it started. A baseline server's throughput may stand beside. The
concurrency is not in it (16 unless told otherwise).

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
        for i, each in enumerate(results):
            at = Record(each, f"{record.where}, result {i + 1},")
            if has(each, "error"):
                failed = typed(at, _Failed, TITLE)
                run = Run("", 0, 0, error=failed.error)
                yield Piece(failed.dataset, run, True, usual_concurrency=CONCURRENCY)
            else:
                yield from _pieces(typed(at, _Summary, TITLE))


def _pieces(found: _Summary) -> Iterable[Piece]:
    cycles = found.num_drafts or verified(found.output_tokens, found.accept_length)
    length = found.accept_length
    if found.num_drafts and found.num_accepted_tokens is not None:
        length = 1 + found.num_accepted_tokens / found.num_drafts
    engine = "SGLang" if found.num_drafts is None else "vLLM"
    rate = found.output_throughput_tok_s
    error = "No request was answered." if rate is None else ""
    run = Run(
        "",
        0,
        0,
        throughput=rate or 0.0,
        tokens=found.output_tokens,
        seconds=found.wall_clock_s,
        verified=cycles,
        acceptance_length=length,
        error=error,
    )
    settings = {"prompts": found.num_prompts, "failed requests": found.failed}
    yield Piece(
        found.dataset,
        run,
        None if length is None else True,
        steps=found.speculative_num_steps or 0,
        target=found.model,
        engine=engine,
        usual_concurrency=CONCURRENCY,
        settings=settings,
    )
    if found.baseline_throughput_tok_s:
        plain = Run("", 0, 0, throughput=found.baseline_throughput_tok_s)
        yield Piece(
            found.dataset,
            plain,
            False,
            target=found.model,
            engine=engine,
            usual_concurrency=CONCURRENCY,
            settings=settings,
        )


def _matches(value: Any) -> bool:
    if has(value, "results", "aggregate") and isinstance(value["results"], list):
        return any(_is_summary(each) for each in value["results"])
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
