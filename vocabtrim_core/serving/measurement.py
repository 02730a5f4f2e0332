"""Measurements: configurations, runs over the same prompts, and the machine they ran on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.acceptance_length import added, length_of, noise_of_prompts
from vocabtrim_core.serving.earlier_formats import from_format_1, from_format_2
from vocabtrim_core.serving.store import Storable, Store

# In 1, the acceptance length of measured runs was tokens / verifications; in 2, a field said
# whether the target was one that was trained here.
FORMAT = 3


@dataclass(frozen=True, slots=True)
class Configuration:
    """One draft with its settings, or decoding without a draft.

    Attributes:
        label: Name for people, unique within a measurement.
        k: Draft vocabulary size; None without a draft, or where unknown.
        draft: Folder or id of the draft.
        steps: Draft steps per cycle.
        topk: Branches per step, 1 for a chain.
        draft_tokens: Tokens verified per cycle.
    """

    label: str
    k: int | None = None
    draft: str = ""
    steps: int = 0
    topk: int = 1
    draft_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request. Times are seconds since it was sent.

    Attributes:
        tokens: Tokens of the answer.
        seconds: Time of the last token.
        first_token_s: Time of the first token, None where unknown.
        verified: Cycles, that is verifications by the target; None without speculation.
        accepted: accepted[j] cycles accepted exactly j drafted tokens; empty where unknown.
    """

    tokens: int
    seconds: float
    first_token_s: float | None = None
    verified: int | None = None
    accepted: tuple[int, ...] = ()


def _given(answer: Answer) -> int:
    """Tokens that an answer's verifications gave: by its histogram where that has every one."""
    if answer.verified and sum(answer.accepted) == answer.verified:
        return answer.verified + sum(j * cycles for j, cycles in enumerate(answer.accepted))
    return max(answer.tokens - 1, 0)


@dataclass(frozen=True, slots=True)
class Counted:
    """What an engine counted over all answers of a run.

    Attributes:
        verified: Cycles; None where the answers tell them, or without speculation.
        accepted: accepted[j] cycles accepted exactly j drafted tokens; empty where unknown.
        cpu_s: CPU seconds, user and system, of the server and its children; None where unknown.
    """

    verified: int | None = None
    accepted: tuple[int, ...] = ()
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """Statistics of the seconds of a run's requests.

    Attributes:
        mean: Mean, seconds.
        p50: Median, seconds.
        p95: 95th percentile, seconds.
    """

    mean: float
    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency | None:
        """Statistics of some times.

        Args:
            seconds: Times of the requests.

        Returns:
            The statistics, None for no requests.
        """
        if not len(seconds):
            return None
        p50, p95 = np.percentile(seconds, [50, 95])
        return cls(float(np.mean(seconds)), float(p50), float(p95))


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over the prompts with one configuration.

    Attributes:
        configuration: Label of the configuration.
        concurrency: Requests at once.
        index: Number of the run among those of its configuration and concurrency, from 0.
        throughput: Output tokens per second of wall time, of all requests together.
        tokens: Output tokens of all requests; None where an import does not have them.
        seconds: Wall time; None where an import does not have it.
        verified: Cycles of all requests; None without speculation or where unknown.
        acceptance_length: See `LENGTH_HELP`; a ratio of sums, None without speculation.
        latency: Time of the answers.
        first_token: Time of the first tokens.
        accepted: accepted[j] cycles accepted exactly j drafted tokens.
        error: Why the run failed, "" for a good run. The numbers of a failed run are not valid.
        started: UTC, ISO 8601.
        cpu_s: CPU seconds of the engine's processes; None where unknown.
        prompt_noise: Standard deviation of the logarithm of the acceptance length over as many
            other prompts; None where the answers do not tell it.
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
    cpu_s: float | None = None
    prompt_noise: float | None = None

    @classmethod
    def of(
        cls,
        configuration: str,
        concurrency: int,
        index: int,
        answers: Sequence[Answer],
        seconds: float,
        started: str = "",
        counted: Counted = Counted(),
    ) -> Run:
        """A run from its answers.

        Args:
            configuration: Label of the configuration.
            concurrency: Requests at once.
            index: Number of the run.
            answers: Answers to all prompts.
            seconds: Wall time.
            started: UTC, ISO 8601.
            counted: What the engine counted; its histogram is taken where the answers have none.

        Returns:
            The run.
        """
        tokens = sum(answer.tokens for answer in answers)
        drafted = [answer for answer in answers if answer.verified is not None]
        verified = sum(a.verified or 0 for a in drafted) if drafted else None
        generated = sum(max(a.tokens - 1, 0) for a in drafted or answers)
        accepted = added(answer.accepted for answer in answers)
        if not accepted and counted.verified is not None:
            verified, accepted = counted.verified, counted.accepted
        return cls(
            configuration,
            concurrency,
            index,
            throughput=tokens / seconds,
            tokens=tokens,
            seconds=seconds,
            verified=verified,
            acceptance_length=length_of(verified, generated, accepted),
            latency=Latency.of([a.seconds for a in answers]),
            first_token=Latency.of([a.first_token_s for a in answers if a.first_token_s]),
            accepted=accepted,
            started=started,
            cpu_s=counted.cpu_s,
            prompt_noise=noise_of_prompts(
                [_given(a) for a in drafted], [a.verified or 0 for a in drafted]
            ),
        )

    @property
    def position_acceptance(self) -> tuple[float, ...]:
        """Share of cycles in which the token at draft position 1, 2, … was accepted."""
        cycles = sum(self.accepted)
        if not cycles:
            return ()
        reached = np.cumsum(self.accepted[::-1])[::-1][1:]
        return tuple((reached / cycles).tolist())

    @property
    def cycle_s(self) -> float | None:
        """Seconds per cycle of one sequence, with prefill and waiting; None without speculation.

        It is concurrency * seconds / verified. For imports without these sums it is acceptance
        length * concurrency / throughput, which is the same where the length is the tool's own
        and counts the first tokens, as the throughput does.
        """
        if self.verified and self.seconds:
            return self.concurrency * self.seconds / self.verified
        if self.acceptance_length is None or not self.throughput:
            return None
        return self.acceptance_length * self.concurrency / self.throughput

    @property
    def decode_rate(self) -> float | None:
        """Tokens per second that cycles gave: the throughput without the first tokens of answers.

        None without speculation.
        """
        if self.acceptance_length is None or not self.cycle_s:
            return None
        return self.acceptance_length * self.concurrency / self.cycle_s


