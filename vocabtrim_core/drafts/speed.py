"""The time and memory of one size, from the best that is known of them here.

That is a trial with the same settings, else a finished run of the same target, else the shapes.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vocabtrim_core.drafts.peak_memory import estimate_memory
from vocabtrim_core.drafts.plan import TrainingPlan
from vocabtrim_core.drafts.run_files import SPEC
from vocabtrim_core.drafts.runs import list_runs
from vocabtrim_core.drafts.trial import COMPUTE, Setting, TrialCost, trials
from vocabtrim_core.workspace import records

# Share of the speed of a matrix product that training reaches.
EFFICIENCY = {"cpu": 0.5, "cuda": 0.35}
# The loss and its metrics pass over every logit this many bytes' worth, at this many bytes/s.
LOGIT_BYTES = 60
BANDWIDTH = {"cpu": 8e9, "cuda": 2e12}
START_SECONDS = 15.0  # of the trainer: imports and weights
EVALUATED_SHARE = 0.4  # of the time of training on a token, which its evaluation takes
Source = Literal["trial", "run", "shapes"]


@dataclass(frozen=True, slots=True)
class Speed:
    """Time and memory of the training of one size.

    Attributes:
        start_seconds: Start of the trainer.
        step_seconds: One optimizer step.
        evaluation_seconds: Evaluation of one token.
        memory: Bytes at most, of the process on a CPU, or of the GPU where a trial measured it.
        source: Where the values come from.
    """

    start_seconds: float
    step_seconds: float
    evaluation_seconds: float
    memory: int
    source: Source


def speed_of(setting: Setting, k: int, tokens_per_step: float) -> Speed:
    """Find time and memory of one size.

    Args:
        setting: What is trained, and where.
        k: Tokens of the draft's vocabulary.
        tokens_per_step: Tokens of one optimizer step.

    Returns:
        Its speed.
    """
    length = setting.recipe.max_length or 0
    memory = estimate_memory(setting.target, k, setting.plan, length)
    measured_trials = trials(setting)
    if measured_trials:
        return Speed(
            _at(k, measured_trials, [t.start_seconds for t in measured_trials]),
            _at(k, measured_trials, [t.step_seconds for t in measured_trials]),
            _at(k, measured_trials, [t.evaluation_seconds for t in measured_trials]),
            round(_at(k, measured_trials, [t.peak_bytes for t in measured_trials])) or memory,
            "trial",
        )
    correction = _correction(setting)
    step = computed_step(setting, k, tokens_per_step) * (correction or 1.0)
    evaluation = EVALUATED_SHARE * step / max(tokens_per_step, 1)
    return Speed(START_SECONDS, step, evaluation, memory, "run" if correction else "shapes")


def _at(k: int, measured_trials: Sequence[TrialCost], values: Sequence[float]) -> float:
    """Draw a line through the smallest and the largest trial, and read it at k."""
    low, high = measured_trials[0].k, measured_trials[-1].k
    if low == high:
        return values[0]
    line = values[0] + (values[-1] - values[0]) * (k - low) / (high - low)
    return max(line, min(values) / 2)


def computed_step(setting: Setting, k: int, tokens: float) -> float:
    """Compute the duration of one optimizer step from shapes alone.

    Args:
        setting: What is trained, and where.
        k: Tokens of the draft's vocabulary.
        tokens: Tokens of the step.

    Returns:
        Seconds.
    """
    device, ranks = setting.deployment.device, setting.deployment.ranks
    speed = setting.trainer.flops_per_second * EFFICIENCY[device] * ranks
    shape, plan = setting.target.architecture, setting.plan
    flops = 3 * shape.flops(k) * plan.ttt_length + 2 * shape.hidden_size * shape.vocab_size
    logits = LOGIT_BYTES * (k * plan.ttt_length + shape.vocab_size)
    return tokens * (flops / max(speed, 1.0) + logits / BANDWIDTH[device])


def _correction(setting: Setting) -> float | None:
    """Return measured over computed step time of the newest finished draft like it.

    Only the computing of steps is taken: the time between two lines of the log may hold an
    evaluation and a checkpoint.
    """
    device = setting.deployment.device
    for run in list_runs():
        spec = run.spec
        same_target = spec["target"]["sha256"] == setting.target.fingerprint
        if not same_target or spec["deployment"]["device"] != device:
            continue
        for draft in run.drafts:
            times = [
                sum(m.values[name] for name in COMPUTE)
                for m in draft.metrics()
                if all(name in m.values for name in COMPUTE)
            ]
            plan = records.convert(spec["plan"], TrainingPlan, run.folder / SPEC)
            tokens = draft.result.get("tokens_per_step", 0)
            # By the speed that the trainer has now, as what is corrected by it: a look at a busy
            # machine finds another one.
            computed = computed_step(replace(setting, plan=plan), draft.k, tokens)
            if draft.draft and times and computed:
                return statistics.median(times) / computed
    return None
