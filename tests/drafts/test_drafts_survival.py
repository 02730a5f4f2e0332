"""What a training must survive, where it needs no SpecForge: full disks, little memory, company."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil
import pytest
from helpers import ROOT
from helpers.lazy import Lazy

from vocabtrim_core.drafts import features, training
from vocabtrim_core.drafts.launcher_task import run_tool
from vocabtrim_core.drafts.plan import SMALL_MAX_TOKENS, Deployment, TrainingPlan
from vocabtrim_core.drafts.request import TrainingRequest
from vocabtrim_core.drafts.runs import (
    FAILED,
    being_trained,
    read_stages,
    run_folder,
    run_lock,
)
from vocabtrim_core.drafts.training_env import Trainer, out_of_memory, space_problem
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs.progress import Progress, Status
from vocabtrim_core.jobs.queue import hold_job_resources
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
            max_tokens=SMALL_MAX_TOKENS,
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
    assert "may write at most" in done.stderr
    assert "Traceback" not in done.stderr
    left = list(tmp_path.rglob("*.tmp"))
    assert not left
    assert not list(tmp_path.rglob("features.json"))  # what is incomplete never looks complete


# --- kill -9 --------------------------------------------------------------------------------------

# Both are slowed down, so that the kill hits them in the middle.
SLOW_CAPTURE = """
import sys, time
from vocabtrim_core.drafts import capture_memory, features
real = features._samples
features._samples = lambda *a: (time.sleep(0.2), real(*a))[1]
capture_memory.BATCH_TOKENS["cpu"] = 256
from vocabtrim_core.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.fixture
def run_killed(tmp_path):
    """`run_killed(code, argv, ready)`: run, kill -9 the whole group once ready() holds."""
    environment = {**os.environ, "VOCABTRIM_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(ROOT)

    def run(code: str, argv: list[str], ready=None) -> None:
        log = tmp_path / "log.txt"
        with log.open("ab") as err:
            child = subprocess.Popen(
                [sys.executable, "-c", code, *argv],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=err,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + 180
            while ready and not ready():
                assert child.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            if ready is None:
                assert child.wait(180) == 0, log.read_text()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        members = [p for p in psutil.process_iter() if _group(p.pid) == child.pid]
        assert not members

    return run


def _group(pid: int) -> int:
    with suppress(OSError):
        return os.getpgid(pid)
    return -1


def test_a_killed_capture_goes_on_and_repeats_nothing(
    small, small_corpus, small_features, run_killed, tmp_path
) -> None:
    argv = ["capture", "--target", str(small.folder), "--data", str(small_corpus.files[0])]
    argv += ["--max-length", "128", "--held-out", "0.2", "--device", "cpu"]
    argv += ["--max-tokens", str(SMALL_MAX_TOKENS)]
    home = tmp_path / "home" / "features"
    run_killed(SLOW_CAPTURE, argv, lambda: len(list(home.rglob("data_*.ckpt"))) > 20)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("data_*.ckpt")}
    total = small_features.train_samples + small_features.eval_samples
    assert 20 < len(before) < total
    assert not list(home.rglob("features.json"))
    half = next(iter(before)).with_name(".data_999.ckpt.1.abcdef.tmp")
    half.write_bytes(b"half")  # what a kill within a write leaves
    run_killed(SLOW_CAPTURE.replace("0.2", "0"), argv)
    (folder,) = home.iterdir()
    assert folder.name == small_features.key
    assert {path: path.stat().st_mtime_ns for path in before} == before
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.ckpt"))
    assert names == sorted(
        path.relative_to(small_features.folder) for path in small_features.folder.rglob("*.ckpt")
    )
    for name in names:
        ours, whole = (
            torch.load(place / name, weights_only=True) for place in (folder, small_features.folder)
        )
        assert torch.equal(ours["input_ids"], whole["input_ids"])
        assert torch.equal(ours["loss_mask"], whole["loss_mask"])
        assert ours["aux_hidden_state"].shape == whole["aux_hidden_state"].shape
    assert not list(home.rglob(".*.tmp"))


def test_a_killed_regeneration_loses_and_repeats_no_answer(
    small, small_corpus, server, run_killed, tmp_path
) -> None:
    out = tmp_path / "own" / "new.jsonl"
    argv = ["regenerate", "--target", str(small.folder), "--data", str(small_corpus.files[0])]
    argv += ["--by", server.url, "--out", str(out), "--concurrency", "4"]
    code = "import sys; from vocabtrim_core.cli import main; raise SystemExit(main(sys.argv[1:]))"
    server.fail = lambda n, body: time.sleep(0.03)
    partial = out.with_name("new.jsonl.partial")
    run_killed(
        code, argv, lambda: partial.is_file() and len(partial.read_bytes().splitlines()) > 30
    )
    whole_lines = partial.read_text("utf-8").rpartition("\n")[0]  # the last may be half written
    stored = whole_lines.splitlines()[1:]
    assert len(stored) >= 29
    out.with_name(".new.jsonl.1.abcdef.tmp").write_bytes(b"half")
    server.fail, asked = (lambda n, body: None), -1
    while asked != len(server.requests):  # what was sent before the kill may still arrive
        asked = len(server.requests)
        time.sleep(0.5)
    run_killed(code, argv)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["row"] for row in rows] == list(range(120))
    answers = [m["content"] for row in rows for m in row["conversations"] if m["role"] != "user"]
    assert len(server.requests) - asked == len(answers) - len(stored)
    first = {(e["row"], e["turn"]): e["text"] for e in map(json.loads, stored)}
    for row in rows:
        texts = [m["content"] for m in row["conversations"] if m["role"] == "assistant"]
        for number, text in enumerate(texts):
            assert first.get((row["row"], number), text) == text
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "new.jsonl",
        "new.jsonl.about.json",
    ]


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
        assert space_problem(done.stderr, tmp_path), done.stderr
        assert not out_of_memory(done.stderr)


def test_a_full_disk_while_exporting_is_one_sentence(tmp_path) -> None:
    script = tmp_path / "trainer.py"
    script.write_text("raise SystemExit('Error while serializing: I/O error (os error 28)')")
    with pytest.raises(InputError, match=r"The disk that holds .* is full"):
        run_tool(Trainer((sys.executable, str(script))), tmp_path, {}, "finish")


def test_a_task_says_how_far_it_is_and_can_be_stopped(tmp_path) -> None:
    script = tmp_path / "trainer.py"
    script.write_text(
        "import os, time\n"
        "open('pid', 'w').write(str(os.getpid()))\n"
        "for i in range(3): print(f'evaluated {i} 3', flush=True)\n"
        "print('{}', flush=True)\n"
        "time.sleep(float(open('seconds').read()))\n"
    )
    trainer = Trainer((sys.executable, str(script)))
    told: list[tuple[int, int]] = []
    (tmp_path / "seconds").write_text("0")
    with contextlib.chdir(tmp_path):
        output = run_tool(trainer, tmp_path, {}, "evaluate", watch=lambda *w: told.append(w))
    assert output == "{}\n"
    assert told[:3] == [(0, 3), (1, 3), (2, 3)]
    (tmp_path / "seconds").write_text("600")

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled("Stopped.")

    with contextlib.chdir(tmp_path), pytest.raises(Cancelled):
        run_tool(trainer, tmp_path, {}, "evaluate", watch=stop)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


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
        with hold_job_resources(Progress(second.folder)):
            events.append("second")

    with hold_job_resources(Progress(first.folder)):
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
