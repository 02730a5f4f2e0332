"""From a checkpoint to a draft directory that engines load, and its held-out acceptance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.drafts.feature_sets import FeatureSet
from vocabtrim_core.drafts.plan import CONFIG
from vocabtrim_core.drafts.specforge_run import SpecForgeRun
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.tensor_files import read_tensors
from vocabtrim_core.drafts.trainer import Trainer, run_tool
from vocabtrim_core.errors import InputError
from vocabtrim_core.vocabulary import DraftVocabulary

WEIGHTS = "model.safetensors"
RESAMPLES = 1000


def finish(run: SpecForgeRun, out: Path) -> dict[str, Any]:
    """SpecForge's own export of the best checkpoint, checked; its held-out acceptance."""
    shutil.rmtree(out, ignore_errors=True)
    best = {"checkpoint_path": str(run.best.resolve()), "draft_config_path": CONFIG,
            "output_dir": str(out)}  # fmt: skip
    asked = _evaluation(
        out, run.target, run.target_folder, run.features, run.deployment.device,
        run.plan.ttt_length,
    )  # fmt: skip
    said = run_tool(
        run.trainer, run.folder, run.settings, "finish", json.dumps(best), json.dumps(asked)
    )
    check_draft(out, run.vocabulary)
    return acceptance(said)


def check_draft(folder: Path, vocabulary: DraftVocabulary) -> None:
    """InputError unless the draft's d2t, t2d and head are those of the vocabulary."""
    tensors = read_tensors(folder / WEIGHTS)
    missing = [
        name for name in ("d2t", "t2d", "lm_head.weight", "fc.weight") if name not in tensors
    ]
    if missing:
        raise InputError(f"The draft {folder} lacks {', '.join(missing)}.")
    same = np.array_equal(tensors["d2t"].integers(), vocabulary.d2t)
    same = same and np.array_equal(tensors["t2d"].mask(), vocabulary.t2d)
    if not same or tensors["lm_head.weight"].shape[0] != len(vocabulary):
        raise InputError(
            f"The draft {folder} maps other tokens than the chosen {len(vocabulary):,}; the "
            "checkpoint belongs to another vocabulary."
        )


def evaluate_draft(
    draft: Path,
    target: Target,
    target_folder: Path,
    features: FeatureSet,
    trainer: Trainer,
    device: str,
    *,
    ttt_length: int,
    settings: Mapping[str, str],
) -> dict[str, Any]:
    """Held-out acceptance of a draft directory, simulated by SpecForge's model on our features."""
    asked = _evaluation(draft, target, target_folder, features, device, ttt_length)
    return acceptance(run_tool(trainer, draft, settings, "evaluate", json.dumps(asked)))


def acceptance(said: str) -> dict[str, Any]:
    """What the launcher counted, as ratios.

    acceptance_length = 1 + a0 + a0 a1 + …, with a_i the share of assistant tokens at draft position
    i that equal the target's own choice, sums over the whole set before any ratio. Engines measure
    the same on text of their own; here the context is the corpus. acceptance_interval: 95 %, from
    drawing the conversations again and again; None for a single one.
    """
    found = json.loads(said.strip().splitlines()[-1])
    correct, counted = np.array(found["correct"]), np.array(found["counted"])  # [conversations, i]
    n = len(correct)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    lengths = _length(drawn @ correct, drawn @ counted)
    return {
        "acceptance_length": float(_length(correct.sum(0), counted.sum(0))),
        "acceptance_interval": np.percentile(lengths, [2.5, 97.5]).tolist() if n > 1 else None,
        "per_position_accuracy": (correct.sum(0) / np.maximum(counted.sum(0), 1)).tolist(),
        "held_out_tokens": int(counted.sum(0)[0]),
        "held_out_conversations": n,
    }


def _length(correct: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Acceptance lengths from sums by position, the last axis."""
    return 1 + np.cumprod(correct / np.maximum(counted, 1), axis=-1).sum(-1)


def _evaluation(
    draft: Path, target: Target, target_folder: Path, features: FeatureSet, device: str, ttt: int
) -> dict[str, Any]:
    return {
        "draft": str(draft), "target": str(target_folder), "head_key": target.head_key,
        "embedding_key": target.embedding_key, "features": str(features.eval),
        "ttt_length": ttt, "max_length": features.max_length,
        "attention": "sdpa" if device == "cpu" else "flex_attention",
    }  # fmt: skip
