"""A few real steps of a training, to know its speed and its memory before it starts.

The trainer is started as for the training itself, on sequences of the corpus with random hidden
states in the place of the target's. Results are kept in <workspace>/trials.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts.feature_sets import FeatureSet
from vocabtrim_core.drafts.metrics import Metrics
from vocabtrim_core.drafts.peak_memory import peak_memory
from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.drafts.specforge_run import LOG, PROCESS, SpecForgeRun
from vocabtrim_core.drafts.target import Target, trainer_folder
from vocabtrim_core.drafts.tokenized_dataset import head_of
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.errors import InputError
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.locks import named_lock

STEPS, WARM_UP = 8, 2  # optimizer steps of a trial; the first ones are not counted
EVALUATED = 4  # conversations
SCRATCH = ".trial-"
BUSY = 1.3  # wall time over processor time that shows that other work took the processor
COMPUTE = ("perf/train_compute_time_s", "perf/data_wait_time_s")  # without evaluations
Progress = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class TrialCost:
    """What a trial of one size measured.

    Attributes:
        k: Tokens of the draft's vocabulary.
        start_seconds: From the start of the trainer to its first step.
        step_seconds: One optimizer step.
        evaluation_seconds: Evaluation of one token.
        peak_bytes: The most memory of the trainer, with a conversation of the longest length in a
            batch; 0 where it did not say.
        busy: Whether other work took the processor, so that processor time stands for wall time.
    """

    k: int
    start_seconds: float
    step_seconds: float
    evaluation_seconds: float
    peak_bytes: int
    busy: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Everything but k that speed and memory of a training depend on.

    Attributes:
        target: The target.
        corpus: The conversations.
        recipe: How they are rendered and which tokens count.
        plan: The trainer's settings.
        deployment: Where it runs.
        trainer: The environment that trains.
        threads: CPU threads; None for all cores.
    """

    target: Target
    corpus: Corpus
    recipe: CountConfig
    plan: TrainingPlan
    deployment: Deployment
    trainer: Trainer
    threads: int | None = None

    @property
    def path(self) -> Path:
        """The file of the trials with this setting."""
        plan = self.plan
        parts = [
            self.target.fingerprint,
            self.corpus.fingerprint(),
            [self.recipe.tokenizer.fingerprint, self.recipe.template.name],
            self.recipe.max_length,
            [plan.batch_size, plan.accumulation, plan.ttt_length, plan.compact_teacher],
            asdict(self.deployment),
            [self.trainer.command, dict(self.trainer.versions)],
            self.threads,
        ]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return workspace.folder("trials") / f"{key}.json"


def trials(setting: Setting) -> list[TrialCost]:
    """Read the trials of a setting.

    Args:
        setting: What they were made with.

    Returns:
        One per size, ascending; [] without any.
    """
    try:
        stored = json.loads(setting.path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    return sorted((TrialCost(**entry) for entry in stored), key=lambda trial: trial.k)


def measure(setting: Setting, ks: Sequence[int], progress: Progress) -> list[TrialCost]:
    """Measure the smallest and the largest size, unless that was done, and store the results.

    Args:
        setting: What is measured.
        ks: The sizes that will be trained.
        progress: Called as progress(done, total, message), in steps; may raise Cancelled.

    Returns:
        All trials of the setting, ascending.

    Raises:
        InputError: The trainer failed; the message says why.
    """
    with named_lock("trial"):  # two at a time would measure each other
        for left in workspace.folder("trials").glob(f"{SCRATCH}*"):  # of a killed process
            shutil.rmtree(left, ignore_errors=True)
        _measure_missing(setting, ks, progress)
    return trials(setting)


def _measure_missing(setting: Setting, ks: Sequence[int], progress: Progress) -> None:
    known = {trial.k: trial for trial in trials(setting)}
    wanted = [k for k in sorted({min(ks), max(ks)}) if k not in known]
    for i, k in enumerate(wanted):

        def report(step: int, i: int = i, k: int = k) -> None:
            words = f"Measuring {STEPS} steps of k = {k:,}"
            progress(i * STEPS + step, len(wanted) * STEPS, words)

        known[k] = _measure(setting, k, report)
        write_atomic(setting.path, json.dumps([asdict(t) for t in known.values()]).encode())


@dataclass(frozen=True, slots=True)
class _TrialRun(SpecForgeRun):
    """A training that logs every step and stores no checkpoint before its end."""

    def run_file(self) -> str:
        import yaml

        content = yaml.safe_load(SpecForgeRun.run_file(self))
        content["training"] |= {"log_interval": 1, "save_interval": self.steps}
        return yaml.safe_dump(content, sort_keys=False)


def _measure(setting: Setting, k: int, report: Callable[[int], None]) -> TrialCost:
    plan = replace(setting.plan, epochs=1, max_steps=STEPS, evaluations=1)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=workspace.folder("trials")) as home:
        folder = Path(home)
        features = _features(setting, folder / "features", plan)
        size = setting.target.vocab_size
        run = _TrialRun(
            folder=folder / f"k-{k}",
            run_id="trial",
            vocabulary=DraftVocabulary(np.arange(k), size),
            target=setting.target,
            target_folder=trainer_folder(setting.target, folder),
            features=features,
            plan=plan,
            deployment=setting.deployment,
            trainer=setting.trainer,
            threads=setting.threads,
        )
        began, seen, cpu = time.time(), [0], list[float]()

        def watch(metrics: Metrics | None) -> None:
            if metrics:
                seen[0] = metrics.step
                cpu.append(_cpu_seconds(run.folder / PROCESS))
            report(seen[0])

        report(0)
        run.train(watch)
        return _read(run, k, began, cpu)


