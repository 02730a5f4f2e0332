"""What an experiment takes, stage by stage, before it starts: seconds, and memory at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.corpora.demo import chat
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts import estimate as trainings
from vocabtrim_core.drafts.peak_memory import memory_problem
from vocabtrim_core.drafts.plan import SMALL_PLAN, Deployment, TrainingPlan
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.tokenized_dataset import head_of, survey
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.drafts.trial import Setting
from vocabtrim_core.experiment.plan import (
    ANSWERS,
    CHOOSE,
    COUNT,
    MEASURE,
    STAGES,
    TITLES,
    TRAIN,
    ExperimentPlan,
    swept,
)
from vocabtrim_core.experiment.rates import Rates, answer_seconds, known_rates, start_seconds
from vocabtrim_core.experiment.trial import AnswersTrial, known_answers
from vocabtrim_core.jobs.progress import duration
from vocabtrim_core.machine import free_memory
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.wording import format_bytes

BEST_K = 2000  # stands for k* until the answers are counted
KEPT = 0.8  # of the answers, where no trial says how many the length limit cuts
FILLED = 0.6  # of the length limit, by an answer that it does not cut
QUESTION_TOKENS = 40  # of a prompt with its template
COUNT_SECONDS, CHOOSE_SECONDS = 3.0, 2.0
# Programs of the engines without weights, on a CPU; vLLM and SGLang with 1 GB of KV cache.
ENGINE_BYTES = {"llama.cpp": 300e6, "torch": 700e6, "vllm": 2.5e9, "sglang": 3e9}
WEIGHT_BYTES = {"llama.cpp": 1.1, "torch": 4.0, "vllm": 2.0, "sglang": 2.0}  # of a weight
Source = Literal["trial", "run", "shapes"]
SOURCES = {
    "trial": "from a few answers and a few steps that were measured here",
    "run": "from what was measured here before with this target",
    "shapes": "computed from shapes alone, which may be wrong several times over",
}


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """What one stage takes.

    Attributes:
        name: One of STAGES.
        seconds: Its duration.
        memory: Bytes of memory at most, 0 where it is little.
    """

    name: str
    seconds: float
    memory: int = 0


@dataclass(frozen=True, slots=True)
class ExperimentEstimate:
    """What an experiment takes.

    Attributes:
        stages: Its stages, in order.
        source: What the times rest on, the least sure of them.
        free_memory: Bytes that are free for it; None where that is not known.
        problem: Why disk or memory do not suffice and what to lower; None where they do.
        training: k -> seconds of its training.
    """

    stages: tuple[StageEstimate, ...]
    source: Source
    free_memory: int | None
    problem: str | None
    training: Mapping[int, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Duration of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def memory(self) -> int:
        """Bytes of the stage that takes the most."""
        return max(stage.memory for stage in self.stages)

    @property
    def sentence(self) -> str:
        """All of it in a sentence."""
        long = [
            f"{TITLES[stage.name][0].lower()}{TITLES[stage.name][1:]} {duration(stage.seconds)}"
            for stage in self.stages
            if stage.seconds >= 5
        ]
        free = "" if self.free_memory is None else f" of {format_bytes(self.free_memory)} free"
        return (
            f"About {duration(self.seconds)}: {', '.join(long)}; memory {format_bytes(self.memory)}"
            f"{free} ({SOURCES[self.source]})."
        )


def estimate(plan: ExperimentPlan, target: Target, trainer: Trainer) -> ExperimentEstimate:
    """Estimate an experiment from the best that is known of its parts.

    Args:
        plan: Its settings.
        target: Its target.
        trainer: The environment that trains.

    Returns:
        The estimate.
    """
    tried = known_answers(plan)
    setting = setting_of(plan, target, trainer, tried)
    surveyed = _surveyed(plan, setting, tried)
    training = trainings.estimate(
        setting, sizes_of(plan, target), max_tokens=plan.max_tokens, surveyed=surveyed
    )
    rates = known_rates(plan, target, tried, _answer_length(setting, tried))
    engine = round(
        ENGINE_BYTES[plan.engine]
        + WEIGHT_BYTES[plan.engine] * (target.architecture.target_weights or 0)
    )
    seconds = {
        ANSWERS: start_seconds(plan) + plan.answers * answer_seconds(plan, rates, tried),
        COUNT: COUNT_SECONDS,
        CHOOSE: CHOOSE_SECONDS,
        TRAIN: training.seconds,
        MEASURE: measuring_seconds(plan, target, rates),
    }
    memory = {ANSWERS: engine, TRAIN: max(training.memory_bytes.values()), MEASURE: engine}
    sources: list[Source] = ["shapes", "run", "trial"]
    return ExperimentEstimate(
        tuple(StageEstimate(name, seconds[name], memory.get(name, 0)) for name in STAGES),
        min(training.source, rates.source, key=sources.index),
        training.free_memory,
        _problem(plan, training, setting, engine),
        training.train_seconds,
    )


def setting_of(
    plan: ExperimentPlan, target: Target, trainer: Trainer, tried: AnswersTrial | None
) -> Setting:
    """Make what the speed of the trainings depends on.

    Args:
        plan: The settings of the experiment.
        target: Its target.
        trainer: The environment that trains.
        tried: The trial's answers, which stand for those of the experiment; None for its prompts.

    Returns:
        The setting.
    """
    tokenizer = load_tokenizer(target.folder, config=target.folder / "config.json")
    recipe = CountConfig(tokenizer, resolve_template(tokenizer, "auto"), max_length=plan.max_length)
    corpus = open_corpus([tried.corpus] if tried else chat.paths([plan.prompts]))
    usual = {f.name: f.default for f in fields(TrainingPlan)}
    given = {
        name: value for name in usual if (value := getattr(plan.training, name)) != usual[name]
    }
    training = replace(SMALL_PLAN if target.bundled else TrainingPlan(), **given)  # as `train` does
    return Setting(target, corpus, recipe, training, Deployment(trainer.device), trainer)


def sizes_of(plan: ExperimentPlan, target: Target) -> list[int]:
    """The sizes of the drafts, where k* is not known yet.

    Args:
        plan: The settings of the experiment.
        target: Its target.

    Returns:
        The sizes, with BEST_K for k*, the largest first.
    """
    return plan.ks(min(BEST_K, target.vocab_size), target.vocab_size)


def measuring_seconds(plan: ExperimentPlan, target: Target, rates: Rates) -> float:
    """Estimate how long the drafts are measured.

    Args:
        plan: The settings of the experiment.
        target: Its target.
        rates: What is known of its speed.

    Returns:
        Seconds.
    """
    return sum(
        plan.runs * plan.measured * plan.new_tokens / rate
        + rates.starts(plan.runs) * (start_seconds(plan) + rates.warm_up * plan.new_tokens / rate)
        for rate in _each_rate(plan, sizes_of(plan, target), rates)
    )


def _each_rate(plan: ExperimentPlan, ks: Sequence[int], rates: Rates) -> Iterator[float]:
    yield rates.of(None, 0)
    with_each = swept(plan, ks, BEST_K)
    for k in ks:
        for steps in plan.draft_steps if k in with_each else (max(plan.draft_steps),):
            yield rates.of(k, steps)


def _answer_length(setting: Setting, tried: AnswersTrial | None) -> float:
    """Tokens of an answer of the trial that has its end; 0 without any."""
    if tried is None or not tried.kept:
        return 0.0
    answers = head_of(setting.corpus, setting.recipe, tried.kept)
    return sum(int(mask.sum()) for _, mask in answers) / max(len(answers), 1)


def _surveyed(
    plan: ExperimentPlan, setting: Setting, tried: AnswersTrial | None
) -> tuple[int, int]:
    """Conversations and tokens that a capture will read."""
    if tried and tried.kept:
        conversations, tokens = survey(setting.corpus, setting.recipe)
        mean = tokens / max(conversations, 1)
        answers = plan.answers * tried.kept / tried.asked
    else:
        mean = min(QUESTION_TOKENS + FILLED * plan.answer_tokens, plan.max_length)
        answers = plan.answers * KEPT
    tokens = min(answers * mean, plan.max_tokens or answers * mean)
    return max(round(tokens / mean), 1), round(tokens)


def _problem(
    plan: ExperimentPlan, training: trainings.Estimate, setting: Setting, engine: int
) -> str | None:
    """Why it does not fit, in words of the experiment's own options."""
    if training.memory_problem:
        compact = replace(setting.plan, compact_teacher=True)  # not an option of an experiment
        return memory_problem(training.memory_bytes, training.free_memory, compact, plan.max_length)
    if training.problem:
        return training.problem
    free = free_memory()
    if setting.deployment.device == "cpu" and engine > free:
        return (
            f"Serving {plan.target} on {plan.engine} takes about {format_bytes(engine)} of memory "
            f"and {format_bytes(free)} are free; close other programs, or take --engine llama.cpp."
        )
    return None
