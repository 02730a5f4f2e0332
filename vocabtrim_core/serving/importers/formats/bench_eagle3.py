"""SpecForge's `benchmarks/bench_eagle3.py`: one indented JSON object in a file named .jsonl.

{"model": draft, "<benchmark>": [{batch_size, steps, topk, num_draft_tokens, num_samples,
"metrics": [{latency, output_throughput, accept_length, …}]}]}. steps is 0 without speculation, and
null for a server that the script did not launch. accept_length is all tokens over all verifications
(1.0 without speculation), which counts the first token of each answer; num_questions and the turns
of the benchmark tell how many answers there are. The file has neither the target nor the version of
the engine.

Checked against the script and its `BenchmarkMetrics` at SpecForge commit a6b6b023 (2026-08-08).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vocabtrim_core.serving.acceptance_length import TOOLS_OWN_LENGTH
from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Length,
    Piece,
    Positive,
    Whole,
    has,
    typed,
    verified,
    without_first,
)
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Run

TITLE = "SpecForge bench_eagle3"
PROMPTS = {
    "mtbench": "MT-Bench",
    "gsm8k": "GSM8K",
    "humaneval": "HumanEval",
    "math500": "MATH-500",
    "aime": "AIME",
}
TURNS = {"mtbench": 2}  # answers per question, 1 for the others


@dataclass(frozen=True, slots=True)
class _Metrics:
    latency: Positive
    output_throughput: Positive
    accept_length: Length
    num_questions: Count | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    batch_size: Whole
    metrics: list[_Metrics]
    steps: int | None = None
    topk: int | None = None
    num_draft_tokens: int | None = None
    num_samples: int | None = None


def _benchmarks(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    return {
        name: entries
        for name, entries in value.items()
        if isinstance(entries, list) and entries and has(entries[0], "batch_size", "metrics")
    }


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        draft = str(record.value.get("model") or "")
        for name, entries in _benchmarks(record.value).items():
            for i, entry in enumerate(entries):
                part = Record(entry, f"{record.where}, {name} entry {i + 1},")
                yield from _pieces(typed(part, _Entry, TITLE), name, draft)


def _pieces(entry: _Entry, name: str, draft: str) -> Iterable[Piece]:
    for metrics in entry.metrics:
        # Without steps (a server that already ran), an accepted token shows that there is a draft.
        accepts = True if metrics.accept_length > 1 else None
        drafted = accepts if entry.steps is None else entry.steps > 0
        tokens = round(metrics.output_throughput * metrics.latency)
        cycles = verified(tokens, metrics.accept_length) if drafted else None
        answers = TURNS.get(name, 1) * (metrics.num_questions or entry.num_samples or 0)
        length = without_first(tokens, cycles, answers)
        unconverted = bool(cycles) and length is None
        run = Run(
            "",
            entry.batch_size,
            0,
            throughput=metrics.output_throughput,
            tokens=tokens,
            seconds=metrics.latency,
            verified=cycles,
            acceptance_length=metrics.accept_length if unconverted else length,
        )
        yield Piece(
            PROMPTS.get(name, name),
            run,
            drafted,
            draft if drafted else "",
            entry.steps or 0,
            entry.topk or 1,
            entry.num_draft_tokens or 0,
            engine="SGLang",
            settings={"prompts": entry.num_samples, "temperature": 0},
            notes=(TOOLS_OWN_LENGTH,) if unconverted else (),
        )


IMPORTER = Importer(
    "bench-eagle3",
    TITLE,
    lambda value: has(value, "model") and bool(_benchmarks(value)),
    _read,
    "the script at SpecForge commit a6b6b023",
    ("The file names neither the target nor the version of SGLang.",),
)
