"""Real SpecForge on the CPU at tiny shapes: train, be killed, resume, export; and what goes wrong.

The failures use a stand-in for the trainer that says what SpecForge says when it fails.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from vocabtrim_core.drafts import training_env as trainer_
from vocabtrim_core.drafts.evaluate_export import check_draft, evaluate_draft
from vocabtrim_core.drafts.inspect_checkpoint import inspect_draft
from vocabtrim_core.drafts.mapping_lock import keep_mapping
from vocabtrim_core.drafts.plan import MAPPING, SMALL_MAX_TOKENS, Deployment, TrainingPlan
from vocabtrim_core.drafts.runs import list_runs, read_run
from vocabtrim_core.drafts.specforge_run import SpecForgeRun
from vocabtrim_core.drafts.target import trainer_folder
from vocabtrim_core.drafts.tensor_files import read_tensors
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.id_mapping import load_pair
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.vocabulary import DraftVocabulary

needs_specforge = pytest.mark.skipif(
    not importlib.util.find_spec("specforge") or not importlib.util.find_spec("accelerate"),
    reason="needs specforge (see requirements.txt)",
)
GOLDEN = Path(__file__).with_name("golden")
K, STEPS = 100, 24


def _wait(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def trained(small, small_corpus, small_features):
    """A run by a job that is killed after the first checkpoint, then resumed.

    Only the job itself is killed: its trainer has to notice that nobody follows it any more.
    """
    argv = [
        "train",
        "--target",
        str(small.folder),
        "--data",
        str(small_corpus.files[0]),
        "--name",
        "kill",
        "--k",
        str(K),
        "--max-length",
        "128",
        "--max-tokens",
        str(SMALL_MAX_TOKENS),
        "--held-out",
        "0.2",
        "--device",
        "cpu",
        "--max-steps",
        str(STEPS),
        "--batch-size",
        "2",
        "--ttt-length",
        "3",
        "--evaluations",
        "4",
        "--learning-rate",
        "2e-3",
        "--start",
        "target",
        "--threads",
        "1",
    ]
    job = jobs.start(argv, "Train", resources=["train"])

    def saved() -> list[Path]:
        run = Path(os.environ["VOCABTRIM_HOME"]) / "runs" / "kill"
        return list(run.glob(f"k-{K}/out/k{K}-step*/training_state.pt"))

    try:
        _wait(lambda: saved() or not jobs.get(job.id).active, 240)
        job = jobs.get(job.id)
        assert job.active, job.log()
        os.kill(job.process.pid, signal.SIGKILL)
        _wait(lambda: not jobs.get(job.id).active, 30)
        _wait(lambda: not job.process.orphans(), 90)
        assert jobs.get(job.id).state == "lost"
        killed_at = max(int(path.parent.name.rpartition("-step")[2]) for path in saved())
        logged = len(read_run("kill").drafts[0].metrics())
        run = Path(os.environ["VOCABTRIM_HOME"]) / "runs" / "kill"
        for place in (run, run / f"k-{K}", job.folder):  # what a kill within a write leaves
            (place / ".half.json.1.abcdef.tmp").write_text("half")
        (run / f"k-{K}" / ".draft.tmp").mkdir()
        jobs.resume(job.id)
        job = jobs.wait(job.id, 240)
        assert job.state == "done", job.log()
    finally:
        found = jobs.get(job.id)
        if found.active:
            found.process.signal_group(signal.SIGKILL)
    return job, killed_at, logged


@needs_specforge
def test_a_killed_training_continues_and_exports(trained, small_features) -> None:
    job, killed_at, logged = trained
    result = job.result()
    run = read_run("kill")
    (draft,) = run.drafts
    assert run.finished
    assert [stage.name for stage in run.stages] == [
        "target",
        "capture",
        "train",
        "evaluate",
        "export",
    ]
    assert 0 < killed_at < STEPS
    steps = [m.step for m in draft.metrics() if m.kind == "train"]
    assert steps == sorted(set(steps))
    assert steps[-1] == STEPS
    log = (draft.folder / "log.txt").read_text("utf-8")
    assert log.count("train -c run.yaml") == 2
    assert "resume_from: out" in (draft.folder / "run.yaml").read_text("utf-8")
    assert logged <= len(draft.metrics())
    assert run.spec["features"] == small_features.key  # captured once, for everybody
    assert result["drafts"][0]["draft"] == str(draft.draft)
    assert run.name in [r.name for r in list_runs()]
    assert not [*run.folder.rglob(".*.tmp"), *job.folder.rglob(".*.tmp")]
    assert not job.process.orphans()


@needs_specforge
def test_the_exported_tensors_are_our_vocabulary(trained, small_features, small_target) -> None:
    from vocabtrim_core.coverage import CoverageCurve

    (draft,) = read_run("kill").drafts
    vocabulary = CoverageCurve.of(small_features.counts()).vocabulary(K)
    tensors = read_tensors(draft.draft / "model.safetensors")
    assert np.array_equal(tensors["d2t"].integers(), vocabulary.d2t)
    assert np.array_equal(tensors["t2d"].mask(), vocabulary.t2d)
    assert tensors["lm_head.weight"].shape == (K, small_target.hidden_size)
    assert np.array_equal(load_pair(draft.folder / MAPPING), vocabulary.ids)
    config = json.loads((draft.draft / "config.json").read_text("utf-8"))
    assert config["draft_vocab_size"] == K
    layers = list(small_target.aux_layers)
    assert config["eagle_config"]["eagle_aux_hidden_state_layer_ids"] == layers  # as SGLang counts
    assert config["eagle_aux_hidden_state_layer_ids"] == [i + 1 for i in layers]  # as vLLM counts
    assert inspect_draft(draft.draft).layers == small_target.aux_layers
    about = json.loads((draft.draft / "vocabtrim.json").read_text("utf-8"))
    assert about["vocabulary_sha256"] == vocabulary.sha256
    other = DraftVocabulary(vocabulary.ids + 1, vocabulary.vocab_size)
    with pytest.raises(InputError, match="other tokens"):
        check_draft(draft.draft, other)


@needs_specforge
def test_coverage_says_what_it_is_of(trained, small_features, capsys) -> None:
    """Counted by hand over the conversations, trained on and held out apart."""
    from vocabtrim_core.cli.train import _train_text

    (draft,) = read_run("kill").drafts
    vocabulary = set(load_pair(draft.folder / MAPPING).tolist())
    sequences = small_features.sequences()
    covered = {False: [0, 0], True: [0, 0]}
    for i, held_out in enumerate(sequences.held_out):
        ids, counted = sequences.sample(i)
        for token, counts in zip(ids.tolist(), counted.tolist(), strict=True):
            covered[bool(held_out)][0] += counts and token in vocabulary
            covered[bool(held_out)][1] += counts
    (trained_on, total), (held, held_total) = covered[False], covered[True]
    assert draft.result["coverage"] == pytest.approx(trained_on / total, abs=1e-12)
    assert draft.result["coverage_held_out"] == pytest.approx(held / held_total, abs=1e-12)
    said = draft.result["coverage_of"]
    assert said.startswith(f"Coverage is in sample, of the {total:,} tokens that were trained on")
    assert said in _train_text(trained[0].result())


@needs_specforge
def test_our_evaluation_is_specforges(trained) -> None:
    (draft,) = read_run("kill").drafts
    best = draft.best
    assert best is not None
    assert draft.result["best_step"] == best.step
    assert draft.result["acceptance_length"] == pytest.approx(best.acceptance_length, abs=1e-9)
    assert draft.result["acceptance_length"] > 1.2
    assert draft.result["per_position_accuracy"][0] == pytest.approx(
        best.values["eval/per_position_acc/0"], abs=1e-9
    )
    events = list(draft.tensorboard.glob("events.out.tfevents.*"))
    assert events


@needs_specforge
def test_run_files_pass_specforges_own_check(tmp_path, small_target, monkeypatch, capsys) -> None:
    pytest.importorskip("specforge")
    from specforge.cli import main

    (tmp_path / "target").symlink_to(trainer_folder(small_target, tmp_path / "view"))
    (tmp_path / "draft.json").write_text(json.dumps(small_target.draft_config(64)), "utf-8")
    monkeypatch.chdir(tmp_path)
    kinds = {}
    for path in sorted(GOLDEN.glob("*.yaml")):
        arguments = ["train", "-c", str(path), "--plan"]
        if "two-nodes" in path.name:
            arguments += ["--node-rank", "0"]
        assert main(arguments) == 0
        said = capsys.readouterr().out
        kinds[path.name] = json.loads(said[said.index("{") :])["kind"]
    assert kinds == {
        "specforge-cpu.yaml": "worker",
        "specforge-cpu-resumed.yaml": "worker",
        "specforge-two-nodes.yaml": "command",
        "specforge-online.yaml": "managed_supervisor",
    }


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.fixture
def run_with(tmp_path, small_target, small_features):
    """`run_with(script)`: a training whose trainer is the given Python code."""

    def make(script: str) -> SpecForgeRun:
        path = tmp_path / "trainer.py"
        path.write_text(script, "utf-8")
        import sys

        return SpecForgeRun(
            folder=tmp_path / "k-100",
            run_id="k100",
            vocabulary=DraftVocabulary(np.arange(100), small_target.vocab_size),
            target=small_target,
            target_folder=small_target.folder,
            features=small_features,
            plan=TrainingPlan(max_steps=10),
            deployment=Deployment(),
            trainer=Trainer((sys.executable, str(path))),
        )

    return make


def _pid(run: SpecForgeRun) -> int:
    return json.loads((run.folder / "process.json").read_text("utf-8"))["pid"]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_loss_that_is_no_number_stops_the_training(run_with) -> None:
    run = run_with(
        "import time\n"
        "print(\"step 3: {'train/loss': 2.0, 'train/lr': 0.1}\", flush=True)\n"
        "print(\"step 6: {'train/loss': nan}\", flush=True)\n"
        "time.sleep(600)\n"
    )
    heard = []
    with pytest.raises(InputError, match=r"broke at step 6: loss .* learning rate below 0\.0001"):
        run.train(heard.append)
    assert [m.step for m in heard if m] == [3]
    assert [m.step for m in run.metrics()] == [3, 6]
    assert not _lives(_pid(run))


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("raise RuntimeError('CUDA out of memory. Tried')", "lower --max-length .now 128."),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "Out of memory"),
        ("raise OSError(28, 'No space left on device')", "disk that holds .* is full"),
        ("raise ValueError('wrong provenance')", "SpecForge failed .*wrong provenance"),
    ],
)
def test_failures_are_one_sentence(run_with, script: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run_with(script).train(lambda found: None)


def test_cancel_ends_the_trainer(run_with) -> None:
    run = run_with("import time; print('warming up', flush=True); time.sleep(600)")

    def cancel(found) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        run.train(cancel)
    assert not _lives(_pid(run))
    assert "warming up" in (run.folder / "log.txt").read_text("utf-8")


def test_a_mapping_that_changed_is_refused(tmp_path) -> None:
    vocabulary = DraftVocabulary(np.arange(0, 50, 2), 100)
    keep_mapping(tmp_path, vocabulary)
    stamp = (tmp_path / MAPPING).stat().st_mtime_ns
    os.utime(tmp_path / MAPPING)
    keep_mapping(tmp_path, vocabulary)  # only touched: resuming needs the old time
    assert (tmp_path / MAPPING).stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match="changed since training began"):
        keep_mapping(tmp_path, DraftVocabulary(np.arange(1, 51, 2), 100))
    (tmp_path / MAPPING).write_bytes(b"something else")
    with pytest.raises(InputError, match="was changed or removed"):
        keep_mapping(tmp_path, vocabulary)


def test_a_training_goes_on_from_a_config_of_either_spelling(run_with, small_target) -> None:
    """Before layers were named for every engine, eagle_config alone named them."""
    run, layers = run_with(""), list(small_target.aux_layers)
    run.prepare()
    config = run.folder / "draft.json"
    fields = json.loads(config.read_text("utf-8"))
    old = {name: value for name, value in fields.items() if "aux" not in name}
    assert old["eagle_config"] == {"eagle_aux_hidden_state_layer_ids": layers}
    config.write_text(json.dumps(old), "utf-8")
    run.prepare()
    assert json.loads(config.read_text("utf-8")) == old  # SpecForge compares the file on resuming
    for other in ({**old, "rope_theta": 1.0}, {**old, "eagle_config": {}}):
        config.write_text(json.dumps(other), "utf-8")
        with pytest.raises(InputError, match="a run keeps its draft"):
            run.prepare()


def test_features_of_other_layers_cannot_evaluate_a_draft(run_with, small_target, tmp_path) -> None:
    run = run_with("raise SystemExit('it must not come so far')")
    layers = [i + 1 for i in small_target.aux_layers]
    draft = tmp_path / "draft"
    draft.mkdir()
    fields = {"eagle_config": {"eagle_aux_hidden_state_layer_ids": layers}}
    (draft / "config.json").write_text(json.dumps(fields), "utf-8")
    with pytest.raises(InputError, match="they cannot tell how it does"):
        evaluate_draft(
            draft,
            small_target,
            small_target.folder,
            run.features,
            run.trainer,
            "cpu",
            ttt_length=3,
            settings={},
        )


def test_too_wide_a_head_for_the_gpu_is_said(run_with, small_target) -> None:
    run = run_with("")
    wide = DraftVocabulary(np.arange(140_000), 151_936)
    fields = {name: getattr(run, name) for name in SpecForgeRun.__dataclass_fields__}
    with pytest.raises(InputError, match="131,072"):
        SpecForgeRun(**{**fields, "vocabulary": wide, "deployment": Deployment("cuda")}).prepare()


def test_commands_for_another_machine_are_quoted(tmp_path) -> None:
    here = Trainer(("srun", "--gres=gpu:1", "/opt/sf/bin/python"))
    assert here.argv(tmp_path, {"A": "b c"}, "probe")[3:] == [
        str(trainer_.LAUNCHER),
        str(tmp_path),
        "A=b c",
        "--",
        "probe",
    ]
    there = Trainer(("ssh", "gpu", "/opt/sf/bin/python"))
    assert "'A=b c'" in there.argv(tmp_path, {"A": "b c"}, "probe")


@needs_specforge
def test_a_run_that_began_otherwise_is_refused(
    trained, small, small_corpus, tmp_path, capsys, monkeypatch
) -> None:
    from vocabtrim_core.cli import main
    from vocabtrim_core.counts import Provenance, TokenCounts

    monkeypatch.setattr(trainer_, "probe", lambda *a, **k: Trainer(("python",)))
    job, _, _ = trained
    counts = TokenCounts(np.arange(1, 701), 1, 0, Provenance("assistant", "t", "t", "m", "m"))
    counts.save(tmp_path / "other.npz")
    assert main([*job.argv, "--counts", str(tmp_path / "other.npz"), "--json"]) == 2
    assert "vocabulary of k = 100 changed" in json.loads(capsys.readouterr().out)["error"]
    assert main([*job.argv, "--seed", "7", "--json"]) == 2
    assert "began with another plan" in json.loads(capsys.readouterr().out)["error"]
    # The same again finds everything done, without starting SpecForge.
    assert main([*job.argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drafts"] == job.result()["drafts"]


@needs_specforge
def test_check_says_cost_and_plans_and_starts_nothing(
    trained, small, small_corpus, capsys, monkeypatch
) -> None:
    """The real trainer is asked; the online file needs a template that SpecForge knows."""
    from vocabtrim_core.cli import main

    base = [
        "train",
        "--target",
        str(small.folder),
        "--data",
        str(small_corpus.files[0]),
        "--k",
        "64",
        "--device",
        "cpu",
        "--name",
        "unborn",
        "--check",
        "--json",
    ]
    assert main([*base, "--template", "llama3", "--online", "1:0"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["plans"]["64"]["plan"]["kind"] == "worker"
    assert said["online"]["64"]["plan"]["kind"] == "managed_supervisor"
    assert f"target_model_path: {small.folder}\n" in said["online"]["64"]["yaml"]
    assert said["fits"]
    assert said["seconds"] > 0
    assert "unborn" not in [run.name for run in list_runs()]
    monkeypatch.setattr(trainer_, "probe", lambda *a, **k: trainer_.Trainer(("python",)))
    assert main([*base, "--online", "here"]) == 2
    capsys.readouterr()
