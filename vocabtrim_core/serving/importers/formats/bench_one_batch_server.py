"""`python -m sglang.bench_one_batch_server --result-filename`: one JSON object per line.

One batch of random prompts of one length. The file's output_throughput counts from the last first
token on; the throughput read here is all output tokens over the whole latency, as in other formats.
acc_length is the server's, -1 where there is none; it does not count first tokens.

Checked against `BenchOneCaseResult.dump_to_jsonl` of SGLang 0.5.23.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Piece,
    Positive,
    Whole,
    has,
    typed,
    verified,
)
from vocabtrim_core.serving.importers.sources import Source
from vocabtrim_core.serving.measurement import Run

TITLE = "sglang.bench_one_batch_server"


@dataclass(frozen=True, slots=True)
class _Line:
    batch_size: Whole
    input_len: Whole
    output_len: Whole
    latency: Positive
    acc_length: Annotated[float, msgspec.Meta(ge=-1, lt=1e6)] | None = None
    total_output_tokens: Count | None = None


def _read(source: Source) -> Iterable[Piece]:
    for record in source.records:
        line = typed(record, _Line, TITLE)
        tokens = line.total_output_tokens or line.batch_size * line.output_len
        length = line.acc_length if line.acc_length and line.acc_length > 0 else None
        run = Run(
            "",
            line.batch_size,
            0,
            throughput=tokens / line.latency,
            tokens=tokens,
            seconds=line.latency,
            verified=verified(tokens - line.batch_size, length),
            acceptance_length=length,
        )
        yield Piece(
            f"random prompts, {line.input_len} in, {line.output_len} out",
            run,
            True if length is not None else None,
            engine="SGLang",
        )


IMPORTER = Importer(
    "bench-one-batch-server",
    TITLE,
    lambda value: has(value, "input_len", "latency", "last_gen_throughput", "acc_length"),
    _read,
    "the writer of SGLang 0.5.23",
    (
        "The prompts are random tokens, so the acceptance length tells nothing about real traffic, "
        "and it is the server's average since it started.",
    ),
)
