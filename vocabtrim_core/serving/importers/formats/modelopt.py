"""Model-Optimizer's `examples/specdec_bench`: a folder with three files.

configuration.json: arguments, engine and version, GPU.  timing.json: a list with one object per
run, "Output TPS" over the whole wall time, other times as texts without a 95th percentile.
acceptance_rate.json: a list too, with the histogram of tokens per verification, from which the
acceptance length is taken as a ratio of sums; "Average_AL" there is a mean over requests.

Checked against `Timing`, `AcceptanceRate`, `Metric.write` and `dump_env` at Model-Optimizer commit
a2fbac7b (2026-08-21) and their form of later the same year.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Piece,
    Positive,
    Whole,
    has,
    typed,
)
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Run

TITLE = "Model-Optimizer specdec_bench"
PROMPTS = {"mtbench": "MT-Bench", "specbench": "Spec-Bench", "speed": "SPEED-Bench"}


class _Timing(msgspec.Struct):
    rate: Positive = msgspec.field(name="Output TPS")


class _Acceptance(msgspec.Struct):
    histogram: dict[str, Count] = msgspec.field(name="Acceptance_Length_Histogram")


@dataclass(frozen=True, slots=True)
class _Configuration:
    speculative_algorithm: str | None = None
    draft_length: int | None = None
    draft_model_dir: str | None = None
    model_dir: str = ""
    concurrency: Whole = 1
    dataset: str | None = None
    mtbench: str | None = None
    specbench: str | None = None
    num_requests: int | None = None
    output_length: int | None = None
    engine: str = "TRTLLM"
    engine_version: str | None = None
    gpu: str | None = None

    @property
    def prompts(self) -> str:
        """What the prompts are called; older versions have a flag per set."""
        name = self.dataset or (
            "mtbench" if self.mtbench else "specbench" if self.specbench else ""
        )
        return PROMPTS.get(name, name or "unnamed prompts")


def _is_list_of(value: Any, name: str) -> bool:
    return isinstance(value, list) and bool(value) and has(value[0], name)


def _is_configuration(value: Any) -> bool:
    return has(value, "speculative_algorithm", "draft_length", "engine")


def _matches(value: Any) -> bool:
    lists = ("Output TPS", "Acceptance_Length_Histogram")
    return _is_configuration(value) or any(_is_list_of(value, name) for name in lists)


def _read(source: Source) -> Iterable[Piece]:
    timings: list[_Timing] = []
    histograms: list[_Acceptance] = []
    about = _Configuration()
    for record in source.records:
        if _is_configuration(record.value):
            about = typed(record, _Configuration, TITLE)
            continue
        for i, each in enumerate(record.value):
            at = Record(each, f"{record.where} entry {i + 1}")
            if _is_list_of(record.value, "Output TPS"):
                timings.append(typed(at, _Timing, TITLE))
            else:
                histograms.append(typed(at, _Acceptance, TITLE))
    if not timings:
        raise InputError(
            f"{source.name} holds no timing.json of {TITLE}, so there is no throughput in it; name "
            "the folder, or timing.json with the files beside it."
        )
    for timing, counted in zip_longest(timings, histograms[: len(timings)]):
        yield _piece(timing, counted, about)


def _piece(timing: _Timing, counted: _Acceptance | None, about: _Configuration) -> Piece:
    drafted = about.speculative_algorithm not in (None, "NONE")
    unknown = about == _Configuration()  # timing.json alone
    lengths = {int(n): times for n, times in counted.histogram.items()} if counted else {}
    cycles, tokens = sum(lengths.values()), sum(n * times for n, times in lengths.items())
    run = Run(
        "",
        about.concurrency,
        0,
        throughput=timing.rate,
        verified=cycles if drafted and cycles else None,
        acceptance_length=tokens / cycles if drafted and cycles else None,
        accepted=tuple(lengths.get(n, 0) for n in range(1, max(lengths, default=0) + 1))
        if drafted
        else (),
    )
    steps = about.draft_length or 0 if drafted else 0
    return Piece(
        about.prompts,
        run,
        None if unknown else drafted,
        (about.draft_model_dir or "") if drafted else "",
        steps,
        draft_tokens=steps + 1 if steps else 0,
        target=about.model_dir,
        engine=" ".join(filter(None, [about.engine, about.engine_version])),
        device=about.gpu or "",
        settings={"requests": about.num_requests, "max_new_tokens": about.output_length},
        versions={about.engine.lower(): about.engine_version} if about.engine_version else {},
    )


IMPORTER = Importer(
    "modelopt",
    TITLE,
    _matches,
    _read,
    "the writers at Model-Optimizer commit a2fbac7b",
    (
        "The acceptance length comes from the histogram of tokens per verification; older versions "
        "count the first token and a cut-off last verification in it.",
        "End-to-end times are left out: the tool writes no 95th percentile.",
    ),
)
