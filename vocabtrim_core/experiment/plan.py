"""What an experiment does: its settings, its stages, and the command line of each stage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from vocabtrim_core.drafts.completion_clients import Sampling
from vocabtrim_core.drafts.plan import TrainingPlan
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import to_argv
from vocabtrim_core.fields.kinds import (
    NUMBER,
    REPEATED,
    SMALL_WHOLES,
    TEXT,
    WHOLE,
    integer,
    one_of,
)
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.serving.configurations import Drafting
from vocabtrim_core.serving.engine import Generation

ANSWERS, COUNT, CHOOSE, TRAIN, MEASURE = STAGES = (
    "answers",
    "count",
    "choose",
    "train",
    "measure",
)
TITLES = {
    ANSWERS: "The target answers the prompts",
    COUNT: "Its answers are counted",
    CHOOSE: "k* is chosen",
    TRAIN: "Drafts are trained",
    MEASURE: "Drafts are measured",
}
ANSWERED_AT_ONCE = 4
BEST, FULL, ALL = "best", "full", "all"
DRAFT_STEPS = (1, 2, 3)
ENGINES = ("llama.cpp", "vllm", "sglang", "torch")


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """Settings of an experiment.

    Attributes:
        target: Name, folder or hub id of the target.
        engine: The engine that answers and that is measured.
        program: Name of the engine's program, where `engine --add` configured it; "" for the
            engine's own default.
        prompts: Prompts that the target answers and drafts are trained on.
        unseen: Prompts that drafts are measured on.
        sizes: Draft vocabulary sizes: numbers, "full" for V, "best" for the k* of the answers.
        alpha: Weight of coverage that chooses k*, 0..1.
        answers: Number of prompts that are answered.
        answer_tokens: Most tokens of an answer; longer ones are left out.
        steps: Optimizer steps of each training.
        batch_size: Conversations of a step.
        max_length: Most tokens of a conversation in training.
        max_tokens: Most tokens captured.
        learning_rate: Its peak.
        ttt_length: Draft positions unrolled in training.
        draft_steps: Tokens drafted in a cycle when measured.
        sweep: Which drafts are measured with each of several `draft_steps`, "best" for that of k*
            (else the smallest) or "all"; the others are measured with the most.
        measured: Number of prompts measured.
        new_tokens: Tokens of a measured answer.
        runs: Measured runs of each draft.
    """

    target: Annotated[
        str, Leaf(TEXT, "--target", help="name, folder or hub id of the target", metavar="MODEL")
    ] = "smollm2"
    engine: Annotated[
        str, Leaf(one_of(*ENGINES), "--engine", help="answers the prompts and runs the drafts")
    ] = "llama.cpp"
    program: Annotated[
        str, Leaf(TEXT, "--interpreter", help="a configured engine program", metavar="NAME")
    ] = ""
    prompts: Annotated[
        str, Leaf(TEXT, "--prompts", help="what the target answers", metavar="PROMPTS")
    ] = "chat"
    unseen: Annotated[
        str, Leaf(TEXT, "--unseen", help="what drafts are measured on", metavar="PROMPTS")
    ] = "chat-unseen"
    sizes: Annotated[
        tuple[str, ...],
        Leaf(
            REPEATED,
            "--k",
            help="size of a draft: a number, full for V, best for k*; may be given several times",
            metavar="K",
            unset="full, 32000 and best",
        ),
    ] = ()
    alpha: Annotated[float, Leaf(NUMBER, "--alpha", help="weight of coverage that chooses k*")] = (
        0.5
    )
    answers: Annotated[int, Leaf(WHOLE, "--answers", help="prompts that are answered")] = 200
    answer_tokens: Annotated[
        int, Leaf(WHOLE, "--answer-tokens", help="longer answers are left out")
    ] = 128
    steps: Annotated[int, Leaf(WHOLE, "--training-steps", help="steps of each training")] = 120
    batch_size: Annotated[int, Leaf(WHOLE, "--batch-size", help="conversations of a step")] = 4
    max_length: Annotated[
        int, Leaf(WHOLE, "--max-length", help="tokens of a conversation in training")
    ] = 192
    max_tokens: Annotated[int, Leaf(WHOLE, "--max-tokens", help="tokens trained on")] = 16_000
    learning_rate: Annotated[
        float, Leaf(NUMBER, "--learning-rate", help="learning rate", metavar="RATE")
    ] = 1e-3
    ttt_length: Annotated[
        int, Leaf(WHOLE, "--ttt-length", help="draft positions unrolled in training")
    ] = 3
    draft_steps: Annotated[
        tuple[int, ...],
        Leaf(
            SMALL_WHOLES,
            "--draft-steps",
            help="tokens drafted in a cycle when measured; several are compared",
        ),
    ] = DRAFT_STEPS
    sweep: Annotated[
        str,
        Leaf(
            one_of(BEST, ALL),
            "--sweep",
            help="which drafts are measured with each of several --draft-steps, the others with "
            "the most: best (k*) or all",
        ),
    ] = BEST
    measured: Annotated[int, Leaf(WHOLE, "--measured", help="prompts that are measured")] = 12
    new_tokens: Annotated[
        int, Leaf(WHOLE, "--max-new-tokens", help="tokens of a measured answer")
    ] = 32
    runs: Annotated[int, Leaf(WHOLE, "--runs", help="measured runs of each draft")] = 3

    def __post_init__(self) -> None:
        for name in ("answers", "measured", "runs", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, but it is {getattr(self, name)}.")
        if self.prompts == self.unseen:
            raise InputError(
                f"Drafts would be measured on the prompts they are trained on ({self.prompts}); "
                "name others to measure on."
            )
        Drafting(self.draft_steps)  # InputError for what is no number of steps
        for size in self.named_sizes:
            if size not in (BEST, FULL):
                _size(size)

    @property
    def named_sizes(self) -> tuple[str, ...]:
        """The sizes that are trained, as they are named."""
        return self.sizes or (FULL, "32000", BEST)

    @property
    def training(self) -> TrainingPlan:
        """How each draft is trained."""
        return TrainingPlan(
            epochs=100,
            max_steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            ttt_length=self.ttt_length,
            start="target",
            evaluations=2,
        )

    @property
    def key(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the settings."""
        settings = asdict(self)
        if len(self.draft_steps) == 1:  # as it was written before there could be several
            settings["draft_steps"] = self.draft_steps[0]
            del settings["sweep"]
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def ks(self, best: int, vocab_size: int) -> list[int]:
        """The sizes as numbers, the largest first.

        Args:
            best: k*.
            vocab_size: V.

        Returns:
            Different sizes within 1..V; sizes above V become V.
        """
        named = {BEST: best, FULL: vocab_size}
        sizes = {named.get(size) or _size(size) for size in self.named_sizes}
        return sorted({min(size, vocab_size) for size in sizes}, reverse=True)


