"""Tokens per second of a target and its drafts on an engine, as far as anything here tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vocabtrim_core.drafts.target import Target
from vocabtrim_core.experiment.plan import ANSWERS, MEASURE, ExperimentPlan
from vocabtrim_core.experiment.record import Experiment, list_experiments
from vocabtrim_core.experiment.trial import AnswersTrial

# Speed of drafts of V and of few tokens against none at 3 drafted tokens, from
# benchmarks/results/experiment_llama_cpp.md and experiment_vllm.md; the torch loop's is that of
# vLLM, both of which verify in one pass over the weights.
AGAINST_NONE = {
    "llama.cpp": (0.30, 0.40),
    "vllm": (0.80, 1.0),
    "sglang": (0.80, 1.0),
    "torch": (0.80, 1.0),
}
STARTS = {"llama.cpp": 1.0, "torch": 1.0, "vllm": 20.0, "sglang": 60.0}  # seconds of a server
IN_TURNS = ("llama.cpp", "torch")  # which change the draft before every run
WARM_UP = 2  # prompts
# Of the rate of one request, by all that are answered at once: the quantised target of llama.cpp
# is bound by arithmetic on a CPU, the others read their weights once for all.
AT_ONCE = {"llama.cpp": 1.1, "torch": 2.0, "vllm": 2.0, "sglang": 2.0}
BYTES_PER_WEIGHT = {"llama.cpp": 0.6, "torch": 4.0, "vllm": 2.0, "sglang": 2.0}
BANDWIDTH = 8e9  # bytes/s of one core


@dataclass(frozen=True, slots=True)
class Rates:
    """Output tokens per second of one request at a time.

    Attributes:
        engine: The engine.
        alone: Without speculation.
        vocab_size: V.
        known: (k, steps) -> measured rate.
        source: "run" for what a measurement told, "trial", or "shapes".
        warm_up: Prompts answered before the runs of a configuration that was set up.
    """

    engine: str
    alone: float
    vocab_size: int
    known: Mapping[tuple[int, int], float] = field(default_factory=dict)
    source: Literal["trial", "run", "shapes"] = "shapes"
    warm_up: int = WARM_UP

    def starts(self, runs: int) -> float:
        """How often a configuration is set up for its runs.

        Args:
            runs: Its runs.

        Returns:
            The number.
        """
        return runs if self.engine in IN_TURNS else min(runs, 2)

    def of(self, k: int | None, steps: int) -> float:
        """The rate of a draft.

        Args:
            k: Its size; None for no speculation.
            steps: Drafted tokens per cycle.

        Returns:
            Tokens per second: of the nearest measured size with these steps, else by the engine.
        """
        if k is None:
            return self.alone
        if near := [size for size, measured in self.known if measured == steps]:
            return self.known[min(near, key=lambda size: abs(size - k)), steps]
        full, small = AGAINST_NONE[self.engine]
        ratio = small + (full - small) * min(k / self.vocab_size, 1.0)
        return self.alone / (1 + (1 / ratio - 1) * steps / 3)


def known_rates(
    plan: ExperimentPlan, target: Target, tried: AnswersTrial | None, answer_length: float
) -> Rates:
    """Find the rates of a plan: as an experiment measured them here, from the trial, or computed.

    Args:
        plan: The settings of the experiment.
        target: Its target.
        tried: A trial of its answers.
        answer_length: Tokens of one of these answers that has its end, without the question.

    Returns:
        The rates.
    """
    size = target.vocab_size
    for earlier in _alike(plan):
        rows = earlier.results.get(MEASURE, {}).get("rows", ())
        rates = {
            (row["k"], row.get("steps") or max(earlier.plan.draft_steps)): row["throughput"]["mean"]
            for row in rows
            if row["throughput"]
        }
        alone = next((rate for (k, _), rate in rates.items() if k is None), None)
        if alone:
            known = {(k, steps): rate for (k, steps), rate in rates.items() if k is not None}
            return Rates(plan.engine, alone, size, known, "run")
    if tried:
        # An answer that was cut has every token that it may have.
        answered = tried.kept * answer_length + (tried.asked - tried.kept) * plan.answer_tokens
        return Rates(
            plan.engine, answered / tried.seconds / AT_ONCE[plan.engine], size, source="trial"
        )
    weights = max(target.architecture.target_weights or 0, 1)
    return Rates(plan.engine, BANDWIDTH / (BYTES_PER_WEIGHT[plan.engine] * weights), size)


def answer_seconds(plan: ExperimentPlan, rates: Rates, tried: AnswersTrial | None) -> float:
    """Estimate how long the target takes for one of many answers.

    Args:
        plan: The settings of the experiment.
        rates: Its rates.
        tried: A trial of its answers.

    Returns:
        Seconds.
    """
    if tried:
        return tried.seconds / tried.asked
    for earlier in _alike(plan):
        for stage in earlier.stages:
            if stage.name == ANSWERS and earlier.plan.answer_tokens == plan.answer_tokens:
                return stage.seconds / earlier.plan.answers
    return 0.7 * plan.answer_tokens / (rates.alone * AT_ONCE[plan.engine])


def start_seconds(plan: ExperimentPlan) -> float:
    """How long the engine takes to start.

    Args:
        plan: The settings of the experiment.

    Returns:
        Seconds.
    """
    return STARTS[plan.engine]


def _alike(plan: ExperimentPlan) -> list[Experiment]:
    """Earlier experiments with the same target on the same engine, the newest first."""
    return [
        experiment
        for experiment in list_experiments()
        if (experiment.plan.target, experiment.plan.engine) == (plan.target, plan.engine)
    ]
