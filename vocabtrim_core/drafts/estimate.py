"""Estimate what a training will need: tokens, steps, disk, memory, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vocabtrim_core import workspace
from vocabtrim_core.drafts.capture_memory import capture_problem
from vocabtrim_core.drafts.feature_sets import list_features
from vocabtrim_core.drafts.features import estimate_bytes, features_folder
from vocabtrim_core.drafts.peak_memory import free_for, memory_problem
from vocabtrim_core.drafts.specforge_run import checkpoint_bytes
from vocabtrim_core.drafts.speed import EFFICIENCY, Source, speed_of
from vocabtrim_core.drafts.tokenized_dataset import survey
from vocabtrim_core.drafts.trial import Setting
from vocabtrim_core.machine import free_memory
from vocabtrim_core.wording import format_bytes
from vocabtrim_core.workspace import disk

LOAD_SECONDS = 15.0  # imports and weights of the target


@dataclass(frozen=True, slots=True)
class Estimate:
    """The expected needs of a training. Sizes are bytes, times are seconds.

    Attributes:
        conversations: Conversations captured.
        tokens: Tokens captured.
        steps: Optimizer steps of each training.
        feature_bytes: Size of the features.
        checkpoint_bytes: Size of the checkpoints of all trainings.
        free_bytes: Free disk space of the workspace.
        capture_seconds: Duration of the capture; 0 where the features exist.
        train_seconds: k -> duration of its training, evaluation and export.
        device: Name of the GPU, or "cpu".
        source: What the times rest on: "trial", a few steps measured here with these settings;
            "run", a finished run of the target; "shapes", the arithmetic alone.
        memory_bytes: k -> memory of its training at most.
        free_memory: Free memory where it is trained; None where that is not known.
        memory_problem: Why the memory does not suffice and what to lower, in a sentence; None
            where it does.
    """

    conversations: int
    tokens: int
    steps: int
    feature_bytes: int
    checkpoint_bytes: int
    free_bytes: int
    capture_seconds: float
    train_seconds: Mapping[int, float]
    device: str
    source: Source
    memory_bytes: Mapping[int, int]
    free_memory: int | None
    memory_problem: str | None

    @property
    def seconds(self) -> float:
        """Duration of capture and trainings together."""
        return self.capture_seconds + sum(self.train_seconds.values())

    @property
    def measured(self) -> bool:
        """Whether times were measured on this machine."""
        return self.source != "shapes"

    @property
    def problem(self) -> str | None:
        """Why it does not fit on the disk or into memory, in a sentence; None where it does."""
        needed = self.feature_bytes + self.checkpoint_bytes
        if needed > self.free_bytes:
            return (
                f"It does not fit on the disk: {format_bytes(needed)} are needed and "
                f"{format_bytes(self.free_bytes)} are free; lower --max-tokens or the number of "
                "drafts."
            )
        return self.memory_problem

    @property
    def fits(self) -> bool:
        """Whether disk and memory have room for it."""
        return self.problem is None


def estimate(
    setting: Setting,
    ks: Sequence[int],
    *,
    max_tokens: int | None = None,
    held_out: float = 0.05,
    surveyed: tuple[int, int] | None = None,
) -> Estimate:
    """Estimate a training from the head of the corpus and the best that is known of its speed.

    Answers that the target gives first (`--regenerate`) are not in it.

    Args:
        setting: What is trained, and where.
        ks: Sizes to train.
        max_tokens: Most tokens to capture; None for the whole corpus.
        held_out: Share of conversations that are not trained on, 0..1.
        surveyed: The result of `tokenized_dataset.survey`, where it is known already.

    Returns:
        The estimate.

    Raises:
        InputError: The conversations do not fill one step.
    """
    target, plan, deployment = setting.target, setting.plan, setting.deployment
    conversations, tokens = surveyed or survey(
        setting.corpus, setting.recipe, max_tokens=max_tokens
    )
    steps = plan.steps(max(round(conversations * (1 - held_out)), 1), deployment.ranks)
    tokens_per_step = tokens / max(conversations, 1) * plan.batch_size * plan.accumulation
    speeds = {k: speed_of(setting, k, tokens_per_step) for k in ks}
    evaluated = (plan.evaluations + 1) * tokens * held_out  # and once more after the export
    seconds = {
        k: 2 * speed.start_seconds
        + steps * speed.step_seconds
        + evaluated * speed.evaluation_seconds
        for k, speed in speeds.items()
    }
    memory = {k: speed.memory for k, speed in speeds.items()}
    free = free_for(setting.trainer, deployment.device)
    length = setting.recipe.max_length or 0
    capture_seconds = _capture_seconds(setting, tokens, max_tokens, held_out)
    problem = memory_problem(memory, free, plan, length)
    if capture_seconds and not problem and deployment.device == "cpu":
        problem = capture_problem(target, length, free_memory())
    sources: list[Source] = [speed.source for speed in speeds.values()]
    return Estimate(
        conversations=conversations,
        tokens=tokens,
        steps=steps,
        feature_bytes=estimate_bytes(tokens, conversations, target.hidden_size),
        checkpoint_bytes=sum(checkpoint_bytes(target, k) for k in ks),
        free_bytes=disk.free_bytes(workspace.home()),
        capture_seconds=capture_seconds,
        train_seconds=seconds,
        device=(setting.trainer.devices or ("cpu",))[0] if deployment.device == "cuda" else "cpu",
        source=sources[0] if sources else "shapes",
        memory_bytes=memory,
        free_memory=free,
        memory_problem=problem,
    )


def _capture_seconds(
    setting: Setting, tokens: int, max_tokens: int | None, held_out: float
) -> float:
    """Nothing where it is done, else by the last capture of the target, else by its weights."""
    target, device = setting.target, setting.deployment.device
    folder = features_folder(
        target, setting.corpus, setting.recipe, max_tokens=max_tokens, held_out=held_out
    )
    captured = list_features()
    if folder.name in {features.key for features in captured}:
        return 0.0
    for features in captured:
        same = features.target_sha256 == target.fingerprint and features.device == device
        if same and features.seconds:
            done = features.train_tokens + features.eval_tokens
            return LOAD_SECONDS + features.seconds * tokens / done
    weights = target.architecture.target_weights or 0
    speed = setting.trainer.flops_per_second * EFFICIENCY[device] * setting.deployment.ranks
    return LOAD_SECONDS + 2 * weights * tokens / max(speed, 1.0)
