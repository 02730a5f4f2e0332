"""Estimate what a training will need: tokens, steps, disk, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts.features import estimate_bytes
from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.drafts.runs import list_runs
from vocabtrim_core.drafts.specforge_run import checkpoint_bytes
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.tokenized_dataset import survey
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.workspace import disk

EFFICIENCY = {
    "cpu": 0.5,
    "cuda": 0.35,
}  # share of the speed of a matrix product that training reaches
# The loss and its metrics pass over every logit this many bytes' worth, at this many bytes/s.
LOGIT_BYTES = 60
BANDWIDTH = {"cpu": 8e9, "cuda": 2e12}
START_SECONDS = 30.0  # imports, export, evaluation, per k


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
        capture_seconds: Duration of the capture.
        train_seconds: k -> duration of its training.
        device: Name of the GPU, or "cpu".
        measured: Whether times come from a finished run of this workspace.
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
    measured: bool

    @property
    def seconds(self) -> float:
        """Duration of capture and trainings together."""
        return self.capture_seconds + sum(self.train_seconds.values())

    @property
    def fits(self) -> bool:
        """Whether the disk has room for all of it."""
        return self.feature_bytes + self.checkpoint_bytes <= self.free_bytes


def estimate(
    target: Target,
    corpus: Corpus,
    recipe: CountConfig,
    ks: Sequence[int],
    plan: TrainingPlan,
    deployment: Deployment,
    trainer: Trainer,
    *,
    max_tokens: int | None = None,
    held_out: float = 0.05,
    surveyed: tuple[int, int] | None = None,
) -> Estimate:
    """Estimate a training from the head of the corpus, the shapes, and the trainer's speed.

    A finished run of the same target on the same device corrects the times by its measured speed.
    Without one they are good to about a factor of two.

    Args:
        target: The target.
        corpus: The conversations.
        recipe: How they are rendered and which tokens count.
        ks: Sizes to train.
        plan: The trainer's settings.
        deployment: Where it runs.
        trainer: The environment that trains.
        max_tokens: Most tokens to capture; None for the whole corpus.
        held_out: Share of conversations that are not trained on, 0..1.
        surveyed: The result of `tokenized_dataset.survey`, where it is known already.

    Returns:
        The estimate.

    Raises:
        InputError: The conversations do not fill one step.
    """
    conversations, tokens = surveyed or survey(corpus, recipe, max_tokens=max_tokens)
    train_conversations = round(conversations * (1 - held_out))
    steps = plan.steps(max(train_conversations, 1), deployment.ranks)
    device = deployment.device
    flops_per_second = trainer.flops_per_second * EFFICIENCY[device] * deployment.ranks
    tokens_per_step = tokens / max(conversations, 1) * plan.batch_size * plan.accumulation
    target_weights = target.architecture.target_weights or 0
    correction = _measured(target, device)
    seconds = {}
    for k in ks:
        step_seconds = _step_seconds(target, k, plan, tokens_per_step, flops_per_second, device)
        step_seconds *= correction
        seconds[k] = steps * step_seconds + START_SECONDS
    return Estimate(
        conversations=conversations,
        tokens=tokens,
        steps=steps,
        feature_bytes=estimate_bytes(tokens, conversations, target.hidden_size),
        checkpoint_bytes=sum(checkpoint_bytes(target, k) for k in ks),
        free_bytes=disk.free_bytes(workspace.home()),
        capture_seconds=2 * target_weights * tokens / flops_per_second + START_SECONDS / 2,
        train_seconds=seconds,
        device=(trainer.devices or ("cpu",))[0] if device == "cuda" else "cpu",
        measured=correction != 1.0,
    )


def _step_seconds(
    target: Target, k: int, plan: TrainingPlan, tokens: float, speed: float, device: str
) -> float:
    """Compute the duration of one optimizer step over `tokens` tokens from shapes alone."""
    shape = target.architecture
    flops = 3 * shape.flops(k) * plan.ttt_length + 2 * shape.hidden_size * shape.vocab_size
    logits = LOGIT_BYTES * (k * plan.ttt_length + shape.vocab_size)
    return tokens * (flops / speed + logits / BANDWIDTH[device])


def _measured(target: Target, device: str) -> float:
    """Return measured over computed step time of the newest finished run like it; 1 without one."""
    for run in list_runs():
        spec = run.spec
        same_target = spec["target"]["sha256"] == target.fingerprint
        if not same_target or spec["deployment"]["device"] != device:
            continue
        for draft in run.drafts:
            times = [
                m.values["perf/optimizer_step_time_s"]
                for m in draft.metrics()
                if "perf/optimizer_step_time_s" in m.values
            ]
            if draft.draft and times and spec["trainer"]["flops_per_second"]:
                plan = TrainingPlan(**spec["plan"])
                speed = spec["trainer"]["flops_per_second"] * EFFICIENCY[device]
                speed *= spec["deployment"]["processes"] * spec["deployment"]["nodes"]
                mean = draft.result.get("tokens_per_step", 0.0)
                computed = _step_seconds(target, draft.k, plan, mean, speed, device)
                if computed:
                    return sorted(times)[len(times) // 2] / computed
    return 1.0
