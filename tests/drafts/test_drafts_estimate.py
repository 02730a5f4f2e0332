"""What a training needs, said before it starts: tokens, disk, time, memory; and refusals."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import pytest

from vocabtrim_core import machine
from vocabtrim_core.drafts import peak_memory, trial
from vocabtrim_core.drafts.estimate import estimate
from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.drafts.runs import run_folder
from vocabtrim_core.drafts.training_env import Trainer, probe
from vocabtrim_core.drafts.trial import Setting, TrialCost, measure, trials
from vocabtrim_core.workspace.files import write_atomic

needs_specforge = pytest.mark.skipif(
    not importlib.util.find_spec("specforge") or not importlib.util.find_spec("accelerate"),
    reason="needs specforge (see requirements.txt)",
)
PLAN = TrainingPlan(epochs=2, ttt_length=3, evaluations=4)


@pytest.fixture
def setting(small_target, small_corpus, small_recipe, tmp_path, monkeypatch) -> Setting:
    """The small target and its conversations, in a workspace of their own."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    found = Trainer(("python",), {"torch": "2", "specforge": "0.2.0"}, (), (), 1e11)
    return Setting(small_target, small_corpus, small_recipe, PLAN, Deployment(), found)


def keep(setting: Setting, *made: TrialCost) -> None:
    """Store trials as `measure` does."""
    entries = [{name: getattr(t, name) for name in TrialCost.__dataclass_fields__} for t in made]
    write_atomic(setting.path, json.dumps(entries).encode())


def test_an_estimate_grows_with_k_and_says_what_is_needed(setting, small_features) -> None:
    cost = estimate(setting, [700, 64], held_out=0.2)
    tokens = small_features.train_tokens + small_features.eval_tokens
    assert cost.tokens == pytest.approx(tokens, rel=0.02)
    assert cost.feature_bytes == pytest.approx(small_features.bytes, rel=0.06)
    assert cost.steps == pytest.approx(2 * small_features.train_samples, rel=0.15)
    assert cost.train_seconds[700] > cost.train_seconds[64] > 0
    assert cost.memory_bytes[700] > cost.memory_bytes[64] > 0
    assert cost.fits
    assert cost.source == "shapes"
    assert not cost.measured
    assert estimate(setting, [64], max_tokens=1000).tokens == 1000


def test_trials_give_time_and_memory_of_every_size_between(setting) -> None:
    """By hand: 2 starts, the steps, and the held-out tokens once per evaluation and at the end."""
    low = TrialCost(100, 3.0, 0.5, 0.001, 2 * 10**9)
    high = TrialCost(700, 5.0, 2.0, 0.004, 5 * 10**9)
    keep(setting, low, high)
    cost = estimate(setting, [100, 400, 700], held_out=0.2)
    evaluated = 5 * cost.tokens * 0.2
    for k, start, step, evaluation in ((100, 3, 0.5, 0.001), (400, 4, 1.25, 0.0025)):
        by_hand = 2 * start + cost.steps * step + evaluated * evaluation
        assert cost.train_seconds[k] == pytest.approx(by_hand)
    assert dict(cost.memory_bytes) == {100: 2 * 10**9, 400: 35 * 10**8, 700: 5 * 10**9}
    assert cost.source == "trial"


@pytest.mark.parametrize(
    "change",
    [
        {"plan": replace(PLAN, batch_size=2)},
        {"plan": replace(PLAN, ttt_length=4)},
        {"plan": replace(PLAN, compact_teacher=True)},
        {"threads": 1},
        {"deployment": Deployment("cuda")},
        {"trainer": Trainer(("python",), {"torch": "3"}, (), (), 1e11)},
    ],
)
def test_a_trial_counts_for_its_own_settings_alone(setting, change) -> None:
    keep(setting, TrialCost(100, 3.0, 0.5, 0.001, 10**9))
    assert trials(setting)
    assert trials(replace(setting, plan=replace(PLAN, epochs=9, learning_rate=0.1)))
    assert not trials(replace(setting, **change))


