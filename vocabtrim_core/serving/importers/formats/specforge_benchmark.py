"""`specforge benchmark --output-json`: one JSON object about one server.

average_acceptance_length is the mean over requests, whatever their lengths, and counts their first
tokens. It is not read; where the file has the number of verifications, the acceptance length is
(output_tokens - samples) / verifications, since each of the samples (turns count singly) is an
answer. The file has nothing about the server's settings, the draft or the concurrency.

Checked against a file recorded from SpecForge 0.2.0 and its `BenchmarkResult`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vocabtrim_core.serving.acceptance_length import TOOLS_OWN_LENGTH
from vocabtrim_core.serving.importers.formats.bench_eagle3 import PROMPTS
from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Length,
    Piece,
    Positive,
    has,
    typed,
    without_first,
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
        length = without_first(result.output_tokens, cycles, result.samples)
        unconverted = bool(cycles) and length is None
        run = Run(
            "",
            0,
            0,
            throughput=result.throughput_tokens_per_second,
            tokens=result.output_tokens,
            seconds=result.latency_seconds,
            verified=cycles,
            acceptance_length=result.output_tokens / (cycles or 1) if unconverted else length,
        )
        name = result.dataset.replace("-", "")
        yield Piece(
            PROMPTS.get(name, result.dataset),
            run,
            drafted,
            engine="SGLang" if result.backend == "sglang" else result.backend,
            settings={"prompts": result.samples},
            notes=(TOOLS_OWN_LENGTH,) if unconverted else (),
        )


IMPORTER = Importer(
    "specforge-benchmark",
    TITLE,
    lambda value: has(value, "throughput_tokens_per_second", "latency_seconds", "output_tokens"),
    _read,
    "a file recorded from SpecForge 0.2.0",
    (
        "Its average_acceptance_length is a mean of per-request values and is not taken: the "
        "acceptance length here is output tokens over verifications, without the first token of "
        "each answer.",
    ),
)