def _cpu_seconds(note: Path) -> float:
    """Return the processor time of a trainer so far, over all its threads; 0 where it is gone."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(json.loads(note.read_text("utf-8"))["pid"])
        times = process.cpu_times()
        return times.user + times.system
    return 0.0


def _read(run: SpecForgeRun, k: int, began: float, cpu: Sequence[float]) -> TrialCost:
    steps = [m for m in run.metrics() if m.kind == "train"]
    evaluations = [m for m in run.metrics() if m.kind == "eval"]
    if len(steps) <= WARM_UP or not evaluations:
        raise InputError(
            f"The trial of k = {k:,} ended after {len(steps):,} steps of {STEPS:,}; run "
            "`train --check` again."
        )
    walls = [sum(m.values.get(name, 0.0) for name in COMPUTE) for m in steps]
    step, evaluated = statistics.fmean(walls[WARM_UP:]), evaluations[-1].time - steps[-1].time
    start, busy = steps[0].time - began - walls[0], False
    if run.deployment.device == "cpu" and len(cpu) > STEPS and all(cpu):
        # Work that gets less than one core has company, which says nothing of an idle machine.
        used = (cpu[STEPS - 1] - cpu[WARM_UP - 1]) / (STEPS - WARM_UP)
        busy = step > BUSY * used
        step, start = min(step, used), min(start, cpu[0])
        evaluated = min(evaluated, cpu[STEPS] - cpu[STEPS - 1])
    return TrialCost(
        k,
        start_seconds=max(start, 0.0),
        step_seconds=step,
        evaluation_seconds=max(evaluated, 0.0) / max(run.features.eval_tokens, 1),
        peak_bytes=peak_memory(run.folder / LOG),
        busy=busy,
    )


def _features(setting: Setting, folder: Path, plan: TrainingPlan) -> FeatureSet:
    """Write features of the corpus's first conversations, one of them of the longest length."""
    batch = plan.batch_size * plan.accumulation * setting.deployment.ranks
    needed = batch * STEPS
    conversations = head_of(setting.corpus, setting.recipe, needed + EVALUATED)
    if not conversations:
        raise InputError(f"{setting.corpus.name} has no conversation with tokens that count.")
    sequences = [conversations[i % len(conversations)] for i in range(needed + EVALUATED)]
    longest = setting.recipe.max_length or max(len(ids) for ids, _ in sequences)
    repeats = -(-longest // len(sequences[0][0]))
    ids, counted = (np.tile(part, repeats)[:longest] for part in sequences[0])
    sequences[0] = (ids, counted)
    tokens = [len(ids) for ids, _ in sequences]
    for i, (ids, counted) in enumerate(sequences):
        side, number = ("train", i) if i < needed else ("eval", i - needed)
        _write(folder / side / "rows_0-1000" / f"data_{number}.ckpt", ids, counted, setting.target)
    return FeatureSet(
        folder=folder,
        key="trial",
        target=setting.target.name,
        target_sha256=setting.target.fingerprint,
        corpus=setting.corpus.name,
        corpus_sha256="",
        recipe={},
        aux_layers=setting.target.aux_layers,
        hidden_size=setting.target.hidden_size,
        vocab_size=setting.target.vocab_size,
        max_length=longest,
        train_samples=needed,
        train_tokens=sum(tokens[:needed]),
        eval_samples=EVALUATED,
        eval_tokens=sum(tokens[needed:]),
        counted=sum(int(counted.sum()) for _, counted in sequences),
        bytes=0,
    )


def _write(path: Path, ids: np.ndarray, counted: np.ndarray, target: Target) -> None:
    """Write a sample as `features` does, with random hidden states."""
    import torch

    width = target.hidden_size
    sample = {
        "input_ids": torch.from_numpy(ids.astype(np.int64)),
        "loss_mask": torch.from_numpy(counted.astype(np.int64)),
        "hidden_state": torch.randn(1, len(ids), width).bfloat16(),
        "aux_hidden_state": torch.randn(1, len(ids), len(target.aux_layers) * width).bfloat16(),
    }
    buffer = io.BytesIO()
    torch.save(sample, buffer)
    write_atomic(path, buffer.getvalue())
