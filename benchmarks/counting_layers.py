"""Where the CPU time of a count goes: one run in this process, its steps timed on their threads.

    python benchmarks/counting.py --layers [--folder FOLDER]

A step's time is that of its thread within it, without the steps inside it. What HF tokenizers does
on threads of its own, the hash of the file and the start of threads are the rest of the process.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.counting_runs import ALONE, KEPT, RUNS, alone, cpu_seconds, ours
from vocabtrim_core.corpora import batches
from vocabtrim_core.counting import (
    cache,
    count,
    encoding,
    engines,
    proof,
    response_files,
    work_queue,
    worker,
)

STEPS: dict[str, list[tuple[Any, str]]] = {
    "the engine, in place": [(engines.Gigatoken, "encode")],
    "Parquet: read, decompress, decode": [(work_queue.WorkQueue, "take")],
    "Parquet: columns to messages": [(batches.Block, "batch")],
    "search for literal markup": [(encoding, "must_render")],
    "answers selected and stripped": [(encoding, "spoken")],
    "search for newer code points": [(proof, "with_unicode_17")],
    "proof: HF tokenizers": [(engines.Reference, "encode")],
    "proof: answers by the definition": [(worker, "check_sample")],
    "proof: comparison": [(proof.ExactEngine, "encode")],
    "histogram": [(encoding.EncodedBatch, "counts")],
    "responses": [
        (response_files.ResponseFiles, "add"),
        (response_files.ResponseFiles, "flush"),
        (response_files.ResponseFiles, "join"),
        (count, "keep_responses"),
    ],
    "ids checked, blocks freed": [(worker, "encode_batch")],
    "parts and counts on disk": [
        (work_queue.WorkQueue, "give"),
        (cache, "assemble"),
        (cache, "keep"),
    ],
    "memory measured and released": [
        (worker.memory, name) for name in ("release", "private", "allocated")
    ],
}


def timed_steps() -> dict[str, float]:
    """Wrap the functions of STEPS; the CPU seconds of each step, filled as they run."""
    seconds: dict[str, float] = defaultdict(float)
    lock, own = threading.Lock(), threading.local()

    def timed(step: str, function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **options: Any) -> Any:
            outer, own.inside = getattr(own, "inside", 0.0), 0.0
            started = time.thread_time()
            try:
                return function(*args, **options)
            finally:
                spent = time.thread_time() - started
                with lock:
                    seconds[step] += spent - own.inside
                own.inside = outer + spent

        return wrapper

    for step, functions in STEPS.items():
        for owner, name in functions:
            setattr(owner, name, timed(step, getattr(owner, name)))
    return seconds


def layers(folder: Path) -> list[dict[str, object]]:
    """The table: CPU seconds of every step, and as shares of the engine alone."""
    rows: dict[str, float] = {}
    for name, way in ((ALONE, alone), (KEPT, ours)):
        seconds = timed_steps() if name == KEPT else {}
        counted = way(RUNS[name], folder / RUNS[name].file)
        seconds.clear()
        started = cpu_seconds()
        counted()
        total = cpu_seconds() - started
        rows |= dict(sorted(seconds.items(), key=lambda step: -step[1]))
        if name == KEPT:
            rows["the rest of the process"] = total - sum(seconds.values())
        rows[name] = total
    base = rows.pop(ALONE)
    table = {ALONE: base, **rows}
    return [
        {"step": step, "CPU s": f"{spent:.2f}", "to the engine alone": f"{spent / base:.2f}"}
        for step, spent in table.items()
    ]
