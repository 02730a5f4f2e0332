"""What was measured: configurations, runs over the same prompts, and where they ran."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

import msgspec
import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.store import Store

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Configuration:
    """One of the things compared.

    label: how people call it, unique within a measurement.  k: draft vocabulary size, None where
    nothing is drafted.  draft: folder or id of the draft.  steps: draft steps per cycle.
    topk: branches per step, 1 for a chain.  draft_tokens: tokens verified per cycle.
    """

    label: str
    k: int | None = None
    draft: str = ""
    steps: int = 0
    topk: int = 1
    draft_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request. Times in seconds from when it was sent.

    verified: cycles, i.e. verifications by the target; None without speculation.
    accepted: accepted[j] cycles accepted exactly j drafted tokens; empty where not told.
    """

    tokens: int
    seconds: float
    first_token_s: float | None = None
    verified: int | None = None
    accepted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds over the requests of a run."""

    mean: float
    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency | None:
        """None for no requests."""
        if not len(seconds):
            return None
        p50, p95 = np.percentile(seconds, [50, 95])
        return cls(float(np.mean(seconds)), float(p50), float(p95))


def added(accepted: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Histograms of accepted tokens, of whatever lengths, in one."""
    return tuple(map(sum, zip_longest(*accepted, fillvalue=0)))


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over the prompts with one configuration.

    throughput: output tokens per second of wall time, all requests together.  tokens, seconds,
    verified: sums over the requests (seconds: wall time); None where an import does not say.
    acceptance_length: tokens / verified, a ratio of sums; None without speculation.
    accepted: accepted[j] cycles accepted exactly j drafted tokens.  error: why the run failed; its
    numbers then mean nothing.  started: UTC, ISO 8601.
    """

    configuration: str
    concurrency: int
    index: int
    throughput: float = 0.0
    tokens: int | None = None
    seconds: float | None = None
    verified: int | None = None
    acceptance_length: float | None = None
    latency: Latency | None = None
    first_token: Latency | None = None
    accepted: tuple[int, ...] = ()
    error: str = ""
    started: str = ""

    @classmethod
    def of(
        cls,
        configuration: str,
        concurrency: int,
        index: int,
        answers: Sequence[Answer],
        seconds: float,
        started: str = "",
    ) -> Run:
        """The run that these answers make, `seconds` of wall time in all."""
        tokens = sum(answer.tokens for answer in answers)
        cycles = [a.verified for a in answers if a.verified is not None]
        counted = sum(a.tokens for a in answers if a.verified is not None)
        verified = sum(cycles) if cycles else None
        return cls(
            configuration,
            concurrency,
            index,
            throughput=tokens / seconds,
            tokens=tokens,
            seconds=seconds,
            verified=verified,
            acceptance_length=counted / verified if verified else None,
            latency=Latency.of([a.seconds for a in answers]),
            first_token=Latency.of([a.first_token_s for a in answers if a.first_token_s]),
            accepted=added(answer.accepted for answer in answers),
            started=started,
        )

    @property
    def position_acceptance(self) -> tuple[float, ...]:
        """Share of the cycles in which the token at draft position 1, 2, … was accepted."""
        cycles = sum(self.accepted)
        if not cycles:
            return ()
        reached = np.cumsum(self.accepted[::-1])[::-1][1:]
        return tuple((reached / cycles).tolist())

    @property
    def cycle_s(self) -> float | None:
        """Seconds per cycle of one sequence: acceptance length * concurrency / throughput.

        Prefill and waiting are in it; None without speculation.
        """
        if self.acceptance_length is None or not self.throughput:
            return None
        return self.acceptance_length * self.concurrency / self.throughput


@dataclass(frozen=True)
class Measurement:
    """Runs of some configurations over the same prompts on one engine.

    prompts: name of the prompt set, e.g. MT-Bench.  prompts_key: sha256 of the prompts, empty where
    an import does not say.  vocab_size: V.  engine: with version.  device: GPU or CPU.
    origin: "measured" here or "imported".  toy: the target is the embedded toy.
    settings: generation and server settings that all configurations share (max_new_tokens,
    temperature, …).  versions: package -> version.  command: what does the same again.
    notes: sentences that whoever reads the numbers must know.
    """

    prompts: str
    target: str
    engine: str
    configurations: tuple[Configuration, ...]
    runs: tuple[Run, ...] = ()
    vocab_size: int | None = None
    prompts_key: str = ""
    device: str = ""
    origin: str = "measured"
    toy: bool = False
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    notes: tuple[str, ...] = ()
    created: str = ""
    format: int = FORMAT

    def __post_init__(self) -> None:
        labels = [c.label for c in self.configurations]
        if len(set(labels)) < len(labels):
            raise InputError("Two configurations of a measurement have the same label; rename one.")
        if unknown := {run.configuration for run in self.runs} - set(labels):
            raise InputError(f"A run belongs to {unknown.pop()!r}, which is not among {labels}.")

    @cached_property
    def key(self) -> str:
        """sha256 of the content, shortened to 16 hexadecimal digits."""
        return hashlib.sha256(self.encoded()).hexdigest()[:16]

    def encoded(self) -> bytes:
        """JSON, the same bytes for the same measurement."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1)

    def good(self, label: str, concurrency: int | None = None) -> tuple[Run, ...]:
        """The runs of a configuration that did not fail, in order of index."""
        runs = (
            run
            for run in self.runs
            if run.configuration == label
            and not run.error
            and concurrency in (None, run.concurrency)
        )
        return tuple(sorted(runs, key=lambda run: (run.concurrency, run.index)))

    @property
    def concurrencies(self) -> tuple[int, ...]:
        """Ascending, of all runs."""
        return tuple(sorted({run.concurrency for run in self.runs}))

    def configuration(self, label: str) -> Configuration:
        """InputError when there is none of this label."""
        for found in self.configurations:
            if found.label == label:
                return found
        raise InputError(f"There is no configuration {label!r} in this measurement.")


MEASUREMENTS = Store(
    Measurement,
    "measurements",
    FORMAT,
    "measurement",
    "measurements",
    "`measurements list` names all",
)
decode, save, stored, find, remove = (
    MEASUREMENTS.decode,
    MEASUREMENTS.save,
    MEASUREMENTS.stored,
    MEASUREMENTS.find,
    MEASUREMENTS.remove,
)
