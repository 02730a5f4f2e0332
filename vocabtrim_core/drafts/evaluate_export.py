"""From a checkpoint to a draft directory that engines load, and its held-out acceptance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.drafts.aux_layers import read_layers, with_layers
from vocabtrim_core.drafts.feature_sets import FeatureSet
from vocabtrim_core.drafts.plan import CONFIG
from vocabtrim_core.drafts.specforge_run import SpecForgeRun
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.tensor_files import from_file, read_tensors, write_safetensors
from vocabtrim_core.drafts.training_env import Trainer, run_tool
from vocabtrim_core.errors import InputError
from vocabtrim_core.reproducible_files import load_json, save_json
from vocabtrim_core.vocabulary import DraftVocabulary

WEIGHTS, DRAFT_CONFIG, MAPPING_TENSORS = "model.safetensors", "config.json", {"d2t", "t2d"}
RESAMPLES = 1000


def finish(run: SpecForgeRun, out: Path) -> dict[str, Any]:
    """SpecForge's own export of the best checkpoint, as engines read it; its held-out acceptance.

    InputError when it is not the draft of the run's vocabulary.
    """
    shutil.rmtree(out, ignore_errors=True)
    best = {
        "checkpoint_path": str(run.best.resolve()),
        "draft_config_path": CONFIG,
        "output_dir": str(out),
    }
    asked = _evaluation(
        out,
        run.target,
        run.target_folder,
        run.features,
        run.deployment.device,
        run.plan.ttt_length,
    )
    said = run_tool(
        run.trainer, run.folder, run.settings, "finish", json.dumps(best), json.dumps(asked)
    )
    check_draft(out, run.vocabulary)
    for_engines(out, run.target)
    return acceptance(said)


def for_engines(folder: Path, target: Target) -> None:
    """Name the layers as every engine reads them; leave out the mapping of a draft of all V tokens.

    SpecForge writes a mapping always, and vLLM refuses the one of a full vocabulary.
    """
    config = load_json(folder / DRAFT_CONFIG)
    save_json(folder / DRAFT_CONFIG, with_layers(config, target.aux_layers))
    tensors = read_tensors(folder / WEIGHTS)
    if tensors["lm_head.weight"].shape[0] == target.vocab_size:
        others = [from_file(t) for name, t in tensors.items() if name not in MAPPING_TENSORS]
        scratch = folder / f".{WEIGHTS}"
        write_safetensors(scratch, others, lambda *_: None)
        scratch.replace(folder / WEIGHTS)


def check_draft(folder: Path, vocabulary: DraftVocabulary) -> None:
    """InputError unless the draft's d2t, t2d and head are those of the vocabulary.

    A draft of all V tokens may do without d2t and t2d.
    """
    tensors = read_tensors(folder / WEIGHTS)
    whole = len(vocabulary) == vocabulary.vocab_size and not MAPPING_TENSORS & tensors.keys()
    wanted = {"lm_head.weight", "fc.weight"} | (set() if whole else MAPPING_TENSORS)
    if missing := sorted(wanted - tensors.keys()):
        raise InputError(f"The draft {folder} lacks {', '.join(missing)}.")
    same = whole or (
        np.array_equal(tensors["d2t"].integers(), vocabulary.d2t)
        and np.array_equal(tensors["t2d"].mask(), vocabulary.t2d)
    )
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
    """Held-out acceptance of a draft directory, simulated by SpecForge's model on our features.

    InputError when the draft was trained on other layers than those that were captured.
    """
    layers = read_layers(load_json(draft / DRAFT_CONFIG), str(draft / DRAFT_CONFIG))
    if layers not in (None, features.aux_layers):
        raise InputError(
            f"{draft} reads the target's layers {list(layers or ())}, but the features "
            f"{features.key} hold {list(features.aux_layers)}; they cannot tell how it does."
        )
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
        "draft": str(draft),
        "target": str(target_folder),
        "head_key": target.head_key,
        "embedding_key": target.embedding_key,
        "features": str(features.eval),
        "ttt_length": ttt,
        "max_length": features.max_length,
        "attention": "sdpa" if device == "cpu" else "flex_attention",
    }
