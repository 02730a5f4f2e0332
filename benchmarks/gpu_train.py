"""Training on a GPU: speed and memory per k, and a real small target with its drafts.

    python benchmarks/gpu_train.py --data CORPUS [--part shapes|target]
    python benchmarks/gpu_train.py --tiny          the same code at tiny shapes on a CPU

Part `shapes`: random targets with the shapes of Llama-3.2-1B and Llama-3.1-8B; features are
captured and each k is trained for 200 steps with SpecForge's own loss. Random weights say nothing
about acceptance, only about time and memory.
Part `target`: a Llama-architecture model of about 150 M weights with the llama-3.1 tokenizer,
trained on the corpus for a few minutes; it then answers the prompts itself, and drafts are trained
at k = V, 32,000, 13,264 and the exact optimum, with their held-out acceptance length.
Writes benchmarks/results/gpu_train.json and .md after every training, so that nothing is lost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import language_model, small_tokenizer
from benchmarks.report import write_report
from vocabtrim_core.corpora import Corpus, open_corpus
from vocabtrim_core.corpora.demo_corpus import demo_corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.drafts.completion_clients import Completion, Message, Refused, Sampling
from vocabtrim_core.drafts.launcher import PEAK
from vocabtrim_core.drafts.local_answerer import LocalAnswerer
from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.drafts.regenerate import regenerate
from vocabtrim_core.drafts.request import TrainingRequest
from vocabtrim_core.drafts.target import Target, load_target
from vocabtrim_core.drafts.tokenized_dataset import read_sequences
from vocabtrim_core.drafts.training import train
from vocabtrim_core.drafts.training_env import Trainer, probe
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import Tokenizer, load_tokenizer
from vocabtrim_core.tradeoff import TradeOff

SIZES = (32_000, 13_264)  # drafts beside those of V and of the optimum; the second is the paper's
NO_GPU = (
    "There was no GPU: this run shows that the script works, at tiny shapes on a CPU with the "
    "torch loss. Its numbers are no result."
)


@dataclass(frozen=True)
class Size:
    """How much is done in one run of the script."""

    shapes: Sequence[tuple[str, dict[str, int]]]
    ks: Sequence[int]
    steps: int
    tokens: int  # captured for the shapes
    length: int
    target: dict[str, int]
    minutes: float
    batch: int
    answers: int  # prompts the small target answers
    answer_tokens: int
    draft_steps: int
    rows: int | None


LLAMA_1B = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
}
LLAMA_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
SMALL = {
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
}
TINY = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
}
KS = (128_256, 32_000, 13_264, 4_380)
GPU = Size(
    [("Llama-3.2-1B", LLAMA_1B), ("Llama-3.1-8B", LLAMA_8B)],
    KS,
    200,
    300_000,
    2048,
    SMALL,
    5.0,
    64,
    3000,
    256,
    1500,
    None,
)
CPU = Size([("tiny", TINY)], (300, 100), 4, 4000, 128, TINY, 0.05, 4, 16, 8, 6, 120)


def config(shape: dict[str, int], vocab_size: int, length: int) -> dict[str, Any]:
    """config.json of a Llama-architecture target."""
    return {
        "vocab_size": vocab_size,
        "max_position_embeddings": max(4096, 2 * length),
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        **shape,
    }


def make_target(
    out: Path, shape: dict[str, int], tokenizer: Tokenizer, length: int, device: str
) -> Any:
    """A random model with this tokenizer, in float32 on the device; `save` writes it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        return LlamaForCausalLM(LlamaConfig(**config(shape, tokenizer.vocab_size, length)))


def save(model: Any, tokenizer: Tokenizer, out: Path, label: str) -> Target:
    """The model as a target folder, labelled for what it is."""
    import torch

    model.config.architectures = ["LlamaForCausalLM"]
    model.to(torch.bfloat16).save_pretrained(out)
    (out / "tokenizer.json").write_text(tokenizer.json, "utf-8")
    about = {**tokenizer.special_tokens, "chat_template": tokenizer.chat_template}
    (out / "tokenizer_config.json").write_text(json.dumps(about), "utf-8")
    (out / "README.md").write_text(f"{label}\n", "utf-8")
    return load_target(out)


