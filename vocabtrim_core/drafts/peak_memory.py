"""The memory that a training takes: what trainers said they took, and an estimate from shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vocabtrim_core.drafts.launcher import PEAK, PEAK_HERE
from vocabtrim_core.drafts.plan import TrainingPlan
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.machine import free_memory
from vocabtrim_core.wording import format_bytes

# Fitted to trials of V = 49,152 and H = 576 at k = 1,500 to V on a CPU (`trial.measure`).
PROGRAM_BYTES = 670e6  # Python, torch, transformers and SpecForge with nothing loaded
WEIGHT_BYTES = 36  # per weight of the draft: its copies, gradients and moments
LOGIT_BYTES = 12  # per logit of a position, the target's once and the draft's in each step


def peak_memory(log: Path) -> int:
    """Read the most memory that a trainer said it took.

    Args:
        log: The log of a training.

    Returns:
        Bytes of the GPU where it used one, else of its process; 0 where the log does not say.
    """
    if not log.is_file():
        return 0
    lines = log.read_text("utf-8", "replace").splitlines()
    for prefix in (PEAK, PEAK_HERE):
        peaks = [int(line.removeprefix(prefix)) for line in lines if line.startswith(prefix)]
        if peaks:
            return max(peaks)
    return 0


def estimate_memory(target: Target, k: int, plan: TrainingPlan, max_length: int) -> int:
    """Estimate the most memory of a training on a CPU from its shapes.

    Args:
        target: The target.
        k: Tokens of the draft's vocabulary.
        plan: The trainer's settings.
        max_length: Most tokens of a conversation.

    Returns:
        Bytes.
    """
    weights = sum(target.architecture.breakdown(k).values())
    tables = 2 * 2 * target.vocab_size * target.hidden_size  # head and embedding of the target
    logits = k * plan.ttt_length + (k if plan.compact_teacher else target.vocab_size)
    tokens = plan.batch_size * max_length
    return round(PROGRAM_BYTES + WEIGHT_BYTES * weights + tables + LOGIT_BYTES * tokens * logits)


def free_for(trainer: Trainer, device: str) -> int | None:
    """Find the free memory of a trainer.

    Args:
        trainer: The environment that trains.
        device: "cpu" or "cuda".

    Returns:
        Bytes: of this machine, or of the whole GPU; None where it is trained elsewhere.
    """
    if device == "cuda":
        return min(trainer.memory, default=None)
    return free_memory() if len(trainer.command) == 1 else None


def memory_problem(
    needed: Mapping[int, int], free: int | None, plan: TrainingPlan, max_length: int
) -> str | None:
    """Say that a training does not fit into memory, and what to lower.

    Args:
        needed: k -> bytes of its training.
        free: Free bytes; None where that is not known.
        plan: The trainer's settings.
        max_length: Most tokens of a conversation.

    Returns:
        A sentence; None where it fits.
    """
    k = max(needed, key=lambda k: needed[k], default=0)
    if free is None or not k or needed[k] <= free:
        return None
    batch = fitting_batch(needed[k], free, plan)
    fits = f"; {batch:,} would fit" if batch else ""
    less = "" if plan.compact_teacher else ", or give --compact-teacher"
    return (
        f"Training k = {k:,} takes about {format_bytes(needed[k])} of memory and "
        f"{format_bytes(free)} are free; lower --batch-size (now {plan.batch_size:,}{fits}), "
        f"--max-length (now {max_length:,}) or --ttt-length (now {plan.ttt_length:,}){less}."
    )


def fitting_batch(needed: int, free: int, plan: TrainingPlan) -> int | None:
    """Find a batch that fits where the given one does not, if what it takes shrinks with it.

    Args:
        needed: Bytes of the training with the plan's batch.
        free: Bytes that are free.
        plan: The trainer's settings.

    Returns:
        Conversations of a batch; None where even one does not fit.
    """
    per_conversation = (needed - PROGRAM_BYTES) / plan.batch_size
    most = int((free - PROGRAM_BYTES) // per_conversation) if per_conversation > 0 else 0
    return most if 1 <= most < plan.batch_size else None
