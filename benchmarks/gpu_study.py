"""The GPU study: what a trimmed draft saves on one GPU, measured and held against the models.

    python benchmarks/gpu_study.py [--part latency|target] [--data CORPUS --other CORPUS]
    python benchmarks/gpu_study.py --tiny          the same code at tiny shapes on a CPU

Made for one H200 in under ten minutes; the size below is chosen for that.
Part `latency`: (a) a draft step at Llama-3.1-8B EAGLE-3 shapes for 12 sizes k at batch 1, 8 and 64,
as CUDA graphs; (b) the verification of 4 tokens by a target of these shapes; both with random
weights made on the device. (c) T(k)/T(V) of a cycle with 3 draft steps, against the bytes model
(the forecast's roofline) and against the paper's ratio on MT-Bench at k = 13,264.
Part `target`: (d) the small target of gpu_train.py, drafts for it at k = V, 32,000, 13,264 and the
exact optimum, trained on its own answers in one domain; acceptance length and tokens per second
with the torch loop in that domain and out of it, 3 runs each, and whether every answer was the
target's own.
Writes benchmarks/results/gpu_study.json and .md after every step; the JSON also holds the probe and
the measurements whole, as the app reads them.

Not run so far: anything on a GPU. CUDA graphs of the draft step, of the verification and of the
whole cycle are written but were never captured; where a target cannot be captured its cycles run
without, and the notes say so. SGLang is no part of this script. Results that end in _tiny are from
a CPU at tiny shapes: they show that the script works and are no result.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import gpu_study_rows as rows
from benchmarks import gpu_train
from benchmarks.gpu_study_rows import DEPTH
from benchmarks.report import write_report
from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus, demo, open_corpus
from vocabtrim_core.corpora.demo_corpus import demo_corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.drafts.features import choose_device
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.training_env import probe as look_at_trainer
from vocabtrim_core.serving.engine import Generation
from vocabtrim_core.serving.hardware import device_name
from vocabtrim_core.serving.latency_probe import Probe, default_sizes
from vocabtrim_core.serving.latency_timing import run_probe
from vocabtrim_core.serving.measurement import Configuration
from vocabtrim_core.serving.probe_request import ProbeRequest
from vocabtrim_core.serving.prompts.prompt_set import PromptSet, load_prompts
from vocabtrim_core.serving.runner import measure
from vocabtrim_core.serving.torch_loop import TorchLoop
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

RUNS = 3
PROMPT_TOKENS = 2048  # of the longest prompt
IN_DOMAIN, OUTSIDE = demo.NAMES  # where no corpus is given


@dataclass(frozen=True)
class Size:
    """How much is done in one run of the script."""

    shape: DraftArchitecture
    batches: Sequence[int]
    context: int
    seconds: float  # of timing per batch size
    training: gpu_train.Size
    prompts: int  # of each domain
    new_tokens: int


GPU = Size(
    PRESETS["llama-3.1-8b"],
    (1, 8, 64),
    512,
    15.0,
    replace(gpu_train.GPU, minutes=2.0, answers=1500, answer_tokens=128, draft_steps=300),
    16,
    128,
)
TINY = DraftArchitecture("tiny", 64, 96, 4, 2, 16, 600, target_layers=4)
CPU = Size(TINY, (1, 2), 16, 0.2, replace(gpu_train.CPU, answers=60), 3, 12)


class Study:
    """Rows so far, and what they come from."""

    def __init__(self, size: Size, device: str, tiny: bool) -> None:
        self.size, self.device, self.tiny = size, device, tiny
        self.rows: list[dict[str, Any]] = []
        self.whole: dict[str, Any] = {"probe": None, "measurements": []}

    def say(self, part: str, *found: dict[str, Any]) -> None:
        """Keep rows and write the report anew."""
        self.rows += [{"part": part, **row} for row in found]
        where = gpu_train.NO_GPU if self.tiny else f"Measured on one {device_name(self.device)}."
        name = f"gpu_study{'_tiny' if self.tiny else ''}"
        write_report(name, "What a trimmed draft saves on one GPU", self.rows, where, **self.whole)

    # --- latency --------------------------------------------------------------------------------

    def latency(self) -> Probe:
        """(a), (b) and (c)."""
        size = self.size
        request = ProbeRequest(
            size.shape,
            default_sizes(size.shape.vocab_size),
            size.batches,
            size.context,
            depth=DEPTH,
            device=self.device,
            seconds=size.seconds,
            with_target=True,
        )
        found = run_probe(request, _tell, command="python benchmarks/gpu_study.py")
        self.whole["probe"] = msgspec.to_builtins(found)
        for batch in found.batches:
            self.say("a: draft step", *rows.steps(found, batch))
        self.say(
            "b: verification",
            *(
                {"batch": row.batch, "what": f"{row.tokens} tokens", **rows.times(row.step)}
                for row in found.verify
            ),
        )
        for batch in found.batches:
            self.say("c: cycle", *rows.cycles(found, batch))
        return found

    # --- a small target -------------------------------------------------------------------------

    def target(
        self,
        home: Path,
        trainer: Any,
        recipe: CountConfig,
        inside: Corpus,
        outside: Corpus,
        learned: Corpus,
    ) -> None:
        """(d): train, then measure in the domain of the drafts and out of it."""
        training = Training(self.size.training, trainer, inside, recipe, learned)
        training.study = self
        target, drafts, own = training.target(home)
        seen = load_prompts(own.files, recipe.tokenizer, recipe.template)
        sets = [
            self._prompts("in domain", inside, recipe, {prompt.text for prompt in seen.prompts}),
            self._prompts("out of domain", outside, recipe, set()),
        ]
        for prompts in sets:
            self.measure(target, drafts, prompts)

    def _prompts(self, name: str, corpus: Corpus, recipe: CountConfig, seen: set[str]) -> PromptSet:
        """Prompts that no draft was trained on."""
        size = self.size
        limit = size.prompts + len(seen)
        found = load_prompts(
            corpus.files, recipe.tokenizer, recipe.template, limit=limit, max_tokens=PROMPT_TOKENS
        )
        new = [prompt for prompt in found.prompts if prompt.text not in seen][: size.prompts]
        return PromptSet.of(f"{corpus.name}, {name}", new)

    def measure(self, target: Target, drafts: dict[int, Path], prompts: PromptSet) -> None:
        """Plain decoding and every draft over these prompts, as rows."""
        configurations = [
            Configuration("no speculation"),
            *(
                Configuration(f"{k:,}", k, str(folder), DEPTH, 1, DEPTH + 1)
                for k, folder in drafts.items()
            ),
        ]
        loop = TorchLoop(target, device=self.device)
        found = measure(
            loop,
            configurations,
            prompts,
            generation=Generation(self.size.new_tokens),
            runs=RUNS,
            command="python benchmarks/gpu_study.py",
        )
        loop.close()
        self.whole["measurements"].append(msgspec.to_builtins(found))
        self.say("d: small target", *rows.measured(found))


class Training(gpu_train.Bench):
    """The training benchmark, telling this study's rows. Each study trains a target of its own, so
    its runs have names of their own too.
    """

    study: Study
    stamp = f"study-{time.time():.0f}-"

    def say(self, **row: Any) -> None:
        self.study.say("d: training", {**row, "what": row["what"].removeprefix(self.stamp)})

    def train(
        self,
        target: Target,
        corpus: Corpus,
        ks: Sequence[int],
        plan: Any,
        name: str,
        tokens: int | None,
    ) -> Path:
        return super().train(target, corpus, ks, plan, self.stamp + name, tokens)


def _tell(done: int, total: int | None = None, message: str = "", **_: float) -> None:
    print(f"\r{message} {done}/{total}   ", end="", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse, choose the size, run the parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=("latency", "target"), help="(default: both)")
    parser.add_argument("--data", nargs="+", help=f"the drafts' domain (default: {IN_DOMAIN})")
    parser.add_argument("--other", nargs="+", help=f"another domain (default: {OUTSIDE})")
    parser.add_argument("--tokenizer", default="llama-3.1")
    parser.add_argument("--trainer", help="Python of the environment with SpecForge")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes on the CPU")
    arguments = parser.parse_args(argv)
    device = choose_device("cpu" if arguments.tiny else "auto")
    if device == "cpu" and not arguments.tiny:
        raise SystemExit("There is no GPU here; --tiny runs the same code at tiny shapes.")
    study = Study(CPU if arguments.tiny else GPU, device, arguments.tiny)
    if arguments.part != "target":
        study.latency()
    if arguments.part != "latency":
        _target(study, arguments)


def _target(study: Study, arguments: argparse.Namespace) -> None:
    command = [arguments.trainer] if arguments.trainer else None
    trainer = look_at_trainer(command, device=study.device)
    if not (arguments.data and arguments.other):
        demo_corpus()
    home = workspace.folder("demo")
    limit = study.size.training.rows
    inside, outside = (
        open_corpus(given or home / f"{name}.jsonl.zst", limit=limit)
        for given, name in ((arguments.data, IN_DOMAIN), (arguments.other, OUTSIDE))
    )
    learned = open_corpus([*inside.files, *outside.files], name="both domains", limit=limit)
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = (
            load_tokenizer(arguments.tokenizer)
            if not study.tiny
            else (gpu_train.tiny_tokenizer(Path(scratch), learned))
        )
        recipe = CountConfig(tokenizer, resolve_template(tokenizer))
        study.target(Path(scratch), trainer, recipe, inside, outside, learned)


if __name__ == "__main__":
    main()
