"""What a training will cost, before it starts: tokens, steps, disk, time."""

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

EFFICIENCY = {"cpu": 0.5, "cuda": 0.35}  # of the matrix product's own speed, reached in training
# The loss and its metrics pass over every logit this many bytes' worth, at this many bytes/s.
LOGIT_BYTES = 60
BANDWIDTH = {"cpu": 8e9, "cuda": 2e12}
START_SECONDS = 30.0  # imports, export, evaluation, per k


@dataclass(frozen=True, slots=True)
class Estimate:
    """Sizes in bytes, times in seconds. measured: times come from a run of this workspace."""

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
    """From the head of the corpus, the shapes, and how fast the trainer multiplies matrices.

    surveyed: what `sequences.survey` said of this corpus, where that is known already.
    A finished run of the same target on the same device replaces the arithmetic by its own speed.
    Without one the time is good to about a factor of two.
    """
    conversations, tokens = surveyed or survey(corpus, recipe, max_tokens=max_tokens)
    training = round(conversations * (1 - held_out))
    steps = plan.steps(max(training, 1), deployment.ranks)
    device = deployment.device
    speed = trainer.flops_per_second * EFFICIENCY[device] * deployment.ranks
    per_step = tokens / max(conversations, 1) * plan.batch_size * plan.accumulation
    weights = target.architecture.target_weights or 0
    known = _measured(target, device)
    seconds = {}
    for k in ks:
        step = _step_seconds(target, k, plan, per_step, speed, device)
        step *= known
        seconds[k] = steps * step + START_SECONDS
    return Estimate(
        conversations=conversations,
        tokens=tokens,
        steps=steps,
        feature_bytes=estimate_bytes(tokens, conversations, target.hidden_size),
        checkpoint_bytes=sum(checkpoint_bytes(target, k) for k in ks),
        free_bytes=disk.free_bytes(workspace.home()),
        capture_seconds=2 * weights * tokens / speed + START_SECONDS / 2,
        train_seconds=seconds,
        device=(trainer.devices or ("cpu",))[0] if device == "cuda" else "cpu",
        measured=known != 1.0,
    )


def _step_seconds(
    target: Target, k: int, plan: TrainingPlan, tokens: float, speed: float, device: str
) -> float:
    """One optimizer step over `tokens` tokens, from shapes alone."""
    shape = target.architecture
    flops = 3 * shape.flops(k) * plan.ttt_length + 2 * shape.hidden_size * shape.vocab_size
    logits = LOGIT_BYTES * (k * plan.ttt_length + shape.vocab_size)
    return tokens * (flops / speed + logits / BANDWIDTH[device])


def _measured(target: Target, device: str) -> float:
    """Measured over computed step time of the newest finished training like it; 1 without one."""
    for run in list_runs():
        about = run.spec
        same = about["target"]["sha256"] == target.fingerprint
        if not same or about["deployment"]["device"] != device:
            continue
        for draft in run.drafts:
            times = [
                m.values["perf/optimizer_step_time_s"]
                for m in draft.metrics()
                if "perf/optimizer_step_time_s" in m.values
            ]
            if draft.draft and times and about["trainer"]["flops_per_second"]:
                plan = TrainingPlan(**about["plan"])
                speed = about["trainer"]["flops_per_second"] * EFFICIENCY[device]
                speed *= about["deployment"]["processes"] * about["deployment"]["nodes"]
                mean = draft.result.get("tokens_per_step", 0.0)
                computed = _step_seconds(target, draft.k, plan, mean, speed, device)
                if computed:
                    return sorted(times)[len(times) // 2] / computed
    return 1.0
