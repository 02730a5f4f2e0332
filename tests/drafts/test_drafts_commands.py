"""capture, train, draft-eval and demo-target as commands: what they print, and bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from vocabtrim_core import workspace
from vocabtrim_core.cli import main
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.drafts import training_env as trainer_
from vocabtrim_core.drafts.runs import (
    DONE,
    FAILED,
    Stage,
    StageLog,
    read_run,
    read_stages,
    run_folder,
)
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.errors import InputError


@pytest.fixture
def call(capsys):
    """`call("capture", …)` -> (exit code, the JSON object)."""

    def run(*arguments: object) -> tuple[int, dict]:
        code = main([*map(str, arguments), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """An empty workspace."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(trainer_.VARIABLE, raising=False)
    return tmp_path / "home"


@pytest.fixture
def found_trainer(monkeypatch) -> Trainer:
    """A trainer that was found, without the seconds that finding it takes."""
    found = Trainer(("python",), {"torch": "2", "specforge": "0.2.0"}, (), (), 1e11)
    monkeypatch.setattr(trainer_, "probe", lambda *args, **kwargs: found)
    return found


def test_capture_twice_is_one_capture(call, small, small_corpus) -> None:
    arguments = (
        "capture",
        "--target",
        small.folder,
        "--data",
        small_corpus.files[0],
        "--max-length",
        64,
        "--held-out",
        0.25,
        "--device",
        "cpu",
    )
    code, made = call(*arguments)
    assert code == 0
    assert made["train_samples"] + made["eval_samples"] <= 120
    assert made["bytes"] > 8 * 64 * (made["train_tokens"] + made["eval_tokens"])
    assert call(*arguments) == (0, made)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--target": "nowhere"}, "There is no model folder at nowhere"),
        ({"--held-out": "1"}, "held-out must lie within"),
        ({"--data": "nowhere.jsonl"}, "There is no file nowhere.jsonl"),
        ({"--max-length": "3"}, "had none within 3 tokens"),
        ({"--k": "0"}, "k must lie within 1..700"),
        ({"--k": "701"}, "k must lie within 1..700"),
        ({"--k": "many"}, "k must be a whole number or full"),
        ({"--learning-rate": "0"}, "learning rate"),
        ({"--name": "../up"}, "cannot be named"),
        ({"--processes": "2"}, "Several processes need GPUs"),
        ({"--regenerate": "somebody"}, "an http(s) URL"),
    ],
)
def test_bad_input_is_one_sentence(
    call, small, small_corpus, found_trainer, change: dict[str, str], sentence: str
) -> None:
    usual = {
        "--target": small.folder,
        "--data": small_corpus.files[0],
        "--k": "64",
        "--max-length": "128",
        "--held-out": "0.2",
        "--device": "cpu",
    }
    code, said = call("train", *(part for pair in {**usual, **change}.items() for part in pair))
    assert code == 2
    assert sentence in said["error"]


def test_sizes_are_trained_in_the_order_named(
    call, small, small_corpus, found_trainer, tmp_path, monkeypatch
) -> None:
    """Files among them, whatever is larger; a size named twice is trained once."""
    asked = []

    def train(request, progress) -> None:
        asked.append(request.sizes)
        raise InputError("enough")

    monkeypatch.setattr("vocabtrim_core.drafts.training.train", train)
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"vocab_size": 700, "ids": list(range(0, 700, 10))}))
    base = ("train", "--target", small.folder, "--data", small_corpus.files[0])
    call(*base, "--k", 50, "--k", "full", "--k", 90, "--k", 50)
    call(*base, "--k", 90, "--vocabulary", file, "--k", "full")
    call(*base, "--vocabulary", file, "--k", "v", "--k", 90)
    call(*base, "--k", "full", "--k", 50)
    assert asked == [[50, 700, 90], [90, 70, 700], [70, 700, 90], [700, 50]]


