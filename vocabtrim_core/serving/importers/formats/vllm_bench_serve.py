"""`vllm bench serve --save-result`: one JSON object per run, in a file of its own or appended.

The spec_decode_* fields are differences of the server's counters around the run, so they are its
own: length = 1 + accepted / drafts, and the share of the drafts whose token at each position was
accepted. They are left out where nothing was drafted. Neither draft, engine version nor prompts
are in the file, except where --metadata wrote them.

Checked against the writer (`main_async` in vllm/benchmarks/serve.py) at vLLM commit 009e6d4a.
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
        found = typed(record, _Result, TITLE)
        drafts = found.spec_decode_num_drafts or None
        length = found.spec_decode_acceptance_length or None
        steps = round((found.spec_decode_draft_tokens or 0) / drafts) if drafts else 0
        at_once = found.max_concurrency or found.max_concurrent_requests or 0
        run = Run(
            "",
            at_once,
            0,
            throughput=found.output_throughput,
            tokens=found.total_output_tokens,
            seconds=found.duration,
            verified=drafts,
            acceptance_length=length,
            accepted=_accepted(drafts, found.spec_decode_per_position_acceptance_rates),
            latency=latency(found.mean_e2el_ms, found.median_e2el_ms, found.p95_e2el_ms),
            first_token=latency(found.mean_ttft_ms, found.median_ttft_ms, found.p95_ttft_ms),
        )
        yield Piece(
            found.dataset_name or "unnamed prompts",
            run,
            True if length else None,
            steps=steps,
            draft_tokens=steps + 1 if steps else 0,
            target=found.model_id,
            engine="vLLM",
            usual_concurrency=max(1, found.num_prompts),
            settings={"prompts": found.completed, "failed requests": found.failed},
        )


def _accepted(drafts: int | None, rates: Sequence[float]) -> tuple[int, ...]:
    """accepted[j]: drafts of which exactly j tokens were accepted, from the shares that reached
    each position; () where they are no such shares."""
    if not drafts or not rates or list(rates) != sorted(rates, reverse=True):
        return ()
    reached = [drafts, *(round(rate * drafts) for rate in rates), 0]
    return tuple(here - further for here, further in pairwise(reached))


IMPORTER = Importer(
    "vllm-bench-serve",
    TITLE,
    lambda value: has(value, "endpoint_type", "tokenizer_id", "burstiness", "output_throughput"),
    _read,
    "the writer at vLLM commit 009e6d4a",
    (
        "Which draft, which prompts and which version of vLLM were measured is not in the file.",
        "A run without spec_decode fields drafted nothing, or the server did not count it; --k "
        "tells which.",
    ),
)