def swept(plan: ExperimentPlan, ks: Sequence[int], best: int) -> list[int]:
    """The drafts that are measured with every number of drafted tokens.

    Args:
        plan: The settings.
        ks: The sizes of all drafts.
        best: k*.

    Returns:
        Their sizes.
    """
    if plan.sweep == ALL or len(plan.draft_steps) == 1:
        return list(ks)
    return [best if best in ks else min(ks)]


def _size(text: str) -> int:
    import argparse

    try:
        k = integer(text)
    except argparse.ArgumentTypeError:
        k = 0
    if k < 1:
        raise InputError(f"k must be a whole number above 0, full or best, but it is {text!r}.")
    return k


def argv_of(
    stage: str, plan: ExperimentPlan, folder: Path, results: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """The command of a stage.

    Args:
        stage: One of STAGES.
        plan: The settings.
        folder: The experiment's folder, where the answers are written.
        results: Results of the stages before, by name.

    Returns:
        The words of the command line, the first is the command.
    """
    answers = str(folder / "answers.jsonl")
    interpreter = ["--interpreter", plan.program] if plan.program else []
    if stage == ANSWERS:
        sampling = Sampling(max_tokens=plan.answer_tokens)
        return [
            "regenerate",
            *_options(target=plan.target, data=plan.prompts, limit=plan.answers, by=plan.engine),
            *interpreter,
            *to_argv(sampling),
            *_options(concurrency=ANSWERED_AT_ONCE, out=answers),
        ]
    if stage == COUNT:
        return ["count", *_options(tokenizer=plan.target, data=answers)]
    if stage == CHOOSE:
        return ["optimize", str(results[COUNT]["key"]), *_options(alpha=plan.alpha)]
    if stage == TRAIN:
        best = results[CHOOSE]
        return [
            "train",
            *_options(target=plan.target, data=answers, counts=results[COUNT]["key"]),
            *(f"--k={k}" for k in plan.ks(best["k"], best["vocab_size"])),
            *to_argv(plan.training),
            *_options(max_length=plan.max_length, max_tokens=plan.max_tokens),
            *_options(name=f"experiment-{plan.key}"),
        ]
    return [
        "bench",
        *_options(engine=plan.engine, target=plan.target, draft=results[TRAIN]["run"]),
        *interpreter,
        *_options(prompts=plan.unseen, limit=plan.measured, runs=plan.runs),
        *to_argv(Generation(plan.new_tokens)),
        *to_argv(Drafting(plan.draft_steps)),
        *_swept(plan, results),
    ]


def _swept(plan: ExperimentPlan, results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The option of `bench` that names the drafts of `swept`; none where it is all of them."""
    best, run = results[CHOOSE], results[TRAIN]["run"]
    ks = plan.ks(best["k"], best["vocab_size"])
    chosen = swept(plan, ks, best["k"])
    return [] if chosen == ks else ["--sweep", *(f"{run}/{k}" for k in chosen)]


def _options(**values: object) -> Sequence[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
