"""SpecBundle's `data.json`: published throughput of ten targets with their published drafts.

{target: {benchmark: {"benchmark_name", "results": [{batch_size, steps, topk, num_draft_tokens,
"metrics": [{"Name", "output_throughput", "accept_length"}]}]}}}. The run without speculation is
repeated in every entry, under the name "Wihtout EAGLE3"; it is read once. accept_length is that of
bench_eagle3, which counts first tokens, and the file does not tell how many tokens there were.

Checked against docs/spec_bundle/public/raw_data/data.json at SpecForge commit a6b6b023.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from vocabtrim_core.serving.acceptance_length import TOOLS_OWN_LENGTH
from vocabtrim_core.serving.importers.formats.bench_eagle3 import PROMPTS
from vocabtrim_core.serving.importers.importer import (
    Importer,
    Length,
    Piece,
    Positive,
    Whole,
    has,
    typed,
)
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Run

TITLE = "SpecBundle"


class _Metrics(msgspec.Struct):
    name: str = msgspec.field(name="Name")
    output_throughput: Positive
    accept_length: Length

    @property
    def drafted(self) -> bool:
        return "out eagle" not in self.name.lower()


@dataclass(frozen=True, slots=True)
class _Entry:
    batch_size: Whole
    steps: int
    topk: int
    num_draft_tokens: int
    metrics: list[_Metrics]


@dataclass(frozen=True, slots=True)
class _Benchmark:
    benchmark_name: str
    results: list[_Entry]


def _matches(value: Any) -> bool:
    targets = list(value.values()) if isinstance(value, dict) else []
    return bool(targets) and all(
        isinstance(benchmarks, dict)
        and bool(benchmarks)
        and all(has(benchmark, "benchmark_name", "results") for benchmark in benchmarks.values())
        for benchmarks in targets
    )


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        for target, benchmarks in record.value.items():
            for name, value in benchmarks.items():
                part = Record(value, f"{record.where}, {target}, {name},")
                yield from _pieces(typed(part, _Benchmark, TITLE), target)


def _pieces(benchmark: _Benchmark, target: str) -> Iterable[Piece]:
    seen: set[tuple[int, float]] = set()
    for entry in benchmark.results:
        for metrics in entry.metrics:
            plain = (entry.batch_size, metrics.output_throughput)
            if not metrics.drafted and plain in seen:
                continue
            run = Run(
                "",
                entry.batch_size,
                0,
                throughput=metrics.output_throughput,
                acceptance_length=metrics.accept_length if metrics.drafted else None,
            )
            shape = (entry.steps, entry.topk, entry.num_draft_tokens)
            name = PROMPTS.get(benchmark.benchmark_name, benchmark.benchmark_name)
            if metrics.drafted:
                yield Piece(
                    name,
                    run,
                    True,
                    metrics.name,
                    *shape,
                    target=target,
                    engine="SGLang",
                    notes=(TOOLS_OWN_LENGTH,),
                )
            else:
                seen.add(plain)
                yield Piece(name, run, False, target=target, engine="SGLang")


IMPORTER = Importer(
    "specbundle",
    TITLE,
    _matches,
    _read,
    "data.json at SpecForge commit a6b6b023",
    ("One run each, without GPU, engine version or the sums behind the acceptance lengths.",),
)
