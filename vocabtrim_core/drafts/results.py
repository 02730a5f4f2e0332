"""The result of one training: what its draft covers, costs and reaches, and what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.drafts import metrics
from vocabtrim_core.drafts.request import TrainingRequest
from vocabtrim_core.drafts.runs import DRAFT
from vocabtrim_core.drafts.specforge_run import SpecForgeRun
from vocabtrim_core.vocabulary import DraftVocabulary


def result_of(
    request: TrainingRequest, run: SpecForgeRun, acceptance: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """Build the result of a finished training.

    Args:
        request: The training run.
        run: The training of one size.
        acceptance: Its held-out acceptance (`evaluate_export.acceptance`).
        seconds: Duration of the training.

    Returns:
        The content of result.json.
    """
    architecture = run.target.architecture
    counts = request.counts or run.features.counts()
    held_out = run.features.sequences().counts(run.target.vocab_size, held_out=True)
    best = metrics.best(run.metrics())
    return {
        "k": run.k,
        "vocab_size": run.target.vocab_size,
        "vocabulary_sha256": run.vocabulary.sha256,
        "coverage": _share(counts.counts, run.vocabulary),
        "coverage_of": _coverage_of(request, counts),
        "coverage_held_out": _share(held_out, run.vocabulary),
        "flops_reduction": float(architecture.latency_reduction(run.k)),
        "head_bytes": architecture.head_bytes(run.k),
        "steps": run.steps,
        "tokens_per_step": run.features.train_tokens
        / run.features.train_samples
        * run.plan.batch_size
        * run.plan.accumulation,
        "best_step": best.step if best else run.steps,
        **acceptance,
        "seconds": seconds,
        "draft": str(run.folder / DRAFT),
        "run": run.folder.parent.name,
        "target": run.target.name,
        "features": run.features.key,
        "plan": asdict(run.plan),
        "trainer": dict(run.trainer.versions),
        "device": (run.trainer.devices or ("cpu",))[0]
        if run.deployment.device == "cuda"
        else "cpu",
    }


def _share(counts: np.ndarray, vocabulary: DraftVocabulary) -> float:
    return float(counts[vocabulary.ids].sum() / counts.sum())


def _coverage_of(request: TrainingRequest, counts: TokenCounts) -> str:
    """Say what the coverage of a result is the coverage of."""
    if request.counts:
        what = f"Coverage is of the {counts.tokens:,} tokens of {counts.name}"
    else:
        what = (
            f"Coverage is in sample, of the {counts.tokens:,} tokens that were trained on and that "
            "chose the vocabularies"
        )
    return f"{what}; held out, of the conversations that were kept from training."
