"""A toy target trained here, so that the whole loop runs on a machine with nothing but Python.

A small Llama-architecture model with a tokenizer of its own (about 32,000 tokens, untied head),
trained for a few minutes on the embedded demo conversations. It shows how training, trimming and
measuring work; its numbers say nothing about real models, and it is labelled so everywhere.
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

    minutes: of training, but never less than `least_tokens`, so that a busy machine takes longer
    instead of learning nothing.  steps: of training, where that shall not depend on the machine.
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
        """Fields of a LlamaConfig."""
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
        """At most, while it is made: a checkpoint (float32, three of each weight) and its next
        one, and the target."""
        width = self.hidden_size
        weights = 2 * self.vocab_size * width + self.layers * 12 * width**2
        return weights * (12 + 12 + 2)


@dataclass(frozen=True, slots=True)
class DemoTarget:
    """What came out. Losses in nats per token, on conversations never trained on."""

    folder: Path
    parameters: int
    tokens: int  # seen in training
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
    """Tokenizer, target and its held-out loss; every part that is finished is kept and reused.

    corpus: None for the demo conversations, built when they are not there.  out: None for the
    workspace's demo target. InputError when the folder holds something else.
    """
    out = out or demo_folder()
    if (out / TOY).is_file():
        return _read(out, shape)
    corpus = corpus or demo_corpus(progress)
    scratch = out.parent / f".{out.name}.building"
    scratch.mkdir(parents=True, exist_ok=True)
    disk.require_space(scratch, shape.disk_bytes)
    fingerprint = json.dumps([asdict(shape), corpus.fingerprint()])
    note = scratch / "shape.json"
    if note.is_file() and note.read_text("utf-8") != fingerprint:
        for path in scratch.iterdir():
            path.unlink()
    write_atomic(note, fingerprint.encode())
    if not (scratch / TOKENIZER_CONFIG).is_file():
        progress(0, None, "Training the tokenizer")
        write_tokenizer(scratch, corpus, shape.vocab_size, shape.context)
    sequences = _sequences(scratch, corpus, progress)
    # Threads that wait must not take the cores from others; it is read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or cores())
    try:
        model, run = _train(shape, sequences, scratch, progress)
        loss = held_out_loss(model, sequences, shape.context, progress)
    finally:
        torch.set_num_threads(before)
    made = DemoTarget(
        out,
        sum(p.numel() for p in model.parameters()),
        run.tokens,
        run.step,
        run.seconds,
        loss,
        unigram_loss(sequences, shape.vocab_size),
    )
    _save(model, scratch, made, shape, corpus)
    for path in scratch.iterdir():
        path.unlink()
    scratch.rmdir()
    return made


def demo_corpus(progress: Progress | None = None, limit: int | None = None) -> Corpus:
    """Both demo domains as one corpus, built where they are not there yet."""
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
    """Where the training is; what a checkpoint keeps beside the weights."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def share(self, shape: DemoShape, most: int) -> float:
        """How much of the training is done, 0..1; `most` steps are all there ever are."""
        if shape.steps:
            return self.step / min(shape.steps, most)
        timed = self.seconds / (60 * shape.minutes)
        return max(min(timed, self.tokens / shape.least_tokens), self.step / most)


def _train(
    shape: DemoShape, sequences: Sequences, scratch: Path, progress: Progress
) -> tuple[Any, _Run]:
    """The trained model; continues from scratch/state.pt."""
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
        kept = torch.load(state, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        run = _Run(**kept["run"])
    per_epoch = max(1, len(rows) // shape.batch)
    most = per_epoch * shape.max_epochs
    order = batches(len(rows), shape.batch, run.step)
    model.train()
    while (share := run.share(shape, most)) < 1:
        began = time.monotonic()
        rate = shape.learning_rate * min(1.0, (share + 1e-3) / WARMUP) * max(1 - share, 0.02)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = train_step(model, optimizer, rows[next(order)])
        if not math.isfinite(loss):
            raise InputError(f"The toy target's loss is no number at step {run.step}; try again.")
        run.step += 1
        run.tokens += shape.batch * shape.length
        run.seconds += time.monotonic() - began
        now = run.share(shape, most)
        progress(
            min(round(100 * now), 100),
            100,
            f"Training the toy target, step {run.step}, loss {loss:.3f}",
            tokens_per_s=run.tokens / run.seconds,
        )
        if int(now * CHECKPOINTS) > int(share * CHECKPOINTS):
            content = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "run": asdict(run),
            }
            buffer = io.BytesIO()
            torch.save(content, buffer)
            write_atomic(state, buffer.getvalue())
    return model.eval(), run


def _save(model: Any, scratch: Path, made: DemoTarget, shape: DemoShape, corpus: Corpus) -> None:
    """The target as the hub lays models out, with a label in every place a reader may look."""
    import torch

    about = {
        "label": LABEL,
        **asdict(made),
        "shape": asdict(shape),
        "corpus": corpus.name,
        "corpus_sha256": corpus.fingerprint(),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
    }
    del about["folder"]
    with new_folder(made.folder) as folder:
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
        (folder / TOY).write_text(json.dumps(about, indent=1), "utf-8")


def _read(folder: Path, shape: DemoShape) -> DemoTarget:
    about = json.loads((folder / TOY).read_text("utf-8"))
    if about["shape"] != asdict(shape):
        raise InputError(
            f"{folder} holds a toy target of another shape; remove it, or choose another --out."
        )
    names = DemoTarget.__dataclass_fields__
    return DemoTarget(folder=folder, **{n: v for n, v in about.items() if n in names})
