"""`specforge benchmark --output-json`: one JSON object about one server.

average_acceptance_length is the mean over requests, whatever their lengths, and not a ratio of sums
as in other formats. It is not read; where the file has the number of verifications, the acceptance
length is tokens over verifications. The file has nothing about the server's settings, the draft or
the concurrency.

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
        result = typed(record, _Result, TITLE)
        cycles = result.spec_verify_count or None
        drafted = True if cycles or result.average_acceptance_length is not None else None
        run = Run(
            "",
            0,
            0,
            throughput=result.throughput_tokens_per_second,
            tokens=result.output_tokens,
            seconds=result.latency_seconds,
            verified=cycles,
            acceptance_length=result.output_tokens / cycles if cycles else None,
        )
        name = result.dataset.replace("-", "")
        yield Piece(
            PROMPTS.get(name, result.dataset),
            run,
            drafted,
            engine="SGLang" if result.backend == "sglang" else result.backend,
            settings={"prompts": result.samples},
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
