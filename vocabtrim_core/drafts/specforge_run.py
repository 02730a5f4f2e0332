"""One SpecForge training of one k: prepare, start or resume, follow, stop.

k-13264/draft.json vocab_mapping.pt mapping.json run.yaml    SpecForge's input
        metrics.jsonl log.txt                               SpecForge's output
        out/  checkpoints, `<run_id>-best`, TensorBoard files in out/runs
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from vocabtrim_core import json_text
from vocabtrim_core.draft_kinds.aux_layers import same_draft
from vocabtrim_core.drafts import metrics as metrics_
from vocabtrim_core.drafts.child_output import lines_of
from vocabtrim_core.drafts.feature_sets import FeatureSet
from vocabtrim_core.drafts.launcher_task import run_tool
from vocabtrim_core.drafts.mapping_lock import keep_mapping
from vocabtrim_core.drafts.metrics import Metrics
from vocabtrim_core.drafts.plan import (
    CONFIG,
    MAPPING,
    OUT,
    RUN_FILE,
    Deployment,
    TrainingPlan,
    run_file,
)
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.training_env import (
    Trainer,
    complaint,
    out_of_memory,
    out_of_space,
    settings_for,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.reproducible_files import save_json
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import write_atomic

LOG, START, PROCESS = "log.txt", "start", "process.json"
STOP_SECONDS = 15.0  # SpecForge unwinds on SIGTERM; then its processes are killed
TRITON_MAX_K = 131_072  # the loss kernel's widest head
Watch = Callable[[Metrics | None], object]


@dataclass(frozen=True, slots=True)
class SpecForgeRun:
    """A training of one vocabulary with SpecForge.

    Attributes:
        folder: The folder of this k.
        run_id: Name of the training and of its checkpoints.
        vocabulary: The draft's tokens.
        target: The target.
        target_folder: The target as SpecForge reads it (`target.trainer_folder`).
        features: The captured features.
        plan: The trainer's settings.
        deployment: Where it runs.
        trainer: The environment that trains.
        threads: CPU threads; None for all cores.
    """

    folder: Path
    run_id: str
    vocabulary: DraftVocabulary
    target: Target
    target_folder: Path
    features: FeatureSet
    plan: TrainingPlan
    deployment: Deployment
    trainer: Trainer
    threads: int | None = None

    @property
    def k(self) -> int:
        """Tokens of the vocabulary."""
        return len(self.vocabulary)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return self.plan.steps(self.features.train_samples, self.deployment.ranks)

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables of the training."""
        return settings_for(self.deployment.device, self.threads)

    @property
    def best(self) -> Path:
        """The checkpoint with the longest held-out acceptance."""
        return self.folder / OUT / f"{self.run_id}-best"

    def checkpoints(self) -> list[int]:
        """Return the steps of the complete checkpoints on disk, ascending."""
        files = (self.folder / OUT).glob(f"{self.run_id}-step*/training_state.pt")
        return sorted(int(path.parent.name.rpartition("-step")[2]) for path in files)

    def metrics(self) -> list[Metrics]:
        """Return the metrics so far."""
        return metrics_.read_metrics(self.folder / metrics_.FILE)

    def prepare(self) -> None:
        """Write the files that SpecForge reads; existing ones are checked, never replaced.

        Raises:
            InputError: k is too large for SpecForge's loss on a GPU, or an existing file is of
                another draft or vocabulary.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.deployment.device == "cuda" and self.k > TRITON_MAX_K:
            raise InputError(
                f"k = {self.k:,} is above {TRITON_MAX_K:,}, the widest head of SpecForge's loss "
                "on a GPU; choose a smaller k."
            )
        keep_mapping(self.folder, self.vocabulary)
        config = self.folder / CONFIG
        content = self.target.draft_config(self.k)
        if not config.is_file():
            save_json(config, content)
        elif not same_draft(json_text.loads(config.read_text("utf-8")), content, str(config)):
            raise InputError(
                f"{config} differs from what this target and k give; a run keeps its draft, so "
                "start another one with --name."
            )
        if self.plan.start == "target":
            save_json(self.folder / "start.json", self._start())
        write_atomic(self.folder / RUN_FILE, self.run_file().encode())

    def run_file(self) -> str:
        """Return the YAML of the next start, which resumes when there is a checkpoint."""
        return run_file(
            self.plan,
            self.deployment,
            run_id=self.run_id,
            steps=self.steps,
            target=str(self.target_folder),
            head_key=self.target.head_key,
            embedding_key=self.target.embedding_key,
            features=str(self.features.train),
            held_out=str(self.features.eval),
            max_length=self.features.max_length,
            start=START if self.plan.start == "target" else None,
            resume=bool(self.checkpoints()),
        )

    def validate(self) -> dict[str, Any]:
        """SpecForge's own check of the run file and the processes it would start (`--plan`)."""
        return plan_check(self.trainer, self.folder, self.settings, self.deployment)

    def train(self, watch: Watch) -> None:
        """Train to the end, from the last checkpoint if there is one.

        Args:
            watch: Called as watch(metrics) for every line of metrics, and as watch(None) now and
                then; an exception that it raises, such as Cancelled, stops the training.

        Raises:
            InputError: The loss is not finite, memory or disk is full, or SpecForge failed.
        """
        self.prepare()
        _kill_leftover(self.folder / PROCESS)
        with (self.folder / LOG).open("ab") as log:
            log_start = log.tell()
            argv = self.trainer.argv(self.folder, self.settings, *self.deployment.command())
            log.write(f"$ {shlex.join(argv)}\n".encode())
            log.flush()
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                errors="replace",
                env={**os.environ, **self.settings},
            )
            _note(child.pid, self.folder / PROCESS)
            try:
                self._follow(child, watch)
            finally:
                _stop(child)
        if child.returncode:
            self._explain(child.returncode, log_start)

    def _follow(self, child: subprocess.Popen[str], watch: Watch) -> None:
        with (
            (self.folder / metrics_.FILE).open("a", encoding="utf-8") as metrics_file,
            (self.folder / LOG).open("a", encoding="utf-8") as log,
        ):
            for line in lines_of(child):
                if line is None:
                    watch(None)
                    continue
                metrics = metrics_.parse(line, time.time())
                if metrics is None:
                    log.write(line)
                    log.flush()
                    continue
                metrics_file.write(metrics.json() + "\n")
                metrics_file.flush()
                if metrics.broken:
                    checkpoints = self.checkpoints()
                    raise InputError(
                        f"The training of k = {self.k:,} broke at step {metrics.step:,}: "
                        f"{metrics.broken} is no number any more. Checkpoints up to step "
                        f"{checkpoints[-1] if checkpoints else 0:,} are kept; start another run "
                        f"with a learning rate below {self.plan.learning_rate:g}."
                    )
                watch(metrics)

    def _explain(self, code: int, log_start: int) -> None:
        """Raise the InputError of a training that failed."""
        with (self.folder / LOG).open("rb") as log:
            log.seek(log_start)
            output = log.read().decode("utf-8", "replace")
        if out_of_space(output):
            raise InputError(disk.full_disk(self.folder))
        if code in (-signal.SIGKILL, 137) or out_of_memory(output):
            raise InputError(
                f"Out of memory while training k = {self.k:,} on the {self.deployment.device}; "
                f"lower --max-length (now {self.features.max_length:,}), --ttt-length (now "
                f"{self.plan.ttt_length}) or --batch-size (now {self.plan.batch_size}), or give "
                "--compact-teacher. Finished steps are kept up to the last checkpoint."
            )
        raise InputError(
            f"SpecForge failed while training k = {self.k:,}: {complaint(output)} "
            f"The whole log is {self.folder / LOG}."
        )

    def _start(self) -> dict[str, str]:
        """Return the launcher's parameters for first weights whose head has the target's rows."""
        return {
            "target": str(self.target_folder),
            "head_key": self.target.head_key,
            "norm_key": _norm_key(self.target),
            "config": CONFIG,
            "mapping": MAPPING,
            "out": START,
        }


