"""One SpecForge training of one k: prepared, started or resumed, watched, stopped.

k-13264/draft.json vocab_mapping.pt mapping.json run.yaml    what SpecForge is given
        metrics.jsonl log.txt                               what it said
        out/  checkpoints, `<run_id>-best`, TensorBoard files in out/runs
"""

from __future__ import annotations

import json
import os
import queue
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from vocabtrim_core.drafts import metrics as metrics_
from vocabtrim_core.drafts.aux_layers import same_draft
from vocabtrim_core.drafts.feature_sets import FeatureSet
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
    run_tool,
    settings_for,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.reproducible_files import save_json
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import write_atomic

LOG, START = "log.txt", "start"
STOP_SECONDS = 15.0  # SpecForge unwinds on SIGTERM; then its processes are killed
POLL_SECONDS = 0.5
TRITON_MAX_K = 131_072  # the loss kernel's widest head
Watch = Callable[[Metrics | None], object]


@dataclass(frozen=True, slots=True)
class SpecForgeRun:
    """A training of one vocabulary. folder: of this k.  target_folder: as SpecForge reads it."""

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
        return len(self.vocabulary)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return self.plan.steps(self.features.train_samples, self.deployment.ranks)

    @property
    def settings(self) -> dict[str, str]:
        return settings_for(self.deployment.device, self.threads)

    @property
    def best(self) -> Path:
        """The checkpoint with the longest held-out acceptance."""
        return self.folder / OUT / f"{self.run_id}-best"

    def checkpoints(self) -> list[int]:
        """Steps of the complete checkpoints on disk, ascending."""
        found = (self.folder / OUT).glob(f"{self.run_id}-step*/training_state.pt")
        return sorted(int(path.parent.name.rpartition("-step")[2]) for path in found)

    def metrics(self) -> list[Metrics]:
        """What was logged so far."""
        return metrics_.read_metrics(self.folder / metrics_.FILE)

    def prepare(self) -> None:
        """Write what SpecForge reads; what stands there from before is checked, never replaced."""
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
        elif not same_draft(json.loads(config.read_text("utf-8")), content, str(config)):
            raise InputError(
                f"{config} differs from what this target and k give; a run keeps its draft, so "
                "start another one with --name."
            )
        if self.plan.start == "target":
            save_json(self.folder / "start.json", self._start())
        write_atomic(self.folder / RUN_FILE, self.run_file().encode())

    def run_file(self) -> str:
        """The YAML of the next start, which resumes when there is a checkpoint."""
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

        watch(metrics) hears every line, and None now and then; what it raises (Cancelled) stops
        the training. InputError: the loss is no number, memory or disk ran out, SpecForge failed.
        """
        self.prepare()
        _kill_leftover(self.folder / "process.json")
        with (self.folder / LOG).open("ab") as log:
            begin = log.tell()
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
            _note(child.pid, self.folder / "process.json")
            try:
                self._follow(child, watch)
            finally:
                _stop(child)
        if child.returncode:
            self._explain(child.returncode, begin)

    def _follow(self, child: subprocess.Popen[str], watch: Watch) -> None:
        lines: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            for line in child.stdout or ():
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        with (
            (self.folder / metrics_.FILE).open("a", encoding="utf-8") as kept,
            (self.folder / LOG).open("a", encoding="utf-8") as log,
        ):
            while True:
                try:
                    line = lines.get(timeout=POLL_SECONDS)
                except queue.Empty:
                    watch(None)
                    continue
                if line is None:
                    break
                found = metrics_.parse(line, time.time())
                if found is None:
                    log.write(line)
                    log.flush()
                    continue
                kept.write(found.json() + "\n")
                kept.flush()
                if found.broken:
                    kept_steps = self.checkpoints()
                    raise InputError(
                        f"The training of k = {self.k:,} broke at step {found.step:,}: "
                        f"{found.broken} is no number any more. Checkpoints up to step "
                        f"{kept_steps[-1] if kept_steps else 0:,} are kept; start another run with "
                        f"a learning rate below {self.plan.learning_rate:g}."
                    )
                watch(found)
        child.wait()

    def _explain(self, code: int, begin: int) -> None:
        """Raise the one sentence for a training that failed."""
        with (self.folder / LOG).open("rb") as log:
            log.seek(begin)
            said = log.read().decode("utf-8", "replace")
        if out_of_space(said):
            raise InputError(disk.full_disk(self.folder))
        if code in (-signal.SIGKILL, 137) or out_of_memory(said):
            raise InputError(
                f"Out of memory while training k = {self.k:,} on the {self.deployment.device}; "
                f"lower --max-length (now {self.features.max_length:,}), --ttt-length (now "
                f"{self.plan.ttt_length}) or --batch-size (now {self.plan.batch_size}), or give "
                "--compact-teacher. Finished steps are kept up to the last checkpoint."
            )
        raise InputError(
            f"SpecForge failed while training k = {self.k:,}: {complaint(said)} "
            f"The whole log is {self.folder / LOG}."
        )

    def _start(self) -> dict[str, str]:
        """What the launcher makes first weights from, whose head has the target's rows."""
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
    """What `specforge train --plan` says of folder/run.yaml; InputError with its own words."""
    said = run_tool(trainer, folder, settings, *deployment.command(), "--plan")
    return json.loads(said[said.index("{") :])


def checkpoint_bytes(target: Target, k: int) -> int:
    """Disk for the checkpoints of one training: weights in bfloat16, and three float32 of each.

    Two are kept, the best one, and one is being written.
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
    """A trainer of this folder that outlived whoever started it must not write beside a new one."""
    with suppress(FileNotFoundError, ValueError, psutil.Error):
        record = json.loads(path.read_text("utf-8"))
        found = psutil.Process(record["pid"])
        if abs(found.create_time() - record["began"]) < 2:
            for process in [*found.children(recursive=True), found]:
                process.kill()
            found.wait(STOP_SECONDS)


def _stop(child: subprocess.Popen[str]) -> None:
    """SIGTERM, and after a while SIGKILL, to the trainer and what it started."""
    if child.poll() is not None:
        return
    family: list[psutil.Process] = []
    with suppress(psutil.Error):
        family = psutil.Process(child.pid).children(recursive=True)
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(STOP_SECONDS)
    for process in family:
        with suppress(psutil.Error):
            process.kill()
    child.kill()
    child.wait()
