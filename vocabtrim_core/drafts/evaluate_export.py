"""Export a checkpoint as a draft directory for engines; measure its held-out acceptance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.draft_kinds.aux_layers import read_layers, with_layers
from vocabtrim_core.drafts.checkpoint import SINGLE
from vocabtrim_core.drafts.feature_sets import FeatureSet
from vocabtrim_core.drafts.launcher_task import Watch, run_tool
from vocabtrim_core.drafts.lm_head import HEAD
from vocabtrim_core.drafts.plan import CONFIG as RUN_CONFIG
from vocabtrim_core.drafts.specforge_run import SpecForgeRun
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.tensor_files import from_file, read_tensors, write_safetensors
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.reproducible_files import load_json, save_json
from vocabtrim_core.vocabulary import DraftVocabulary

MAPPING_TENSORS = {"d2t", "t2d"}
RESAMPLES = 1000


def finish(run: SpecForgeRun, out: Path, watch: Watch = lambda done, total: None) -> dict[str, Any]:
    """Export a training's best checkpoint with SpecForge, prepare it for engines, and evaluate it.

    Args:
        run: The training.
        out: The draft directory, which is overwritten.
        watch: Called as `run_tool` calls it.

    Returns:
        Its held-out acceptance, as `acceptance` returns it.

    Raises:
        InputError: The draft is not one of the run's vocabulary, or SpecForge failed.
    """
    shutil.rmtree(out, ignore_errors=True)
    export = {
        "checkpoint_path": str(run.best.resolve()),
        "draft_config_path": RUN_CONFIG,
        "output_dir": str(out),
    }
    evaluation = _evaluation(
        out,
        run.target,
        run.target_folder,
        run.features,
        run.deployment.device,
        run.plan.ttt_length,
    )
    output = run_tool(
        run.trainer,
        run.folder,
        run.settings,
        "finish",
        json.dumps(export),
        json.dumps(evaluation),
        watch=watch,
    )
    check_draft(out, run.vocabulary)
    for_engines(out, run.target)
    return acceptance(output)


def for_engines(folder: Path, target: Target) -> None:
    """Name the layers for every engine, and remove the mapping of a draft of all V tokens.

    SpecForge always writes a mapping, and vLLM refuses the one of a full vocabulary.

    Args:
        folder: The draft directory, which is changed.
        target: Its target.
    """
    config = load_json(folder / CONFIG)
    save_json(folder / CONFIG, with_layers(config, target.aux_layers))
    tensors = read_tensors(folder / SINGLE)
    if tensors[HEAD].shape[0] == target.vocab_size:
        others = [from_file(t) for name, t in tensors.items() if name not in MAPPING_TENSORS]
        scratch = folder / f".{SINGLE}"
        write_safetensors(scratch, others, lambda *_: None)
        scratch.replace(folder / SINGLE)


def check_draft(folder: Path, vocabulary: DraftVocabulary) -> None:
    """Check that a draft's d2t, t2d and head are those of a vocabulary.

    A draft of all V tokens may have neither d2t nor t2d.

    Args:
        folder: The draft directory.
        vocabulary: The tokens of its head.

    Raises:
        InputError: A tensor is missing, or the draft maps other tokens.
    """
    tensors = read_tensors(folder / SINGLE)
    unmapped = len(vocabulary) == vocabulary.vocab_size and not MAPPING_TENSORS & tensors.keys()
    required = {HEAD, "fc.weight"} | (set() if unmapped else MAPPING_TENSORS)
    if missing := sorted(required - tensors.keys()):
        raise InputError(f"The draft {folder} lacks {', '.join(missing)}.")
    agrees = unmapped or (
        np.array_equal(tensors["d2t"].integers(), vocabulary.d2t)
        and np.array_equal(tensors["t2d"].mask(), vocabulary.t2d)
    )
    if not agrees or tensors[HEAD].shape[0] != len(vocabulary):
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
    watch: Watch = lambda done, total: None,
) -> dict[str, Any]:
    """Measure the held-out acceptance of a draft, simulated by SpecForge's model on our features.

    Args:
        draft: The draft directory.
        target: Its target.
        target_folder: The target as SpecForge reads it (`target.trainer_folder`).
        features: The features, captured from the target.
        trainer: The environment that evaluates.
        device: "cpu" or "cuda".
        ttt_length: Draft positions to unroll.
        settings: Environment variables of the evaluation.
        watch: Called as `run_tool` calls it.

    Returns:
        Its held-out acceptance, as `acceptance` returns it.

    Raises:
        InputError: The draft was trained on other layers than the captured ones, or SpecForge
            failed.
    """
    layers = read_layers(load_json(draft / CONFIG), str(draft / CONFIG))
    if layers not in (None, features.aux_layers):
        raise InputError(
            f"{draft} reads the target's layers {list(layers or ())}, but the features "
            f"{features.key} hold {list(features.aux_layers)}; they cannot tell how it does."
        )
    evaluation = _evaluation(draft, target, target_folder, features, device, ttt_length)
    output = run_tool(trainer, draft, settings, "evaluate", json.dumps(evaluation), watch=watch)
    return acceptance(output)


def acceptance(output: str) -> dict[str, Any]:
    """Compute acceptance from the launcher's counts.

    acceptance_length = 1 + a0 + a0 a1 + …, with a_i the share of assistant tokens at draft position
    i that equal the target's own choice; sums over the whole set before any ratio. Engines measure
    the same on text that they generate; here the context is the corpus.

    Args:
        output: The launcher's output; its last line holds `correct` and `counted`, see
            `launcher.evaluate`.

    Returns:
        acceptance_length; acceptance_interval, its 95 % bootstrap interval over conversations, None
        for a single one; per_position_accuracy; held_out_tokens; held_out_conversations.
    """
    evaluation = json.loads(output.strip().splitlines()[-1])
    correct, counted = (
        np.array(evaluation["correct"]),
        np.array(evaluation["counted"]),
    )  # [conversations, i]
    n = len(correct)
    resampled = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    lengths = _length(resampled @ correct, resampled @ counted)
    return {
        "acceptance_length": float(_length(correct.sum(0), counted.sum(0))),
        "acceptance_interval": np.percentile(lengths, [2.5, 97.5]).tolist() if n > 1 else None,
        "per_position_accuracy": (correct.sum(0) / np.maximum(counted.sum(0), 1)).tolist(),
        "held_out_tokens": int(counted.sum(0)[0]),
        "held_out_conversations": n,
    }


def _length(correct: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Compute acceptance lengths from sums by draft position, which is the last axis."""
    return 1 + np.cumprod(correct / np.maximum(counted, 1), axis=-1).sum(-1)


def _evaluation(
    draft: Path, target: Target, target_folder: Path, features: FeatureSet, device: str, ttt: int
) -> dict[str, Any]:
    return {
        "draft": str(draft),
        "target": str(target_folder),
        "head_key": target.head_key,
        "embedding_key": target.embedding_key,
        "features": str(features.eval),
        "ttt_length": ttt,
        "max_length": features.max_length,
        "attention": "sdpa" if device == "cpu" else "flex_attention",
    }
