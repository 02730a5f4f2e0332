"""A run, one pass over the prompts with one configuration, and the answers that make it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.serving.acceptance_length import added, length_of, noise_of_prompts


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

    @property
    def given(self) -> int:
        """Tokens that its verifications gave: by its histogram where that has every one."""
        if self.verified and sum(self.accepted) == self.verified:
            return self.verified + sum(j * cycles for j, cycles in enumerate(self.accepted))
        return max(self.tokens - 1, 0)


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
        answers: One per prompt, in the order of the prompts; empty where they were not stored, as
            in imports and by earlier versions.
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
    answers: tuple[Answer, ...] = ()

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
                [a.given for a in drafted], [a.verified or 0 for a in drafted]
            ),
            answers=tuple(answers),
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