@pytest.fixture
def two_drafts(elsewhere, small) -> Path:
    """A run with drafts of 700 (all of V) and 70 tokens; returns its folder."""
    folder = run_folder("demo-1")
    vocabularies = {}
    for k in (700, 70):
        draft = folder / f"k-{k}" / "draft"
        draft.mkdir(parents=True)
        (draft / "config.json").write_text(json.dumps({"draft_vocab_size": k}))
        vocabularies[str(k)] = {"sha256": "", "steps": 1, "counts": "features"}
    spec = {"vocabularies": vocabularies, "target": {"vocab_size": 700}}
    (folder / "run.json").write_text(json.dumps(spec))
    return folder


@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        ("demo-1/k-70", [70]),  # the folder's own name
        ("demo-1/k-70/", [70]),
        ("demo-1/k-70/draft", [70]),
        ("demo-1/70", [70]),
        ("demo-1/full", [700]),
        ("demo-1/V", [700]),
        ("demo-1", [700, 70]),
        ("{folder}/k-70", [70]),
        ("{folder}/k-70/draft", [70]),
    ],
)
def test_a_draft_is_named_as_people_name_it(two_drafts, spec, sizes) -> None:
    from vocabtrim_core.drafts.draft_specs import draft_folders, existing_or_trained

    folders = draft_folders([spec.format(folder=two_drafts)])
    assert folders == [(two_drafts / f"k-{k}" / "draft").resolve() for k in sizes]
    if "{" not in spec and "/" in spec:
        assert existing_or_trained(spec).resolve() == folders[0]


@pytest.mark.parametrize("spec", ["demo-1/k-71", "demo-1/", "demo-1/71", "demo-1/k-"])
def test_a_draft_that_a_run_lacks_names_those_it_has(two_drafts, spec) -> None:
    from vocabtrim_core.drafts.draft_specs import draft_folder

    with pytest.raises(InputError, match="it has demo-1/700, demo-1/70"):
        draft_folder(spec)


@pytest.mark.parametrize(
    "command",
    [
        ("bench", "--target", "{target}", "--prompts", "{corpus}", "--draft"),
        ("draft-eval", "--target", "{target}", "--features", "0"),
        ("inspect",),
        ("slice", "--vocabulary", "choice.json", "--out", "o"),
        ("export", "c", "--k", "5", "--format", "vllm", "--out", "o", "--draft-folder"),
    ],
)
def test_every_command_that_takes_a_draft_takes_that_name(
    call, two_drafts, command, small, small_corpus, small_features, found_trainer, tmp_path
) -> None:
    """A size that the run lacks is refused by the same sentence, so the name is understood."""
    counts = tmp_path / "c.npz"
    TokenCounts([1] * 700, 1, 0, Provenance("assistant", "t", "t", "m", "m")).save(counts)
    words = {"{target}": small.folder, "{corpus}": small_corpus.files[0], "c": counts}
    words["0"] = small_features.key
    code, said = call(*(words.get(word, word) for word in command), "demo-1/k-71")
    assert code == 2
    assert "The run demo-1 has no draft 'k-71'" in said["error"]


def test_a_run_that_gets_more_sizes_keeps_the_stages_of_the_earlier(tmp_path) -> None:
    log = StageLog(tmp_path, [Stage("target"), Stage("train", 100)])
    log.leave("target")
    log.leave("train", 100)
    StageLog(tmp_path, [Stage("target"), Stage("train", 50), Stage("train", 200)])
    stages = [(stage.name, stage.k, stage.state) for stage in read_stages(tmp_path)]
    assert stages == [
        ("target", None, DONE),
        ("train", 100, DONE),
        ("train", 50, "pending"),
        ("train", 200, "pending"),
    ]


def test_counts_of_another_vocabulary(call, small, small_corpus, found_trainer, tmp_path) -> None:
    path = tmp_path / "other.npz"
    TokenCounts([3, 2, 1], 1, 0, Provenance("assistant", "t", "t", "m", "m")).save(path)
    code, said = call(
        "train",
        "--target",
        small.folder,
        "--data",
        small_corpus.files[0],
        "--k",
        2,
        "--counts",
        path,
    )
    assert code == 2
    assert "count with the target's tokenizer" in said["error"]


