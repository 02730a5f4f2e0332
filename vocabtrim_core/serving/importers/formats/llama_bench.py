"""`llama-bench -o json` or `-o jsonl` of llama.cpp: a list of tests, or one per line.

Tests with n_gen > 0 generate tokens; the others only read prompts and are left out. Every entry of
samples_ns is one run, of which the tokens per second here are the generated ones alone. llama-bench
never drafts, so there is no acceptance.

Checked against the writer (`json_printer`) in llama.cpp of August 2026.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Piece,
    Whole,
    has,
    typed,
)
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Run

TITLE = "llama-bench"
MARKS = ("n_gen", "n_prompt", "samples_ns", "model_filename", "avg_ts")


@dataclass(frozen=True, slots=True)
class _Test:
    model_filename: str
    n_prompt: Count
    n_gen: Count
    samples_ns: list[Whole]
    n_depth: Count = 0
    cpu_info: str = ""
    gpu_info: str = ""
    build_commit: str = ""
    n_threads: int | None = None
    n_gpu_layers: int | None = None


def _matches(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return has(first, *MARKS)


def _read(source: Source) -> Iterable[Piece]:
    generating = 0
    for record in source.records:
        values = record.value if isinstance(record.value, list) else [record.value]
        for i, value in enumerate(values, 1):
            where = f"{record.where} test {i}" if len(values) > 1 else record.where
            test = typed(Record(value, where), _Test, TITLE)
            if not test.n_gen:
                continue
            generating += 1
            yield from _pieces(test)
    if not generating:
        raise InputError(
            f"{source.name}: no test of llama-bench generates tokens (n_gen is 0 in all); run it "
            "with -n."
        )


def _pieces(test: _Test) -> Iterable[Piece]:
    prompt = test.n_depth + test.n_prompt
    for nanoseconds in test.samples_ns:
        seconds = nanoseconds / 1e9
        run = Run("", 1, 0, throughput=test.n_gen / seconds, tokens=test.n_gen, seconds=seconds)
        yield Piece(
            f"random tokens, {prompt} in, {test.n_gen} out",
            run,
            False,
            target=PurePosixPath(test.model_filename).name,
            engine="llama.cpp",
            device=test.gpu_info or test.cpu_info,
            settings={"n_threads": test.n_threads, "n_gpu_layers": test.n_gpu_layers},
            versions={"llama.cpp": test.build_commit} if test.build_commit else {},
        )


IMPORTER = Importer(
    "llama-bench",
    TITLE,
    _matches,
    _read,
    "the writer in llama.cpp of August 2026",
    (
        "llama-bench never drafts, so it tells no acceptance length: these are tokens per second "
        "of the target alone.",
    ),
)
