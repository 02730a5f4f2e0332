"""What a training must survive, where it needs no SpecForge: full disks, little memory, company."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from helpers import ROOT
from helpers.lazy import Lazy

from vocabtrim_core.drafts import features, training
from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.drafts.request import TrainingRequest
from vocabtrim_core.drafts.runs import (
    FAILED,
    being_trained,
    read_stages,
    run_folder,
    run_lock,
)
from vocabtrim_core.drafts.training_env import Trainer, out_of_memory, out_of_space, run_tool
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs.progress import Progress, Status
from vocabtrim_core.jobs.turns import turn
from vocabtrim_core.workspace import disk

torch = Lazy("torch")


@pytest.fixture
def request_for(small_target, small_corpus, small_recipe, small_features):
    """`request_for(name)`: a training of the small, whose features are captured already."""

    def make(name: str) -> TrainingRequest:
        return TrainingRequest(
            target=small_target,
            corpus=small_corpus,
            recipe=small_recipe,
            ks=[100],
            plan=TrainingPlan(max_steps=4),
            deployment=Deployment(),
            trainer=Trainer(("python",)),
            name=name,
            held_out=0.2,
            max_tokens=60_000,
        )

    return make


def test_a_disk_too_full_for_checkpoints_is_said_before(request_for, monkeypatch) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda path: 1000)
    with pytest.raises(InputError, match=r"full: .* are needed and 1.0 kB are left"):
        training.train(request_for("full"), lambda *_, **__: None)
    assert not (run_folder("full") / "k-100").exists()
    assert FAILED not in {stage.state for stage in read_stages(run_folder("full"))}


def test_a_disk_that_fills_up_during_capture_is_one_sentence(small, small_corpus, tmp_path) -> None:
    """A limit on the size of files fails writes as a full disk does."""
    command = [
        sys.executable,
        "-m",
        "vocabtrim_core",
        "capture",
        "--target",
        str(small.folder),
        "--data",
        str(small_corpus.files[0]),
        "--max-length",
        "128",
        "--held-out",
        "0.2",
        "--device",
        "cpu",
    ]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 16; trap "" XFSZ; exec "$@"', "limited", *command],
        cwd=ROOT,
        env={**os.environ, "VOCABTRIM_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "is full" in done.stderr
    assert "Traceback" not in done.stderr
    left = list(tmp_path.rglob("*.tmp"))
    assert not left
    assert not list(tmp_path.rglob("features.json"))  # what is incomplete never looks complete


def test_torch_and_safetensors_words_for_a_full_disk_are_known(tmp_path) -> None:
    code = (
        "import signal, sys, torch; from safetensors.torch import save_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "x = {'a': torch.zeros(100_000)}\n"
        "torch.save(x, 'a.pt') if sys.argv[1] == 'torch' else save_file(x, 'a.safetensors')"
    )
    for kind in ("torch", "safetensors"):
        limited = ["bash", "-c", 'ulimit -f 16; exec "$@"', "limited", sys.executable, "-c", code]
        done = subprocess.run([*limited, kind], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode
        assert out_of_space(done.stderr), done.stderr
        assert not out_of_memory(done.stderr)


def test_a_full_disk_while_exporting_is_one_sentence(tmp_path) -> None:
    script = tmp_path / "trainer.py"
    script.write_text("raise SystemExit('Error while serializing: I/O error (os error 28)')")
    with pytest.raises(InputError, match=r"The disk that holds .* is full"):
        run_tool(Trainer((sys.executable, str(script))), tmp_path, {}, "finish")


@pytest.mark.parametrize("error", ["DefaultCPUAllocator: can't allocate memory: you tried", None])
def test_too_little_memory_for_capture_says_what_to_lower(
    small_target, small_corpus, small_recipe, monkeypatch, error
) -> None:
    def model(**_):
        raise RuntimeError(error) if error else torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(features, "load_model", lambda target, device: model)
    model.device = torch.device("cpu")
    with pytest.raises(InputError, match=r"Out of memory .* lower --max-length"):
        features.capture(small_target, small_corpus, small_recipe, held_out=0.31, device="cpu")


def test_the_same_run_is_trained_once_at_a_time(request_for) -> None:
    folder = run_folder("twice")
    folder.mkdir(parents=True)
    assert not being_trained("twice")
    with run_lock("twice", 0):
        assert being_trained("twice")
        with pytest.raises(InputError, match="trained by another process"):
            training.train(request_for("twice"), lambda *_, **__: None)
    assert not being_trained("twice")
    assert not being_trained("never")


def test_two_trainings_take_turns(monkeypatch, tmp_path) -> None:
    """Jobs of the page name what they hold; the second waits and says so."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    monkeypatch.setattr(jobs, "_spawn", lambda folder: None)
    first, second = (
        jobs.start(["train", "--name", name], name, resources=("train", "gpu")) for name in "ab"
    )
    assert first.id != second.id
    events: list[str] = []

    def wait() -> None:
        with turn(Progress(second.folder)):
            events.append("second")

    with turn(Progress(first.folder)):
        waiting = threading.Thread(target=wait)
        waiting.start()
        deadline = time.monotonic() + 20
        while not (second.folder / "status.json").is_file() and time.monotonic() < deadline:
            time.sleep(0.02)
        told = Status.read(second.folder)
        events.append("first")
    waiting.join(20)
    assert events == ["first", "second"]
    assert told.state == "queued"
    assert "Waiting until another job releases" in told.message