def test_a_finished_run_gives_the_time_of_computing_alone(setting) -> None:
    """Between two lines of the log lies an evaluation, 20 times as long as the steps here."""
    folder = run_folder("before")
    draft = folder / "k-100" / "draft"
    draft.mkdir(parents=True)
    (draft / "config.json").write_text("{}")
    result = {"k": 100, "vocab_size": 700, "coverage": 0.9, "flops_reduction": 0.5, "steps": 5}
    result |= {"head_bytes": 1, "best_step": 5, "acceptance_length": 1.5, "seconds": 9.0}
    result |= {"per_position_accuracy": [0.5], "held_out_tokens": 9, "held_out_conversations": 3}
    result |= {"draft": str(draft), "device": "cpu", "trainer": {}, "tokens_per_step": 50.0}
    (draft.parent / "result.json").write_text(json.dumps(result))
    line = {"perf/optimizer_step_time_s": 10.0, "perf/train_compute_time_s": 0.45}
    line |= {"step": 5, "kind": "train", "time": 1.0, "perf/data_wait_time_s": 0.05}
    (draft.parent / "metrics.jsonl").write_text(json.dumps(line))
    spec = {
        "target": {
            "name": "before",
            "folder": "models/before",
            "sha256": setting.target.fingerprint,
            "vocab_size": 700,
        },
        **dict.fromkeys(("features", "corpus", "regenerated_by"), ""),
        "recipe": {},
        "deployment": {"device": "cpu", "processes": 1, "nodes": 1},
        "plan": {"ttt_length": 3},
        "trainer": {"flops_per_second": 1.0},  # looked at while the machine was busy
        "vocabularies": {"100": {"sha256": "", "steps": 5, "counts": "features"}},
    }
    (folder / "run.json").write_text(json.dumps(spec))
    cost = estimate(setting, [100], held_out=0.01, surveyed=(100, 5000))
    assert cost.source == "run"
    assert (cost.train_seconds[100] - 2 * 15) / cost.steps == pytest.approx(0.5, rel=0.02)


# --- memory ---------------------------------------------------------------------------------------


def test_what_does_not_fit_into_memory_is_refused_with_what_fits(setting, monkeypatch) -> None:
    big = replace(setting, plan=replace(PLAN, batch_size=8))
    keep(big, TrialCost(100, 1.0, 0.1, 0.0, 2 * 10**9), TrialCost(700, 1.0, 0.1, 0.0, 5 * 10**9))
    monkeypatch.setattr(peak_memory, "free_memory", lambda: 3 * 10**9)
    cost = estimate(big, [100, 700])
    assert not cost.fits
    assert "Training k = 700 takes about 5.0 GB of memory and 3.0 GB are free" in cost.problem
    assert "lower --batch-size (now 8; 4 would fit), --max-length (now 128)" in cost.problem
    assert estimate(big, [100]).fits
    elsewhere = replace(big, trainer=replace(big.trainer, command=("ssh", "host", "python")))
    assert estimate(elsewhere, [700]).memory_problem is None  # that memory is not known here


def test_a_training_that_would_be_killed_is_refused_before(
    setting, small_features, monkeypatch
) -> None:
    from vocabtrim_core.drafts import training
    from vocabtrim_core.drafts.request import TrainingRequest
    from vocabtrim_core.errors import InputError

    monkeypatch.setattr(peak_memory, "free_memory", lambda: 10**8)
    request = TrainingRequest(
        setting.target,
        setting.corpus,
        setting.recipe,
        [100],
        PLAN,
        Deployment(),
        setting.trainer,
        name="big",
        held_out=0.2,
    )
    with pytest.raises(InputError, match=r"Training k = 100 takes about .* lower --batch-size"):
        training.train(request, lambda *_, **__: None)
    assert not (run_folder("big") / "k-100").exists()


def test_free_memory_is_the_systems() -> None:
    psutil = pytest.importorskip("psutil")
    assert 0 < machine.free_memory() <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("lines", "peak"),
    [
        ([], 0),
        (["peak bytes of this process: 300"], 300),
        (["peak bytes of this process: 300", "peak bytes on the GPU: 70"], 70),
        (["peak bytes of this process: 300", "peak bytes of this process: 400"], 400),
    ],
)
def test_a_trainers_log_says_its_peak(tmp_path, lines, peak) -> None:
    (tmp_path / "log.txt").write_text("\n".join(["$ specforge", *lines, "done"]))
    assert peak_memory.peak_memory(tmp_path / "log.txt") == peak
    assert peak_memory.peak_memory(tmp_path / "none.txt") == 0


# --- the real thing -------------------------------------------------------------------------------


@needs_specforge
def test_a_trial_measures_real_steps_and_leaves_nothing(setting) -> None:
    """Two sizes of three, once: the smallest and the largest."""
    real = replace(setting, trainer=probe(device="cpu"), threads=1)
    told: list[tuple] = []
    made = measure(real, [64, 300, 700], lambda *what: told.append(what))
    assert [t.k for t in made] == [64, 700]
    for one in made:
        assert one.step_seconds > 0
        assert one.start_seconds > 0
        assert one.peak_bytes > 10**8
    assert {total for _, total, _ in told} == {2 * trial.STEPS}
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert measure(real, [64, 700], lambda *_: pytest.fail("again")) == made
    assert [path.name for path in real.path.parent.iterdir()] == [real.path.name]
    assert estimate(real, [300]).source == "trial"