@dataclass(frozen=True)
class Measurement(Storable):
    """Runs of several configurations over the same prompts on one engine.

    Attributes:
        prompts: Name of the prompt set, such as MT-Bench.
        target: Name or path of the target.
        engine: Name and version of the engine.
        configurations: The configurations; their labels differ.
        runs: The runs, failed ones included.
        vocab_size: V of the target, None where unknown.
        prompts_key: SHA-256 of the prompts; "" where an import does not have it.
        device: Name of the GPU or CPU, "" where unknown.
        origin: "measured" or "imported".
        settings: Settings of generation and server that all configurations share, by name, such as
            max_new_tokens and temperature.
        versions: Versions of packages, by name.
        command: The command that repeats the measurement.
        notes: Sentences that readers of the numbers must know.
        created: UTC, ISO 8601.
        format: Version of the stored format.

    Raises:
        InputError: Two labels are equal, or a run belongs to no configuration.
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

    def good(self, label: str, concurrency: int | None = None) -> tuple[Run, ...]:
        """The runs of a configuration that did not fail.

        Args:
            label: Label of the configuration.
            concurrency: Requests at once; None for all.

        Returns:
            The runs by concurrency and index.
        """
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
        """Concurrencies of all runs, ascending."""
        return tuple(sorted({run.concurrency for run in self.runs}))

    def configuration(self, label: str) -> Configuration:
        """A configuration by its label.

        Args:
            label: The label.

        Returns:
            The configuration.

        Raises:
            InputError: There is none of this label.
        """
        for configuration in self.configurations:
            if configuration.label == label:
                return configuration
        raise InputError(f"There is no configuration {label!r} in this measurement.")


MEASUREMENTS = Store(
    Measurement,
    "measurements",
    FORMAT,
    "measurement",
    "measurements",
    "`measurements list` names all",
    {1: from_format_1, 2: from_format_2},
)
decode, save, stored, find, remove = (
    MEASUREMENTS.decode,
    MEASUREMENTS.save,
    MEASUREMENTS.stored,
    MEASUREMENTS.find,
    MEASUREMENTS.remove,
)
