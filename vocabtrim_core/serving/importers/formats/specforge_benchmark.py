"""`specforge benchmark --output-json`: one JSON object about one server.

average_acceptance_length is the mean of the requests' own values, which long and short answers
enter alike, not the ratio of sums that everything else here is. Where the number of verifications
is there too, tokens over verifications is taken instead and the mean left out. Nothing about
server, draft or concurrency is in it.

Checked against a file recorded from SpecForge 0.2.0 and its `BenchmarkResult`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vocabtrim_core.serving.importers.formats.bench_eagle3 import PROMPTS
from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Length,
    Piece,
    Positive,
    has,
    typed,
)
from vocabtrim_core.serving.importers.sources import Source
from vocabtrim_core.serving.measurement import Run

TITLE = "specforge benchmark"


@dataclass(frozen=True, slots=True)
class _Result:
    dataset: str
    samples: Count
    output_tokens: Count
    latency_seconds: Positive
    throughput_tokens_per_second: Positive
    backend: str = "sglang"
    average_acceptance_length: Length | None = None
    spec_verify_count: Count | None = None


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        found = typed(record, _Result, TITLE)
        cycles = found.spec_verify_count or None
        drafted = True if cycles or found.average_acceptance_length is not None else None
        run = Run(
            "",
            0,
            0,
            throughput=found.throughput_tokens_per_second,
            tokens=found.output_tokens,
            seconds=found.latency_seconds,
            verified=cycles,
            acceptance_length=found.output_tokens / cycles if cycles else None,
        )
        name = found.dataset.replace("-", "")
        yield Piece(
            PROMPTS.get(name, found.dataset),
            run,
            drafted,
            engine="SGLang" if found.backend == "sglang" else found.backend,
            settings={"prompts": found.samples},
        )


IMPORTER = Importer(
    "specforge-benchmark",
    TITLE,
    lambda value: has(value, "throughput_tokens_per_second", "latency_seconds", "output_tokens"),
    _read,
    "a file recorded from SpecForge 0.2.0",
    (
        "Its average_acceptance_length is a mean of per-request values and is not taken: the "
        "acceptance length here is output tokens over verifications. Some requests may have been "
        "answered without a verification, whose tokens count all the same.",
    ),
)