def test_evaluation_of_what_is_no_draft(
    call, small, small_features, found_trainer, tmp_path
) -> None:
    base = ("draft-eval", tmp_path, "--target", small.folder, "--features")
    assert "There is no draft at" in call(*base, small_features.key)[1]["error"]
    (tmp_path / "config.json").write_text("{}")
    assert "no captured features" in call(*base, "ffff")[1]["error"]


def test_the_demo_target_of_earlier_versions_is_said_to_be_gone(
    call, found_trainer, elsewhere
) -> None:
    said = call("train", "--target", "demo", "--k", "full", "--check")
    assert said[0] == 2
    assert "There is no target demo any more; give smollm2" in said[1]["error"]
    old = workspace.folder("targets") / "demo"
    old.mkdir()
    assert (
        f"or {old} for the demo target of an earlier version"
        in call("capture", "--target", "demo")[1]["error"]
    )


def test_a_vocabulary_file_is_trained_as_it_is(call, small, small_corpus, found_trainer, tmp_path):
    file = tmp_path / "own.json"
    base = (
        "train",
        "--target",
        small.folder,
        "--data",
        small_corpus.files[0],
        "--held-out",
        0.2,
        "--vocabulary",
        file,
    )
    file.write_text(json.dumps({"vocab_size": 700, "ids": list(range(0, 700, 7))}))
    assert "Two vocabularies have 100 tokens" in call(*base, "--k", 100)[1]["error"]
    file.write_text(json.dumps({"vocab_size": 600, "ids": [1, 2]}))
    assert call(*base)[0] == 2
    file.write_text("[1, 1]")
    assert "not sound" in call(*base)[1]["error"]
    assert "at least one draft vocabulary" in call(*base[:-2])[1]["error"]


def test_the_trainer_is_chosen_and_remembered(call, elsewhere, monkeypatch) -> None:
    assert trainer_.known_trainer() is None
    monkeypatch.setattr(
        trainer_, "probe", lambda command, **_: Trainer(tuple(command), {"torch": "2"})
    )
    assert call("trainer")[1]["command"] == sys.executable
    assert trainer_.known_trainer() == Trainer((sys.executable,), {"torch": "2"})
    assert call("trainer", "--use", "ssh gpu python")[1]["resources"] == ["train"]
    assert trainer_.trainer_command() == ("ssh", "gpu", "python")
    assert trainer_.known_trainer().command == ("ssh", "gpu", "python")
    monkeypatch.setenv(trainer_.VARIABLE, "another")  # what was found is of the chosen one only
    assert trainer_.known_trainer() is None
    monkeypatch.delenv(trainer_.VARIABLE)
    call("trainer", "--use", "")
    assert trainer_.trainer_command() == (sys.executable,)


def test_stages_are_told_and_finished_ones_stay(tmp_path) -> None:
    stages = [Stage("target"), Stage("train", 64)]
    log = StageLog(tmp_path, list(stages))
    log.enter("target")
    log.leave("target", message="4 layers")
    log.enter("train", 64)
    log.update("train", 64, 3, 10, "loss 2")
    log.fail("Stopped.")
    first, second = read_stages(tmp_path)
    assert (first.state, first.message) == (DONE, "4 layers")
    assert (second.state, second.done, second.message) == (FAILED, 3, "Stopped.")
    again = StageLog(tmp_path, list(stages))
    assert [stage.state for stage in again.stages] == [DONE, "pending"]


def test_runs_that_are_none() -> None:
    with pytest.raises(InputError, match="no training run"):
        read_run("never")
    for name in ("..", "a/b", "", ".hidden"):
        with pytest.raises(InputError, match="cannot be named"):
            run_folder(name)
