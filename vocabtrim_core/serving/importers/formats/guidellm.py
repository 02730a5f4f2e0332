"""GuideLLM's report: one JSON object with a list of benchmarks.

Every benchmark has distributions by outcome, {"successful": {"mean", "total_sum", ...}, ...}, and
the requests one by one. Where the server tells acceptance with each answer (vLLM with
--per-request-spec-decode-metrics), it is in a request's response_metrics.speculative_decoding, of
which the sums are taken here; GuideLLM itself computes none. It may keep a sample of the requests.

Checked against a file recorded from GuideLLM 0.8.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vocabtrim_core.serving.acceptance_length import added, length_of
from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Length,
    Piece,
    Positive,
    has,
    latency,
    typed,
)
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Latency, Run

TITLE = "GuideLLM"
SILENT = (
    "This run has no acceptance: the server told none with its answers (for vLLM, "
    "`--per-request-spec-decode-metrics summary`)."
)


@dataclass(frozen=True, slots=True)
class _Distribution:
    mean: float
    median: float = 0.0
    total_sum: Length = 0.0
    count: Count = 0
    percentiles: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _ByOutcome:
    successful: _Distribution


@dataclass(frozen=True, slots=True)
class _Metrics:
    output_token_count: _ByOutcome
    request_latency: _ByOutcome
    time_to_first_token_ms: _ByOutcome
    request_concurrency: _ByOutcome | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    num_spec_steps: Count
    num_accepted_draft_tokens: Count = 0
    num_draft_tokens: Count = 0
    acceptance_histogram: list[Count] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Told:
    speculative_decoding: _Block | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    response_metrics: _Told | None = None


@dataclass(frozen=True, slots=True)
class _Requests:
    successful: list[_Request] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Benchmark:
    metrics: _Metrics
    duration: Positive
    requests: _Requests = field(default_factory=_Requests)
    config: dict[str, Any] = field(default_factory=dict)


def _matches(value: Any) -> bool:
    return has(value, "metadata", "benchmarks") and has(value["metadata"], "guidellm_version")


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        benchmarks = record.value["benchmarks"]
        values = benchmarks if isinstance(benchmarks, list) else []
        spec = record.value.get("config")
        data = spec.get("spec", {}).get("data") if isinstance(spec, dict) else None
        for i, value in enumerate(values, 1):
            part = Record(value, f"{record.where}, benchmark {i},")
            yield _piece(typed(part, _Benchmark, TITLE), data)


def _piece(benchmark: _Benchmark, data: Any) -> Piece:
    tokens = round(benchmark.metrics.output_token_count.successful.total_sum)
    answered = benchmark.metrics.request_latency.successful.count
    blocks = [
        told.speculative_decoding
        for request in benchmark.requests.successful
        if (told := request.response_metrics) and told.speculative_decoding
    ]
    cycles = sum(block.num_spec_steps for block in blocks) or None
    accepted = added(block.acceptance_histogram for block in blocks)
    length = length_of(cycles, None, accepted)
    if length is None and cycles:
        length = 1 + sum(block.num_accepted_draft_tokens for block in blocks) / cycles
    drafted = sum(block.num_draft_tokens for block in blocks)
    steps = max(round(drafted / cycles), len(accepted) - 1) if cycles else 0
    whole = len(blocks) == answered
    run = Run(
        "",
        _concurrency(benchmark),
        0,
        throughput=tokens / benchmark.duration,
        tokens=tokens,
        seconds=benchmark.duration,
        # Of a sample of the requests, sums would not fit the tokens and times of all.
        verified=cycles if whole else None,
        acceptance_length=length,
        accepted=accepted if whole and sum(accepted) == cycles else (),
        latency=_latency(benchmark.metrics.request_latency, 1e3),
        first_token=_latency(benchmark.metrics.time_to_first_token_ms, 1),
    )
    notes = () if cycles else (SILENT,)
    if cycles and not whole:
        notes = (
            f"The acceptance length is of {len(blocks):,} answers of {answered:,}; the others do "
            "not tell it.",
        )
    backend = _mapping(benchmark.config.get("backend"))
    return Piece(
        _prompts(data),
        run,
        True if cycles else None,
        steps=steps,
        draft_tokens=steps + 1 if steps else 0,
        target=str(backend.get("model") or ""),
        engine="vLLM" if cycles else "",
        settings={"prompts": answered},
        notes=notes,
    )


def _prompts(data: Any) -> str:
    first = _mapping(data[0]) if isinstance(data, list) and data else {}
    name = first.get("source") or first.get("path") or first.get("kind")
    return str(name or "unnamed prompts").rpartition("/")[2]


def _concurrency(benchmark: _Benchmark) -> int:
    strategy = _mapping(benchmark.config.get("strategy"))
    streams = strategy.get("streams") or strategy.get("max_concurrency")
    if isinstance(streams, int) and streams > 0:
        return streams
    seen = benchmark.metrics.request_concurrency
    return max(0, round(seen.successful.mean)) if seen else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _latency(metric: _ByOutcome, to_ms: float) -> Latency | None:
    of = metric.successful
    if not of.mean:
        return None
    p95 = of.percentiles.get("p95")
    return latency(of.mean * to_ms, of.median * to_ms, None if p95 is None else p95 * to_ms)


IMPORTER = Importer(
    "guidellm",
    TITLE,
    _matches,
    _read,
    "a file recorded from GuideLLM 0.8.1",
    (
        "Which draft and which version of the engine were measured is not in the file.",
        "A rate here is output tokens over the whole duration; GuideLLM's own is a mean over time.",
    ),
)
