"""A toy target trained on this machine, so that the whole process can be tried without a download.

A small Llama-architecture model with a tokenizer of its own (about 32,000 tokens, untied head),
trained for a few minutes on the embedded demo conversations. It shows how training, trimming and
measuring work. Its numbers say nothing about real models, and it is labelled so everywhere.
"""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus, demo, open_corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts.language_model import (
    batches,
    held_out_loss,
    packed,
    train_step,
    unigram_loss,
)
from vocabtrim_core.drafts.target import DEMO, TOY, demo_folder
from vocabtrim_core.drafts.tokenized_dataset import Sequences, read_sequences
from vocabtrim_core.drafts.toy_tokenizer import TOKENIZER, TOKENIZER_CONFIG, write_tokenizer
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import NUMBER, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.machine import cores
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import new_folder, write_atomic

LABEL = "toy target: demonstrates the mechanism, not a result"
HELD_OUT = 0.05
WARMUP = 0.03
CHECKPOINTS = 8
Progress = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class DemoShape:
    """Shape and training of the toy target.

    Training takes `minutes`, but at least `least_tokens`, so that a busy machine takes longer
    instead of training too little.

    Attributes:
        vocab_size: V, at least 600.
        hidden_size: H, a multiple of 64.
        layers: Decoder layers, at least 4.
        length: Tokens of a training sequence.
        batch: Sequences of a step.
        learning_rate: Its peak.
        minutes: Duration of the training.
        least_tokens: Least tokens to train on.
        steps: Steps of the training instead of a duration; None for a duration.
        max_epochs: Most passes over the conversations.
        context: Tokens of the model's context.
    """

    vocab_size: Annotated[int, Leaf(WHOLE, "--vocab-size", help="tokens, V")] = 32_000
    hidden_size: Annotated[int, Leaf(WHOLE, "--hidden-size", help="hidden size, H")] = 256
    layers: Annotated[int, Leaf(WHOLE, "--layers", help="decoder layers")] = 4
    length: Annotated[int, Leaf(WHOLE, "--length", help="tokens of a training sequence")] = 256
    batch: Annotated[int, Leaf(WHOLE, "--batch", help="sequences a step")] = 8
    learning_rate: float = 3e-3
    minutes: Annotated[float, Leaf(NUMBER, "--minutes", help="of training", metavar="M")] = 3.5
    least_tokens: int = 200_000
    steps: Annotated[
        int | None,
        Leaf(WHOLE, "--steps", help="train for so many steps, however long they take"),
    ] = None
    max_epochs: int = 3
    context: int = 1024

    def __post_init__(self) -> None:
        if self.hidden_size % 64 or self.layers < 4:
            raise InputError("The toy target needs a width that 64 divides and 4 layers or more.")
        if self.vocab_size < 600:
            raise InputError("The toy target needs a vocabulary of at least 600 tokens.")

    def config(self) -> dict[str, Any]:
        """Return the fields of a LlamaConfig."""
        return {
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.hidden_size * 8 // 3 // 64 * 64,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.hidden_size // 64,
            "num_key_value_heads": max(1, self.hidden_size // 128),
            "max_position_embeddings": self.context,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False,
            "bos_token_id": 0,
            "eos_token_id": 4,
            "pad_token_id": 1,
        }

    @property
    def disk_bytes(self) -> int:
        """Most bytes on disk while it is built: two checkpoints (12 per weight) and the target."""
        width = self.hidden_size
        weights = 2 * self.vocab_size * width + self.layers * 12 * width**2
        return weights * (12 + 12 + 2)


@dataclass(frozen=True, slots=True)
class DemoTarget:
    """A finished toy target. Losses are nats per token, on conversations never trained on.

    Attributes:
        folder: The model folder.
        parameters: Number of its weights.
        tokens: Tokens it was trained on, repeats included.
        steps: Optimizer steps.
        seconds: Duration of the training.
        held_out_loss: The model's loss.
        unigram_loss: The loss of token frequencies alone.
        label: The text that marks it as a toy.
    """

    folder: Path
    parameters: int
    tokens: int
    steps: int
    seconds: float
    held_out_loss: float
    unigram_loss: float
    label: str = LABEL


def build(
    shape: DemoShape = DemoShape(),
    *,
    corpus: Corpus | None = None,
    out: Path | None = None,
    threads: int | None = None,
    progress: Progress = lambda *_, **__: None,
) -> DemoTarget:
    """Build the toy target: its tokenizer, its weights, and its held-out loss.

    Finished parts are kept, so that a stopped build continues; a finished target is returned.

    Args:
        shape: Shape and training.
        corpus: The conversations; None for the demo ones, which are built when they are absent.
        out: The model folder; None for the workspace's demo target.
        threads: CPU threads; None for all cores.
        progress: Called as progress(done, total, message, **rates).

    Returns:
        The target.

    Raises:
        InputError: The folder holds a target of another shape, the corpus is too small, the disk is
            full, or the loss is not finite.
    """
    out = out or demo_folder()
    if (out / TOY).is_file():
        return _read(out, shape)
    corpus = corpus or demo_corpus(progress)
    scratch = out.parent / f".{out.name}.building"
    scratch.mkdir(parents=True, exist_ok=True)
    disk.require_space(scratch, shape.disk_bytes)
    fingerprint = json.dumps([asdict(shape), corpus.fingerprint()])
    fingerprint_file = scratch / "shape.json"
    if fingerprint_file.is_file() and fingerprint_file.read_text("utf-8") != fingerprint:
        for path in scratch.iterdir():
            path.unlink()
    write_atomic(fingerprint_file, fingerprint.encode())
    if not (scratch / TOKENIZER_CONFIG).is_file():
        progress(0, None, "Training the tokenizer")
        write_tokenizer(scratch, corpus, shape.vocab_size, shape.context)
    sequences = _sequences(scratch, corpus, progress)
    # Waiting threads must not occupy cores. The variable is read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    previous_threads = torch.get_num_threads()
    torch.set_num_threads(threads or cores())
    try:
        model, run = _train(shape, sequences, scratch, progress)
        loss = held_out_loss(model, sequences, shape.context, progress)
    finally:
        torch.set_num_threads(previous_threads)
    target = DemoTarget(
        out,
        sum(p.numel() for p in model.parameters()),
        run.tokens,
        run.step,
        run.seconds,
        loss,
        unigram_loss(sequences, shape.vocab_size),
    )
    _save(model, scratch, target, shape, corpus)
    for path in scratch.iterdir():
        path.unlink()
    scratch.rmdir()
    return target


def demo_corpus(progress: Progress | None = None, limit: int | None = None) -> Corpus:
    """Open both demo domains as one corpus, and build them where they are absent.

    Args:
        progress: Called as progress(done, total, message) while they are built.
        limit: Most conversations; None for all.

    Returns:
        The corpus.
    """
    home = workspace.folder("demo")
    files = [home / f"{name}.jsonl.zst" for name in demo.NAMES]
    if not all(path.is_file() for path in files):
        files = list(demo.build(home, progress).values())
    return open_corpus(files, name=DEMO, limit=limit)


def _sequences(home: Path, corpus: Corpus, progress: Progress) -> Sequences:
    tokenizer = load_tokenizer(home)
    recipe = CountConfig(tokenizer, resolve_template(tokenizer), "all")
    return read_sequences(corpus, recipe, held_out=HELD_OUT, progress=progress)


@dataclass(slots=True)
class _Run:
    """The state of the training, stored in a checkpoint beside the weights."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def share(self, shape: DemoShape, max_steps: int) -> float:
        """Return the share of the training that is done, 0..1; at most `max_steps` steps."""
        if shape.steps:
            return self.step / min(shape.steps, max_steps)
        timed = self.seconds / (60 * shape.minutes)
        return max(min(timed, self.tokens / shape.least_tokens), self.step / max_steps)


def _train(
    shape: DemoShape, sequences: Sequences, scratch: Path, progress: Progress
) -> tuple[Any, _Run]:
    """Train the model, or continue from scratch/state.pt."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**shape.config()))
    optimizer = torch.optim.AdamW(
        model.parameters(), shape.learning_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    rows = packed(sequences, shape.length)
    run = _Run()
    state = scratch / "state.pt"
    if state.is_file():
        checkpoint = torch.load(state, weights_only=True)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        run = _Run(**checkpoint["run"])
    per_epoch = max(1, len(rows) // shape.batch)
    max_steps = per_epoch * shape.max_epochs
    order = batches(len(rows), shape.batch, run.step)
    model.train()
    while (share := run.share(shape, max_steps)) < 1:
        started = time.monotonic()
        rate = shape.learning_rate * min(1.0, (share + 1e-3) / WARMUP) * max(1 - share, 0.02)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = train_step(model, optimizer, rows[next(order)])
        if not math.isfinite(loss):
            raise InputError(f"The toy target's loss is no number at step {run.step}; try again.")
        run.step += 1
        run.tokens += shape.batch * shape.length
        run.seconds += time.monotonic() - started
        share_after = run.share(shape, max_steps)
        progress(
            min(round(100 * share_after), 100),
            100,
            f"Training the toy target, step {run.step}, loss {loss:.3f}",
            tokens_per_s=run.tokens / run.seconds,
        )
        if int(share_after * CHECKPOINTS) > int(share * CHECKPOINTS):
            content = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "run": asdict(run),
            }
            buffer = io.BytesIO()
            torch.save(content, buffer)
            write_atomic(state, buffer.getvalue())
    return model.eval(), run


def _save(model: Any, scratch: Path, target: DemoTarget, shape: DemoShape, corpus: Corpus) -> None:
    """Write the target in the hub's layout, with the label in every file that people may read."""
    import torch

    record = {
        "label": LABEL,
        **asdict(target),
        "shape": asdict(shape),
        "corpus": corpus.name,
        "corpus_sha256": corpus.fingerprint(),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
    }
    del record["folder"]
    with new_folder(target.folder) as folder:
        model.config.architectures = ["LlamaForCausalLM"]
        model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="64MB")
        for name in (TOKENIZER, TOKENIZER_CONFIG):
            shutil.copyfile(scratch / name, folder / name)
        (folder / "README.md").write_text(
            f"---\nlicense: other\nlicense_name: made here\n---\n# {LABEL.capitalize()}\n\n"
            "A small Llama-architecture model that `demo-target` trained on texts of this Python "
            "environment.\n",
            "utf-8",
        )
        (folder / TOY).write_text(json.dumps(record, indent=1), "utf-8")


def _read(folder: Path, shape: DemoShape) -> DemoTarget:
    about = json.loads((folder / TOY).read_text("utf-8"))
    if about["shape"] != asdict(shape):
        raise InputError(
            f"{folder} holds a toy target of another shape; remove it, or choose another --out."
        )
    names = DemoTarget.__dataclass_fields__
    return DemoTarget(folder=folder, **{n: v for n, v in about.items() if n in names})