class OwnWords(LocalAnswerer):
    """A target that was trained for minutes seldom ends an answer: what it said so far counts."""

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[Completion | Refused]:
        answers = await super().answer(chats)
        return [replace(a, cut=False) if isinstance(a, Completion) else a for a in answers]


class Bench:
    """One run of the script: its sizes, its data, and the rows so far."""

    def __init__(
        self,
        size: Size,
        trainer: Trainer,
        corpus: Corpus,
        recipe: CountConfig,
        learned: Corpus | None = None,
    ) -> None:
        """learned: what the small target learns, where that is more than the corpus."""
        self.size, self.trainer, self.corpus, self.recipe = size, trainer, corpus, recipe
        self.learned = learned or corpus
        self.device = trainer.device
        self.rows: list[dict[str, Any]] = []

    def say(self, **row: Any) -> None:
        """Keep a row and write the report anew."""
        self.rows.append(row)
        columns = list(dict.fromkeys(name for each in self.rows for name in each))
        rows = [{name: each.get(name, "") for name in columns} for each in self.rows]
        where = self.trainer.devices[0] if self.trainer.devices else NO_GPU
        name = "gpu_train" if self.trainer.devices else "gpu_train_tiny"
        versions = ", ".join(f"{k} {v}" for k, v in self.trainer.versions.items())
        write_report(name, "Training drafts on a GPU", rows, f"{where} ({versions})")

    def shapes(self, home: Path) -> None:
        """Time and memory of capture and training at real shapes, random weights."""
        for name, shape in self.size.shapes:
            out = home / name
            model = make_target(out, shape, self.recipe.tokenizer, self.size.length, self.device)
            target = save(model, self.recipe.tokenizer, out, "random weights: speed only")
            del model
            for k in self.size.ks:
                k = min(k, target.vocab_size)
                plan = TrainingPlan(epochs=1000, max_steps=self.size.steps, evaluations=2)
                self.train(target, self.corpus, [k], plan, f"{name}-{k}", self.size.tokens)

    def target(self, home: Path) -> tuple[Target, dict[int, Path], Corpus]:
        """A small target that has learned something, drafts for it by k, and the target's own
        answers that they were trained on.
        """
        size, tokenizer = self.size, self.recipe.tokenizer
        began = time.monotonic()
        target, losses = self.small_target(home / "small")
        self.say(what="small target", seconds=round(time.monotonic() - began), **losses)
        sampling = Sampling(0.0, size.answer_tokens)
        who = OwnWords(
            target, tokenizer, self.recipe.template, sampling, self.device, 4 * size.batch
        )
        asked = replace(self.corpus, limit=size.answers)
        began = time.monotonic()
        made = regenerate(asked, who, sampling, home / "own.jsonl")
        self.say(what="regenerated", answers=made.answers, seconds=round(time.monotonic() - began))
        own = made.corpus()
        whole = replace(self.recipe, max_length=size.length)
        counts = read_sequences(own, whole, held_out=0.1).counts(target.vocab_size)
        best = TradeOff(CoverageCurve.of(counts), target.architecture).optimum.k
        self.say(what="optimum at alpha 0.5, on its own words", k=best)
        drafts = {}
        named = {min(k, target.vocab_size) for k in SIZES}
        for k in sorted({target.vocab_size, *named, best}, reverse=True):
            plan = TrainingPlan(
                epochs=1000,
                max_steps=size.draft_steps,
                batch_size=min(4, size.batch),
                learning_rate=5e-4,
                start="target",
            )
            drafts[k] = self.train(target, own, [k], plan, f"small-{k}", None)
        return target, drafts, own

    def small_target(self, out: Path) -> tuple[Target, dict[str, Any]]:
        """Trained for the minutes of this run on conversations that no draft is evaluated on."""
        import torch

        size = self.size
        sequences = read_sequences(
            self.learned, replace(self.recipe, rule="all", max_length=None), held_out=0.05
        )
        rows = language_model.packed(sequences, size.length).to(self.device)
        model = make_target(out, size.target, self.recipe.tokenizer, size.length, self.device)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, betas=(0.9, 0.95), fused=True)
        began, step = time.monotonic(), 0
        order = language_model.batches(len(rows), min(size.batch, len(rows)), 0)
        while (share := (time.monotonic() - began) / (60 * size.minutes)) < 1:
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * min(1, share / 0.03 + 1e-3) * max(1 - share, 0.02)
            language_model.train_step(model, optimizer, rows[next(order)])
            step += 1
        loss = language_model.held_out_loss(model.eval(), sequences, 4096)
        unigram = language_model.unigram_loss(sequences, self.recipe.tokenizer.vocab_size)
        losses = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "tokens": step * size.batch * size.length,
            "held_out_loss": round(loss, 4),
            "unigram_loss": round(unigram, 4),
        }
        return save(model, self.recipe.tokenizer, out, "small target of this benchmark"), losses

    def train(
        self,
        target: Target,
        corpus: Corpus,
        ks: Sequence[int],
        plan: TrainingPlan,
        name: str,
        tokens: int | None,
    ) -> Path:
        """One training as a row; the draft's directory."""
        request = TrainingRequest(
            target=target,
            corpus=corpus,
            recipe=replace(self.recipe, max_length=self.size.length),
            ks=ks,
            plan=plan,
            deployment=Deployment(self.device),
            trainer=self.trainer,
            name=name,
            max_tokens=tokens,
            held_out=0.05 if self.trainer.devices else 0.2,
        )
        run = train(request, lambda *_, **__: None)
        (draft,) = run.drafts
        times = [
            m.values["perf/optimizer_step_time_s"]
            for m in draft.metrics()
            if "perf/optimizer_step_time_s" in m.values
        ]
        seconds = statistics.median(times[len(times) // 2 :])
        (capture,) = [stage for stage in run.stages if stage.name == "capture"]
        log = (draft.folder / "log.txt").read_text("utf-8")
        peak = log.rpartition(PEAK)[2].split() if PEAK in log else []
        self.say(
            what=name,
            k=draft.k,
            coverage=round(draft.result["coverage"], 4),
            steps=draft.steps,
            step_ms=round(1e3 * seconds, 1),
            tokens_per_s=round(draft.result["tokens_per_step"] / seconds),
            memory_gb=round(int(peak[0]) / 1e9, 2) if peak else "",
            acceptance_length=round(draft.result["acceptance_length"], 4),
            capture_seconds=round(capture.seconds, 1),
        )
        assert draft.draft is not None
        return draft.draft


def main() -> None:
    """Parse, choose the size, run the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", help="conversations (default: the demo's)")
    parser.add_argument("--tokenizer", default="llama-3.1")
    parser.add_argument("--part", choices=("shapes", "target"), help="(default: both)")
    parser.add_argument("--trainer", help="Python of the environment with SpecForge")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes on the CPU")
    arguments = parser.parse_args()
    command = [arguments.trainer] if arguments.trainer else None
    trainer = probe(command, device="cpu" if arguments.tiny else "auto")
    if not trainer.devices and not arguments.tiny:
        raise SystemExit("There is no GPU here; --tiny runs the same code at tiny shapes.")
    size = CPU if arguments.tiny else GPU
    corpus = demo_corpus() if not arguments.data else open_corpus(arguments.data)
    corpus = replace(corpus, limit=size.rows)
    with tempfile.TemporaryDirectory() as home:
        tokenizer = load_tokenizer(arguments.tokenizer)
        if arguments.tiny:
            tokenizer = tiny_tokenizer(Path(home), corpus)
        recipe = CountConfig(tokenizer, resolve_template(tokenizer))
        bench = Bench(size, trainer, corpus, recipe)
        if arguments.part != "target":
            bench.shapes(Path(home))
        if arguments.part != "shapes":
            bench.target(Path(home))


def tiny_tokenizer(home: Path, corpus: Corpus) -> Tokenizer:
    """A tokenizer of 600 tokens."""
    folder = home / "tokenizer"
    small_tokenizer.write_tokenizer(folder, corpus, 600, 4096)
    return load_tokenizer(folder)


if __name__ == "__main__":
    main()
