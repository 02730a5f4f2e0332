"""`vllm bench serve --save-result`: one JSON object per run, one per file or one per line.

The spec_decode_* fields are differences of the server's counters before and after the run, so they
belong to this run: length = 1 + accepted / drafts, and the share of the drafts whose token at each
position was accepted. They are missing where nothing was drafted. The file has neither draft,
version of the engine nor prompts, except where --metadata wrote them.

Checked against a file recorded from vLLM 0.32.0 and its writer, vllm/benchmarks/serve.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

import msgspec

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
)
from vocabtrim_core.serving.importers.sources import Source
from vocabtrim_core.serving.measurement import Run

TITLE = "vLLM bench serve"
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class _Result:
    output_throughput: Positive
    duration: Positive
    total_output_tokens: Count
    model_id: str = ""
    dataset_name: str | None = None  # only where --metadata wrote it
    completed: Count = 0
    failed: Count = 0
    num_prompts: Count = 0
    max_concurrency: Whole | None = None
    max_concurrent_requests: Count | None = None  # the most seen at once
    mean_e2el_ms: Length | None = None
    median_e2el_ms: Length | None = None
    p95_e2el_ms: Length | None = None
    mean_ttft_ms: Length | None = None
    median_ttft_ms: Length | None = None
    p95_ttft_ms: Length | None = None
    spec_decode_acceptance_length: Length | None = None
    spec_decode_num_drafts: Count | None = None
    spec_decode_draft_tokens: Count | None = None
    spec_decode_per_position_acceptance_rates: list[Share] = field(default_factory=list)


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        require_completed(record)
        result = typed(record, _Result, TITLE)
        drafts = result.spec_decode_num_drafts or None
        length = result.spec_decode_acceptance_length or None
        steps = round((result.spec_decode_draft_tokens or 0) / drafts) if drafts else 0
        at_once = result.max_concurrency or result.max_concurrent_requests or 0
        run = Run(
            "",
            at_once,
            0,
            throughput=result.output_throughput,
            tokens=result.total_output_tokens,
            seconds=result.duration,
            verified=drafts,
            acceptance_length=length,
            accepted=_accepted(drafts, result.spec_decode_per_position_acceptance_rates),
            latency=latency(result.mean_e2el_ms, result.median_e2el_ms, result.p95_e2el_ms),
            first_token=latency(result.mean_ttft_ms, result.median_ttft_ms, result.p95_ttft_ms),
        )
        yield Piece(
            result.dataset_name or "unnamed prompts",
            run,
            True if length else None,
            steps=steps,
            draft_tokens=steps + 1 if steps else 0,
            target=result.model_id,
            engine="vLLM",
            usual_concurrency=max(1, result.num_prompts),
            settings={"prompts": result.completed, "failed requests": result.failed},
        )


def _accepted(drafts: int | None, rates: Sequence[float]) -> tuple[int, ...]:
    """accepted[j], the number of drafts of which exactly j tokens were accepted."""
    # From the shares of drafts that reached each position; () where they are no such shares.
    if not drafts or not rates or list(rates) != sorted(rates, reverse=True):
        return ()
    reached = [drafts, *(round(rate * drafts) for rate in rates), 0]
    return tuple(a - b for a, b in pairwise(reached))


IMPORTER = Importer(
    "vllm-bench-serve",
    TITLE,
    lambda value: has(value, "endpoint_type", "tokenizer_id", "burstiness", "output_throughput"),
    _read,
    "a file recorded from vLLM 0.32.0",
    (
        "Which draft, which prompts and which version of vLLM were measured is not in the file.",
        "A run without spec_decode fields drafted nothing, or the server did not count it; --k "
        "tells which.",
    ),
    # Of versions that wrote less, and files of which a part was kept.
    readable=lambda value: has(value, "output_throughput", "duration", "total_output_tokens"),
)
