"""`python -m sglang.bench_serving --output-file`: one JSON object per line and run.

`request_rate` may be Infinity, which is not JSON. accept_length is the server's own average since
it started (`avg_spec_accept_length`), so it may hold other traffic than this run's. Unlike the
answers' spec_accept_length it does not count first tokens.

Checked against a line recorded from SGLang 0.5.14 and the writer in 0.5.23.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Length,
    Piece,
    Positive,
    Whole,
    has,
    latency,
    require_completed,
    typed,
    verified,
)
from vocabtrim_core.serving.importers.sources import Source
from vocabtrim_core.serving.measurement import Run

TITLE = "sglang.bench_serving"
# Other tools derived from the same benchmark share the other fields, but do not write these.
MARKS = ("total_output_tokens_retokenized", "accept_length")


@dataclass(frozen=True, slots=True)
class _Server:
    version: str | None = None
    model_path: str | None = None
    device: str | None = None
    speculative_algorithm: str | None = None
    speculative_draft_model_path: str | None = None
    speculative_num_steps: int | None = None
    speculative_eagle_topk: int | None = None
    speculative_num_draft_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    output_throughput: Positive
    duration: Positive
    total_output_tokens: Count
    completed: Count = 0
    backend: str = "sglang"
    dataset_name: str = "unnamed prompts"
    max_concurrency: Whole | None = None
    concurrency: Length | None = None
    accept_length: Length | None = None
    mean_e2e_latency_ms: Length | None = None
    median_e2e_latency_ms: Length | None = None
    p95_e2e_latency_ms: Length | None = None
    mean_ttft_ms: Length | None = None
    median_ttft_ms: Length | None = None
    p95_ttft_ms: Length | None = None
    server_info: _Server | None = field(default=None)


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        require_completed(record)
        line = typed(record, _Line, TITLE)
        server = line.server_info or _Server()
        length = line.accept_length or None
        # server_info names the algorithm, so without one in it there is no draft.
        without = None if line.server_info is None else False
        drafted = True if length or server.speculative_algorithm else without
        engine = "vLLM" if line.backend.startswith("vllm") else "SGLang"
        run = Run(
            "",
            line.max_concurrency or max(1, round(line.concurrency or 1)),
            0,
            throughput=line.output_throughput,
            tokens=line.total_output_tokens,
            seconds=line.duration,
            verified=verified(line.total_output_tokens - line.completed, length),
            acceptance_length=length,
            latency=latency(
                line.mean_e2e_latency_ms, line.median_e2e_latency_ms, line.p95_e2e_latency_ms
            ),
            first_token=latency(line.mean_ttft_ms, line.median_ttft_ms, line.p95_ttft_ms),
        )
        yield Piece(
            line.dataset_name,
            run,
            drafted,
            server.speculative_draft_model_path or "",
            server.speculative_num_steps or 0,
            server.speculative_eagle_topk or 1,
            server.speculative_num_draft_tokens or 0,
            server.model_path or "",
            f"{engine} {server.version}" if server.version else engine,
            server.device or "",
            settings={"prompts": line.completed},
            versions={"sglang": server.version} if server.version else {},
        )


IMPORTER = Importer(
    "bench-serving",
    TITLE,
    lambda value: (
        has(value, "output_throughput", "total_output_tokens", "duration")
        and any(name in value for name in MARKS)
    ),
    _read,
    "a line recorded from SGLang 0.5.14",
    (
        "The acceptance length is the server's average since it started, not this run's alone; "
        "restart the server before each run, or measure here.",
        "bench_serving ignores the end of turn unless told otherwise, so answers may run on past "
        "their end, where drafts do worse.",
    ),
)
