"""AIPerf's `profile_export_aiperf.json`: one JSON object per run.

Every metric is {"unit", "avg", "p50", ...}. Where the server tells acceptance with each answer
(vLLM with --per-request-spec-decode-metrics), there are sums over all answers, and
pooled_spec_decode_acceptance_histogram: verifications by the number of accepted tokens. AIPerf
counts no first tokens: its lengths are 1 + accepted / verifications. Its own file of the server's
counters (server_metrics_export.json) is not read.

Checked against a file recorded from AIPerf 0.13.0 and its `JsonExportData`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vocabtrim_core.serving.acceptance_length import length_of
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
from vocabtrim_core.serving.importers.sources import Source
from vocabtrim_core.serving.measurement import Run

TITLE = "AIPerf"
SILENT = (
    "This run has no acceptance: the server told none with its answers (for vLLM, "
    "`--per-request-spec-decode-metrics summary`)."
)


@dataclass(frozen=True, slots=True)
class _Metric:
    avg: Length
    p50: Length | None = None
    p95: Length | None = None


@dataclass(frozen=True, slots=True)
class _Rate:
    avg: Positive


@dataclass(frozen=True, slots=True)
class _Result:
    output_token_throughput: _Rate
    benchmark_duration: _Rate
    total_output_tokens: _Metric | None = None
    total_usage_completion_tokens: _Metric | None = None
    request_count: _Metric | None = None
    request_latency: _Metric | None = None
    time_to_first_token: _Metric | None = None
    total_spec_decode_steps: _Metric | None = None
    total_accepted_draft_tokens: _Metric | None = None
    total_draft_tokens: _Metric | None = None
    pooled_spec_decode_acceptance_histogram: dict[str, Count] | None = None
    input_config: dict[str, Any] = field(default_factory=dict)
    is_complete: bool | None = None


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        yield _piece(typed(record, _Result, TITLE))


def _piece(result: _Result) -> Piece:
    cycles = round(result.total_spec_decode_steps.avg) if result.total_spec_decode_steps else None
    accepted = _histogram(result.pooled_spec_decode_acceptance_histogram or {})
    steps = _steps(result, cycles, len(accepted) - 1)
    length = length_of(cycles, None, accepted)
    if length is None and cycles and result.total_accepted_draft_tokens:
        length = 1 + result.total_accepted_draft_tokens.avg / cycles
    told = result.total_usage_completion_tokens or result.total_output_tokens
    concurrency = _last(result.input_config.get("phases")).get("concurrency")
    run = Run(
        "",
        concurrency if isinstance(concurrency, int) and concurrency > 0 else 0,
        0,
        throughput=result.output_token_throughput.avg,
        tokens=round(told.avg) if told else None,
        seconds=result.benchmark_duration.avg,
        verified=cycles,
        acceptance_length=length,
        accepted=accepted if sum(accepted) == cycles else (),
        latency=_latency(result.request_latency),
        first_token=_latency(result.time_to_first_token),
    )
    notes = () if cycles else (SILENT,)
    if result.is_complete is False:
        notes += ("AIPerf calls this run incomplete.",)
    models = result.input_config.get("models")
    items = models.get("items") if isinstance(models, dict) else None
    dataset = _last(result.input_config.get("datasets"))
    return Piece(
        str(dataset.get("format") or dataset.get("dataset") or dataset.get("type") or "unnamed")
        + " prompts",
        run,
        True if cycles else None,
        steps=steps,
        draft_tokens=steps + 1 if steps else 0,
        target=str(_last(items).get("name") or ""),
        engine="",
        settings={"prompts": round(result.request_count.avg) if result.request_count else None},
        notes=notes,
    )


def _last(value: Any) -> Mapping[str, Any]:
    entry = value[-1] if isinstance(value, list) and value else {}
    return entry if isinstance(entry, dict) else {}


def _histogram(pooled: Mapping[str, int]) -> tuple[int, ...]:
    by_tokens = {int(tokens): times for tokens, times in pooled.items() if tokens.isdigit()}
    return tuple(by_tokens.get(i, 0) for i in range(max(by_tokens, default=-1) + 1))


def _steps(result: _Result, cycles: int | None, seen: int) -> int:
    """K: drafted tokens per verification, at least the most that were accepted."""
    drafted = result.total_draft_tokens.avg if result.total_draft_tokens else 0
    return max(round(drafted / cycles), seen) if cycles else 0


def _latency(metric: _Metric | None) -> Any:
    return latency(metric.avg, metric.p50, metric.p95) if metric else None


IMPORTER = Importer(
    "aiperf",
    TITLE,
    lambda value: has(value, "aiperf_version", "output_token_throughput", "benchmark_duration"),
    _read,
    "a file recorded from AIPerf 0.13.0",
    ("Which engine, which draft and which version were measured is not in the file.",),
)