def plan_check(
    trainer: Trainer, folder: Path, settings: Mapping[str, str], deployment: Deployment
) -> dict[str, Any]:
    """Check a run file with `specforge train --plan`.

    Args:
        trainer: The environment that checks.
        folder: The folder of the run file.
        settings: Environment variables of the check.
        deployment: Where the training would run.

    Returns:
        The plan that SpecForge prints.

    Raises:
        InputError: SpecForge refuses the run file; the message holds its reason.
    """
    output = run_tool(trainer, folder, settings, *deployment.command(), "--plan")
    return json_text.loads(output[output.index("{") :])


def checkpoint_bytes(target: Target, k: int) -> int:
    """Compute the disk space for the checkpoints of one training.

    Four exist at most: two that are kept, the best one, and one being written. Each holds the
    weights in bfloat16, and three float32 per weight.

    Args:
        target: The target.
        k: Tokens of the draft's vocabulary.

    Returns:
        Bytes.
    """
    weights = sum(target.architecture.breakdown(k).values())
    return 4 * weights * 14


def _norm_key(target: Target) -> str:
    from vocabtrim_core.drafts.checkpoint import open_checkpoint

    names = [n for n in open_checkpoint(target.folder).tensors if n.endswith(".norm.weight")]
    if len(names) != 1:
        raise InputError(f"{target.folder} has no single last norm; start the draft from scratch.")
    return names[0]


def _note(pid: int, path: Path) -> None:
    with suppress(psutil.Error):
        record = {"pid": pid, "began": psutil.Process(pid).create_time()}
        write_atomic(path, json.dumps(record).encode())


def _kill_leftover(path: Path) -> None:
    """Kill a trainer of this folder that outlived its parent, before a new one writes beside it."""
    with suppress(FileNotFoundError, ValueError, psutil.Error):
        record = json_text.loads(path.read_text("utf-8"))
        leftover = psutil.Process(record["pid"])
        if abs(leftover.create_time() - record["began"]) < 2:
            for process in [*leftover.children(recursive=True), leftover]:
                process.kill()
            leftover.wait(STOP_SECONDS)


def _stop(child: subprocess.Popen[str]) -> None:
    """Send SIGTERM, and after a while SIGKILL, to the trainer and its children."""
    if child.poll() is not None:
        return
    children: list[psutil.Process] = []
    with suppress(psutil.Error):
        children = psutil.Process(child.pid).children(recursive=True)
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(STOP_SECONDS)
    for process in children:
        with suppress(psutil.Error):
            process.kill()
    child.kill()
    child.wait()
