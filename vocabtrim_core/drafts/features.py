"""Hidden states of the target in SpecForge's offline format, captured once and used for every k.

A sample is a torch dict: input_ids and loss_mask int64[L], hidden_state bfloat16[1, L, H] (after
the last norm), aux_hidden_state bfloat16[1, L, 3H] (low, middle, high). None of it depends on k.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import filelock
import numpy as np

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts.capture_memory import batch_tokens
from vocabtrim_core.drafts.feature_sets import (
    MANIFEST,
    SEQUENCES,
    FeatureSet,
    load_features,
    load_sequences,
    save_sequences,
)
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.tokenized_dataset import Sequences, read_sequences
from vocabtrim_core.drafts.training_env import out_of_memory
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import remove_scratch, write_atomic

PER_FOLDER = 1000  # samples
SAMPLE_BYTES = 2500  # what torch.save adds to a sample's tensors
Progress = Callable[..., Any]


def estimate_bytes(tokens: int, samples: int, hidden_size: int) -> int:
    """Estimate the disk space of features: 4 bfloat16 vectors of H, and two int64, per token.

    Args:
        tokens: Tokens captured.
        samples: Conversations.
        hidden_size: H.

    Returns:
        Bytes.
    """
    return tokens * (8 * hidden_size + 16) + samples * SAMPLE_BYTES


def capture(
    target: Target,
    corpus: Corpus,
    recipe: CountConfig,
    *,
    max_tokens: int | None = None,
    held_out: float = 0.05,
    device: str = "auto",
    progress: Progress = lambda *_, **__: None,
) -> FeatureSet:
    """Capture features, or the missing ones, or return them when they are complete.

    Every sample is written completely or not at all, so a killed capture continues where it
    stopped. Disk space and memory are checked before; batches are smaller where memory is short.

    Args:
        target: The target.
        corpus: The conversations.
        recipe: How they are rendered and which tokens count; its max_length must be set.
        max_tokens: Most tokens to capture, about; None for the whole corpus.
        held_out: Share of conversations that are not trained on, 0..1.
        device: "auto", "cpu" or "cuda".
        progress: Called as progress(done, total, message, **rates), in tokens.

    Returns:
        The features.

    Raises:
        InputError: The tokenizer is not the target's, the corpus is too small, the disk is full, or
            memory runs out (the message says what to lower).
    """
    if recipe.max_length is None:
        raise InputError("Feature capture needs a length limit in tokens per conversation.")
    if recipe.tokenizer.vocab_size > target.vocab_size:
        raise InputError(
            f"The tokenizer {recipe.tokenizer.name} has V = {recipe.tokenizer.vocab_size:,}, but "
            f"the target {target.name} has {target.vocab_size:,}; use the target's own tokenizer."
        )
    settings = _settings(target, corpus, recipe, max_tokens, held_out)
    folder = _folder(settings)
    folder.mkdir(exist_ok=True)
    with _alone(folder, progress):
        if not (folder / MANIFEST).is_file():
            remove_scratch(folder)
            _capture(target, corpus, recipe, settings, folder, device, progress)
    return load_features(folder.name)


def features_folder(
    target: Target,
    corpus: Corpus,
    recipe: CountConfig,
    *,
    max_tokens: int | None = None,
    held_out: float = 0.05,
) -> Path:
    """Return the folder that `capture` writes, which may not exist.

    Args:
        target: The target.
        corpus: The conversations.
        recipe: How they are rendered and which tokens count.
        max_tokens: Most tokens to capture; None for the whole corpus.
        held_out: Share of conversations that are not trained on, 0..1.

    Returns:
        The folder, whose name is the key of the features.
    """
    return _folder(_settings(target, corpus, recipe, max_tokens, held_out))


def _settings(
    target: Target, corpus: Corpus, recipe: CountConfig, max_tokens: int | None, held_out: float
) -> dict[str, Any]:
    return {
        "target": target.fingerprint,
        "corpus": corpus.fingerprint(),
        "recipe": recipe.provenance(),
        "aux_layers": target.aux_layers,
        "max_tokens": max_tokens,
        "held_out": held_out,
    }


def _folder(settings: Mapping[str, Any]) -> Path:
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    return workspace.folder("features") / key


@contextmanager
def _alone(folder: Path, progress: Progress) -> Generator[None]:
    """Hold the lock of a feature set; a second capture of the same features waits for the first."""
    lock = filelock.FileLock(folder / ".lock")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except filelock.Timeout:
            progress(0, None, "Waiting for another capture of the same features")
    try:
        yield
    finally:
        lock.release()


def _capture(
    target: Target,
    corpus: Corpus,
    recipe: CountConfig,
    settings: Mapping[str, Any],
    folder: Path,
    device: str,
    progress: Progress,
) -> None:
    if not (folder / SEQUENCES).is_file():
        new_sequences = read_sequences(
            corpus,
            recipe,
            held_out=settings["held_out"],
            max_tokens=settings["max_tokens"],
            progress=progress,
        )
        save_sequences(new_sequences, folder / SEQUENCES)
    sequences = load_sequences(folder / SEQUENCES)
    began = time.monotonic()
    device_used = capture_sequences(target, sequences, folder, device=device, progress=progress)
    held, lengths = sequences.held_out, sequences.lengths
    features = FeatureSet(
        folder=folder,
        key=folder.name,
        target=target.name,
        target_sha256=target.fingerprint,
        corpus=corpus.name,
        corpus_sha256=settings["corpus"],
        recipe=recipe.provenance(),
        aux_layers=target.aux_layers,
        hidden_size=target.hidden_size,
        vocab_size=target.vocab_size,
        max_length=recipe.max_length or 0,
        train_samples=int((~held).sum()),
        train_tokens=int(lengths[~held].sum()),
        eval_samples=int(held.sum()),
        eval_tokens=int(lengths[held].sum()),
        counted=int(sequences.counted.sum()),
        bytes=sum(path.stat().st_size for path in folder.rglob("*.ckpt")),
        seconds=time.monotonic() - began,
        device=device_used,
        left_out=sequences.left_out,
        skipped=sequences.report.skipped,
        versions={name: version(name) for name in ("torch", "transformers")},
    )
    features.save()


def capture_sequences(
    target: Target, sequences: Sequences, out: Path, *, device: str, progress: Progress
) -> str:
    """Write the missing samples under out/train and out/eval.

    Args:
        target: The target.
        sequences: The conversations.
        out: Folder of the feature set.
        device: "auto", "cpu" or "cuda".
        progress: Called as progress(done, total, message, **rates), in tokens.

    Returns:
        The device that was used; `device` as given if nothing was missing.

    Raises:
        InputError: There is no GPU, the disk is full, or memory does not suffice.
    """
    import torch

    paths = _paths(sequences, out)
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    lengths = sequences.lengths
    total, done = int(lengths.sum()), int(lengths.sum() - lengths[missing].sum())
    if not missing:
        return device
    todo = int(lengths[missing].sum())
    disk.require_space(out, estimate_bytes(todo, len(missing), target.hidden_size))
    device = choose_device(device)
    at_once = batch_tokens(target, int(lengths[missing].max()), device)
    for path in {paths[i].parent for i in missing}:
        path.mkdir(parents=True, exist_ok=True)
    model = load_model(target, device)
    began = time.monotonic()
    start = done
    missing.sort(
        key=lambda i: -lengths[i]
    )  # the longest first, so that too little memory shows at once
    with torch.inference_mode():
        for batch in _batches(missing, lengths, at_once):
            rate = (done - start) / max(time.monotonic() - began, 1e-9)
            progress(done, total, "Capturing features", tokens_per_s=rate)
            for i, sample in zip(batch, _samples(model, target, sequences, batch), strict=True):
                buffer = io.BytesIO()
                torch.save(sample, buffer)
                write_atomic(paths[i], buffer.getvalue())
            done += int(lengths[batch].sum())
    progress(done, total, "Capturing features")
    return device


def load_model(target: Target, device: str) -> Any:
    """Load the target with transformers in bfloat16; code of the model folder never runs.

    Args:
        target: The target.
        device: "cpu" or "cuda".

    Returns:
        The model, in evaluation mode.
    """
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        target.folder, dtype="bfloat16", trust_remote_code=False, attn_implementation="sdpa"
    )
    return cast("Any", model).to(device).eval()


def _samples(
    model: Any, target: Target, sequences: Sequences, batch: list[int]
) -> list[dict[str, Any]]:
    """Compute one dict per conversation; padding is on the right, which causal layers ignore."""
    import torch

    width = int(sequences.lengths[batch].max())
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    for row, i in enumerate(batch):
        samples, _ = sequences.sample(i)
        ids[row, : len(samples)] = torch.from_numpy(samples.astype(np.int64))
    lengths = torch.from_numpy(sequences.lengths[batch])
    mask = (torch.arange(width) < lengths[:, None]).long()
    try:
        states = model(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            output_hidden_states=True,
            use_cache=False,
            logits_to_keep=1,
        ).hidden_states
    except (RuntimeError, MemoryError) as error:  # on the CPU torch raises RuntimeError
        if isinstance(error, RuntimeError) and not out_of_memory(f"{error!r}"):
            raise
        raise InputError(
            f"Out of memory while capturing conversations of {width:,} tokens; lower "
            "--max-length, or capture on a device with more memory."
        ) from error
    # states[i + 1] is the output of layer i, which is the input of layer i + 1.
    aux = torch.cat([states[layer + 1] for layer in target.aux_layers], -1).cpu()
    last = states[-1].cpu()
    samples = []
    for row, i in enumerate(batch):
        n = int(lengths[row])
        _, counted = sequences.sample(i)
        samples.append(
            {
                "input_ids": ids[row, :n].clone(),
                "loss_mask": torch.from_numpy(counted.astype(np.int64)),
                "hidden_state": last[row : row + 1, :n].clone(),
                "aux_hidden_state": aux[row : row + 1, :n].clone(),
            }
        )
    return samples


def _batches(order: list[int], lengths: np.ndarray, budget: int) -> list[list[int]]:
    """Group conversations of similar length, about `budget` tokens each with their padding."""
    batches: list[list[int]] = []
    for i in order:
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _paths(sequences: Sequences, out: Path) -> list[Path]:
    """Return the file of each conversation, numbered within its side of the split."""
    paths, numbers = [], {"train": 0, "eval": 0}
    for is_held_out in sequences.held_out:
        side = "eval" if is_held_out else "train"
        n = numbers[side]
        numbers[side] += 1
        first = n // PER_FOLDER * PER_FOLDER
        paths.append(out / side / f"rows_{first}-{first + PER_FOLDER}" / f"data_{n}.ckpt")
    return paths


def choose_device(device: str) -> str:
    """Choose the device to compute on.

    Args:
        device: "auto", "cpu" or "cuda".

    Returns:
        "cpu" or "cuda".

    Raises:
        InputError: "cuda" is required, but there is no GPU.
    """
    import torch

    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise InputError("There is no CUDA device in this environment; use --device cpu.")
    return "cuda" if cuda and device != "cpu" else "cpu"
