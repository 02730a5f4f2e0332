"""Model-Optimizer's `examples/specdec_bench`: a folder with three files.

configuration.json has the arguments, engine and version, and GPU. timing.json is a list with one
object per run; "Output TPS" is over the whole wall time, and other times are texts without a 95th
percentile. acceptance_rate.json is a list with the histogram of tokens per verification, from which
the acceptance length is computed as a ratio of sums; its "Average_AL" is a mean over requests. The
histogram does not hold the prefill, except in older versions.

Checked against `Timing`, `AcceptanceRate`, `Metric.write` and `dump_env` at Model-Optimizer commit
a2fbac7b (2026-08-21), and against their later form of the same year.
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
        """Name of the prompt set; older versions have a flag for each set."""
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
    settings = _Configuration()
    for record in source.records:
        if _is_configuration(record.value):
            settings = typed(record, _Configuration, TITLE)
            continue
        for i, value in enumerate(record.value):
            entry = Record(value, f"{record.where} entry {i + 1}")
            if _is_list_of(record.value, "Output TPS"):
                timings.append(typed(entry, _Timing, TITLE))
            else:
                histograms.append(typed(entry, _Acceptance, TITLE))
    if not timings:
        raise InputError(
            f"{source.name} holds no timing.json of {TITLE}, so there is no throughput in it; name "
            "the folder, or timing.json with the files beside it."
        )
    for timing, acceptance in zip_longest(timings, histograms[: len(timings)]):
        yield _piece(timing, acceptance, settings)


def _piece(timing: _Timing, acceptance: _Acceptance | None, settings: _Configuration) -> Piece:
    drafted = settings.speculative_algorithm not in (None, "NONE")
    unknown = settings == _Configuration()  # timing.json alone
    lengths = {int(n): times for n, times in acceptance.histogram.items()} if acceptance else {}
    cycles, tokens = sum(lengths.values()), sum(n * times for n, times in lengths.items())
    run = Run(
        "",
        settings.concurrency,
        0,
        throughput=timing.rate,
        verified=cycles if drafted and cycles else None,
        acceptance_length=tokens / cycles if drafted and cycles else None,
        accepted=tuple(lengths.get(n, 0) for n in range(1, max(lengths, default=0) + 1))
        if drafted
        else (),
    )
    steps = settings.draft_length or 0 if drafted else 0
    return Piece(
        settings.prompts,
        run,
        None if unknown else drafted,
        (settings.draft_model_dir or "") if drafted else "",
        steps,
        draft_tokens=steps + 1 if steps else 0,
        target=settings.model_dir,
        engine=" ".join(filter(None, [settings.engine, settings.engine_version])),
        device=settings.gpu or "",
        settings={"requests": settings.num_requests, "max_new_tokens": settings.output_length},
        versions={settings.engine.lower(): settings.engine_version}
        if settings.engine_version
        else {},
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
