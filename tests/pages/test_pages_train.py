"""Train through AppTest: what the form asks for, what it costs, runs as their folders show them."""

# ruff: noqa: F811
from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.training_folders import (
    SIZE,
    WIDTH,
    write_bundled_target,
    write_conversations,
    write_job,
    write_run,
    write_trainer,
)
from test_pages import errors, home, started, words  # noqa: F401
from test_pages import opened as on_its_own

from vocabtrim_core import workspace
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.drafts.runs import run_lock
from vocabtrim_core.programs import TRAINER, add, remove
from vocabtrim_core.workspace import disk

EARLIER = "demo target of an earlier version"


def opened(page, **link):
    """The page; Train on Set up, where it would begin with the experiment."""
    app = on_its_own(page, **link)
    if page == "train" and app.session_state["train_view"] == "Experiment":
        app.session_state["train_view"] = "Set up"
        app.run()
    return app


@pytest.fixture
def trainer(home):
    """A CPU trainer that was found."""
    return write_trainer()


@pytest.fixture
def demo(trainer) -> Path:
    """The bundled target, converted already."""
    return write_bundled_target()


@pytest.fixture
def talk(home) -> Path:
    """Conversations to train on."""
    return write_conversations(home / "talk.jsonl")


def choose_talk(app, talk: Path):
    """The page with these conversations chosen."""
    app.segmented_control(key="train_source").set_value("Path").run()
    return app.text_area(key="train_paths").set_value(str(talk)).run()


def metrics(app) -> dict[str, str]:
    """The numbers of the page by their titles."""
    return {metric.label: metric.value for metric in app.metric}


def asked(started: list[list[str]]) -> list[list[str]]:
    """What this page started; the first visit prepares the demo beside it."""
    return [argv for argv in started if argv[0] not in ("demo", "count")]


def value(argv: list[str], flag: str) -> str:
    """The value of an argument."""
    return argv[argv.index(flag) + 1]


def flagged(argv: list[str], flag: str) -> list[str]:
    """All values of an argument given several times."""
    return [argv[i + 1] for i, part in enumerate(argv) if part == flag]


# --- set up ---------------------------------------------------------------------------------------


def test_the_first_visit_converts_the_bundled_target(home, started):
    app = opened("train")
    assert not app.exception
    assert ["trainer"] in started
    assert ["bundled-target"] in started
    assert "SmolLM2-135M-Instruct comes with this program, under Apache-2.0" in words(app)
    assert not [button for button in app.button if button.key == "train_start"]


def test_one_button_starts_the_training(demo, started):
    app = opened("train")
    app.button(key="train_start").click().run()
    assert not app.exception
    (argv,) = asked(started)
    assert argv[:3] == ["train", "--target", "smollm2"]
    assert flagged(argv, "--k") == ["full"]
    assert re.fullmatch(r"SmolLM2-135M-Instruct-[0-9a-f]{6}", value(argv, "--name"))
    assert app.session_state["train_view"] == "Runs"


def test_the_target_says_what_it_is(demo):
    app = opened("train")
    assert "SmolLM2-135M-Instruct: V = 500, H = 64, 4 layers; licence apache-2.0" in words(app)


def test_sizes_of_the_paper_are_offered_for_its_tokenizer_alone():
    from pages.ui.train.sizes_form import _labels, _usual

    paper = {13_264, 6_521, 4_380}
    assert paper < _labels(128_256, None).keys()
    for size in (49_152, 131_072):
        labels = _labels(size, None)
        assert not paper & labels.keys()
        assert (_usual(labels, size), max(labels)) == (4_096, size)


def test_the_cost_is_known_before_anything_starts(demo, talk, started):
    app = choose_talk(opened("train"), talk)
    assert not app.exception
    assert not app.error
    assert f"8 x {WIDTH} bytes per token" in words(app)
    assert int(metrics(app)["Tokens to learn from"].replace(",", "")) > 500
    assert metrics(app)["Steps per draft"] == "90"
    assert "for 500" in words(app)
    assert not asked(started)


def test_a_disk_that_is_too_small_is_said_before(demo, talk, monkeypatch):
    monkeypatch.setattr(disk, "free_bytes", lambda path: 1000)
    app = choose_talk(opened("train"), talk)
    assert "It does not fit" in errors(app)
    assert app.button(key="train_start").disabled


def test_sizes_of_every_kind(demo, talk, started, tmp_path):
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"vocab_size": SIZE, "ids": list(range(0, 500, 5))}))
    app = choose_talk(opened("train"), talk)
    app.text_input(key="train_more").set_value("400 1_00; 250,").run()
    assert "Two vocabularies" not in errors(app)
    app.text_input(key="train_more").set_value("400 250").run()
    app.text_input(key="train_file").set_value(str(file)).run()
    assert "own.json: 100 tokens of V = 500" in words(app).replace("\\", "")
    app.button(key="train_start").click().run()
    assert flagged(started[-1], "--k") == ["250", "400", "full"]  # the smallest first
    assert started[-1].index("--vocabulary") < started[-1].index("--k")  # 100 tokens
    assert flagged(started[-1], "--vocabulary") == [str(file)]


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("train_more", "many", "is no size"),
        ("train_more", "501", "within 1..500"),
        ("train_file", "/nowhere/at.json", "There is no mapping at"),
    ],
)
def test_sizes_that_cannot_be_are_a_sentence(demo, talk, key, text, said):
    app = choose_talk(opened("train"), talk)
    app.text_input(key=key).set_value(text).run()
    assert not app.exception
    assert said in errors(app)


def test_the_size_of_explore_can_be_trained(demo, talk, started):
    counts = TokenCounts(
        np.arange(SIZE)[::-1] ** 3,
        9,
        0,
        Provenance("assistant", "own", "t" * 64, "llama3", "m" * 64),
    )
    save_counts(counts)
    app = choose_talk(opened("train"), talk)
    app.selectbox(key=f"train_counts_{SIZE}").set_value(counts.key).run()
    (pills,) = (p for p in app.pills if p.key.startswith(f"train_k_{SIZE}"))
    (best,) = (option for option in pills.options if option.startswith("k*"))
    app.button(key="train_start").click().run()
    assert value(started[-1], "--counts") == counts.key
    assert flagged(started[-1], "--k") == [best.removeprefix("k* "), "full"]


def test_without_counts_there_is_no_k_until_it_is_counted(demo, talk, started):
    app = choose_talk(opened("train"), talk)
    app.button(key="train_count").click().run()
    argv = started[-1]
    assert argv[:2] == ["count", "--tokenizer"]
    assert value(argv, "--data") == str(talk)
    assert value(argv, "--model-config") == str(demo / "config.json")


def test_settings_are_the_arguments_and_defaults_are_left_out(demo, talk, started):
    app = choose_talk(opened("train"), talk)
    app.button(key="train_start").click().run()
    plain = started[-1]
    assert "--max-steps" not in plain
    app = choose_talk(opened("train"), talk)
    app.number_input(key="train_steps").set_value(50)
    app.number_input(key="train_rate").set_value(2e-4)
    app.selectbox(key="train_template").set_value("llama3")
    app.text_input(key="train_name").set_value("mine").run()
    app.toggle(key="train_regenerate").set_value(True).run()
    app.number_input(key="train_processes").set_value(2)
    app.segmented_control(key="train_device").set_value("cuda").run()
    app.button(key="train_start").click().run()
    argv = started[-1]
    assert (value(argv, "--max-steps"), value(argv, "--learning-rate")) == ("50", "0.0002")
    assert (value(argv, "--template"), value(argv, "--name")) == ("llama3", "mine")
    assert (value(argv, "--regenerate"), value(argv, "--processes")) == ("local", "2")
    assert value(argv, "--device") == "cuda"


def test_what_cannot_be_is_a_sentence(demo, talk):
    app = choose_talk(opened("train"), talk)
    app.number_input(key="train_processes").set_value(2).run()
    assert "Several processes need GPUs" in errors(app)
    app = opened("train")
    app.segmented_control(key="train_target").set_value("Folder").run()
    assert "Choose a target" in "\n".join(i.value for i in app.info)
    app.text_input(key="train_folder").set_value("/nowhere/at/all").run()
    assert not app.exception
    assert "There is no model folder at /nowhere/at/all" in errors(app)


def test_another_environment_is_chosen_by_name_and_added_in_a_shell_only(demo, started):
    app = opened("train")
    assert "trainer --add gpu 'ssh gpu-host /opt/specforge/bin/python'" in "".join(
        code.value for code in app.code
    )
    assert not [box for box in app.selectbox if box.key == "train_with"]
    add(TRAINER, "far", "ssh gpu /opt/python")
    app = opened("train")
    choice = app.selectbox(key="train_with")
    assert choice.options == ["the app's own environment", "far"]
    assert app.button(key="train_use").disabled
    choice.set_value("far").run()
    assert "`ssh gpu /opt/python`" in [caption.value for caption in app.caption]
    app.button(key="train_use").click().run()
    assert asked(started) == [["trainer", "--use", "far"]]
    remove(TRAINER, "far")
    app.run()
    assert not app.exception


def test_gpus_and_cores_are_held_by_one_training(home, talk, monkeypatch):
    from vocabtrim_core.jobs import control as jobs

    write_trainer(devices=("H200",), memory=(10**11,))
    write_bundled_target()
    held = []
    monkeypatch.setattr(jobs, "start", lambda argv, title, **more: held.append(more))
    app = choose_talk(opened("train"), talk)
    assert "H200" in words(app)
    app.button(key="train_start").click().run()
    assert held[-1] == {"resources": ("gpu", "train")}


# --- SpecForge's check ----------------------------------------------------------------------------


def test_validate_shows_what_specforge_says(demo, talk, started):
    app = choose_talk(opened("train"), talk)
    app.button(key="train_check").click().run()
    argv = started[-1]
    assert argv[-1] == "--check"
    write_job(argv, result={"plans": {"500": {"yaml": "model: {}", "plan": {"kind": "worker"}}}})
    app.run()
    assert "accepts the run files" in app.success[0].value
    assert "model: {}" in [code.value for code in app.code]


def test_specforges_complaint_is_shown_as_it_is(demo, talk, started):
    app = choose_talk(opened("train"), talk)
    app.button(key="train_check").click().run()
    said = "SpecForge refuses `train`: ValidationError: 1 error for DataConfig max_length"
    write_job(started[-1], "failed", message=said)
    app.run()
    assert said in re.sub(r"\\(.)", r"\1", words(app))


def test_an_online_run_file_is_made_and_checked(demo, talk, started):
    app = choose_talk(opened("train"), talk)
    app.text_input(key="online_train").set_value("2,3")
    app.text_input(key="online_serve").set_value("0,1").run()
    app.button(key="online_check").click().run()
    assert started[-1][-2:] == ["--online", "2,3:0,1"]
    plan = {"yaml": "mode: disaggregated", "plan": {"kind": "managed_supervisor"}}
    write_job(started[-1], result={"plans": {}, "online": {"500": plan}})
    assert "mode: disaggregated" in [code.value for code in app.run().code]


# --- runs -----------------------------------------------------------------------------------------


def runs(name: str = ""):
    """The page on its second tab."""
    app = opened("train")
    app.session_state["train_view"] = "Runs"
    if name:
        app.session_state["train_run"] = name
    return app.run()


def test_no_run_says_how_to_begin(trainer):
    app = runs()
    assert not app.exception
    assert "Set up offers drafts of SmolLM2-135M-Instruct" in app.info[0].value


def test_a_finished_run_shows_what_the_smaller_draft_keeps(demo):
    home = write_run("a", {SIZE: 1.8, 100: 1.71})
    app = runs()
    assert not app.exception
    assert "That is 95.0% of the 1.80 with all 500, for 60.0% of the FLOPs" in words(app)
    assert "does not tell the two apart" in words(app)
    rows = app.dataframe[0].value
    assert rows["k"].tolist() == [SIZE, 100]
    assert rows["Acceptance length"].tolist() == ["1.800 (1.70 to 1.90)", "1.710 (1.61 to 1.81)"]
    assert str(home / "k-100" / "draft") in [code.value for code in app.code]
    assert len(app.get("plotly_chart")) == 5
    assert any("speculative" in code.value for code in app.code)


def test_a_run_under_way_is_found_again(demo):
    write_run("a", {SIZE: 1.8}, {100: 40})
    argv = ["train", "--target", "smollm2", "--k", "full", "--k", "100", "--name", "a"]
    write_job(
        argv,
        "running",
        done=140,
        total=200,
        message="k = 100, loss 2.1",
        rates={"steps_per_s": 2.0},
    )
    app = opened("train")
    assert app.session_state["train_view"] == "Runs"
    assert app.selectbox(key="train_run").value == "a"
    assert "Train 40%" in words(app)
    assert "k = 100" in words(app)
    assert any(button.label == "Cancel" for button in app.button)


def test_a_job_that_has_written_nothing_yet_is_a_run(trainer):
    argv = ["train", "--target", "smollm2", "--k", "full", "--name", "demo-1"]
    write_job(argv, "running", done=3, total=100, message="Capturing features")
    app = opened("train")
    assert app.selectbox(key="train_run").value == "demo-1"
    assert "Target check" in words(app)


def test_a_stopped_run_goes_on_with_its_command(demo, started):
    command = "python -m vocabtrim_core train --target smollm2 --k 100 --name a --json"
    write_run("a", {}, {100: 40}, command=command)
    app = runs()
    assert "nothing works on it" in app.warning[0].value
    assert "pause: Train 40%" in words(app)
    app.button(key="train_go_on").click().run()
    assert asked(started) == [["train", "--target", "smollm2", "--k", "100", "--name", "a"]]


def test_a_training_from_a_shell_is_watched_too(demo):
    write_run("a", {}, {100: 40})
    with run_lock("a", 0):
        app = runs()
        assert "progress_activity: Train 40%" in words(app)
        assert not app.warning


def test_a_failure_is_shown_with_resume(demo, monkeypatch):
    write_run("a", {}, {100: 40})
    said = "The training of k = 100 broke at step 41: loss is no number any more."
    write_job(["train", "--target", "smollm2", "--k", "100", "--name", "a"], "failed", message=said)
    app = runs()
    assert said in re.sub(r"\\(.)", r"\1", words(app))
    assert any(button.label == "Resume" for button in app.button)


@pytest.mark.parametrize("state", ["failed", "lost"])
def test_the_page_opens_on_what_failed(demo, started, state):
    """Before the run has a folder, too; Set up says it as well, and dismissing ends it."""
    said = "Out of memory while training k = 100; lower --max-length (now 384) or --batch-size."
    write_job(["train", "--target", "smollm2", "--k", "100", "--name", "b"], state, message=said)
    app = opened("train")
    assert app.session_state["train_view"] == "Runs"
    assert app.selectbox(key="train_run").value == "b"
    assert "lower “Length limit” .now 384. or “Batch”" in re.sub(r"\\?[()]", ".", words(app))
    app.session_state["train_view"] = "Set up"
    app.run()
    assert "**b** failed. Out of memory" in words(app)
    app.button(key="see_failed").click().run()
    assert app.session_state["train_view"] == "Runs"
    next(button for button in app.button if button.label == "Dismiss").click().run()
    assert on_its_own("train").session_state["train_view"] == "Experiment"


def test_a_failure_in_a_shell_is_shown_too(demo):
    home = write_run("a", {}, {100: 40})
    state = json.loads((home / "state.json").read_text())
    state["stages"][2] |= {"state": "failed", "message": "lower --ttt-length (now 7)"}
    (home / "state.json").write_text(json.dumps(state))
    app = opened("train")
    assert app.session_state["train_view"] == "Runs"
    assert "Train, k = 100: lower “Draft positions”" in errors(app)
    assert app.button(key="train_go_on")


def test_a_trainer_that_failed_has_one_card_and_breaks_nothing(demo, talk):
    """It was drawn where the cost stands and where the trainer is chosen."""
    add(TRAINER, "far", "ssh gpu /opt/python")
    said = "The trainer ssh gpu /opt/python does not start (FileNotFoundError)."
    write_job(["trainer", "--use", "far"], "failed", message=said)
    app = choose_talk(opened("train"), talk)
    assert not app.exception
    assert words(app).count("does not start") == 1
    assert sum(button.label == "Dismiss" for button in app.button) == 1
    remove(TRAINER, "far")


def test_a_job_may_have_a_card_in_two_places(trainer):
    from streamlit.testing.v1 import AppTest

    write_job(["trainer"], "failed", message="no")

    def page() -> None:
        from pages.ui import jobpanel

        for place in ("left", "right"):
            jobpanel.watch(lambda: jobpanel.of_verb("trainer"), place)

    app = AppTest.from_function(page).run()
    assert not app.exception
    assert sum(button.label == "Dismiss" for button in app.button) == 2


@pytest.mark.parametrize("command", ["train", "regenerate", "capture"])
def test_every_setting_is_named_as_the_form_names_it(demo, talk, command):
    """A sentence of the library names flags; here each is a label that the page really has."""
    import argparse

    from pages.ui.fields import FIELDS, with_labels
    from vocabtrim_core.cli import COMMANDS

    parser = argparse.ArgumentParser()
    next(c for c in COMMANDS if c.name == command).arguments(parser)
    flags = {option for action in parser._actions for option in action.option_strings}
    flags -= {"-h", "--help", "--check", "--online", "--data", "--by", "--compare", "--alpha"}
    assert not {f for f in flags if with_labels(f"lower {f}.") == f"lower {f}."}
    app = choose_talk(opened("train"), talk)
    app.toggle(key="train_regenerate").set_value(True).run()
    app.number_input(key="train_nodes").set_value(2).run()
    app.text_input(key="train_address").set_value("node0").run()
    labels = {
        w.label
        for kind in (
            "text_input",
            "number_input",
            "selectbox",
            "toggle",
            "segmented_control",
            "pills",
        )
        for w in getattr(app, kind)
    }
    # Other tabs, another kind of target, nothing counted, no other trainer.
    elsewhere = {"--concurrency", "--api", "--target", "--counts", "--trainer", "--interpreter"}
    missing = {FIELDS[f] for f in flags & FIELDS.keys() - elsewhere} - labels
    assert not missing


def test_a_run_of_an_earlier_version_says_what_its_target_was(trainer):
    write_run("a", {SIZE: 1.9, 100: 1.5}, earlier=True)
    app = runs()
    assert f"for {EARLIER}" in words(app)
    assert "toy" not in words(app).lower()
    write_run("b", {SIZE: 1.9, 100: 1.5})
    app = runs("b")
    assert "tell the two apart" not in words(app)
    assert EARLIER not in words(app)
    assert "1.50 tokens come out of every cycle" in words(app)


# --- own answers ----------------------------------------------------------------------------------


def answers():
    app = opened("train")
    app.session_state["train_view"] = "Own answers"
    return app.run()


def test_the_target_answers_and_k_is_compared(demo, talk, started):
    app = answers()
    app.segmented_control(key="answers_source").set_value("Path").run()
    app.text_area(key="answers_paths").set_value(str(talk)).run()
    app.segmented_control(key="answers_by").set_value("A server").run()
    app.text_input(key="answers_by_url").set_value("http://127.0.0.1:30000").run()
    app.button(key="answers_start").click().run()
    assert not app.exception
    argv = started[-1]
    assert argv[:3] == ["regenerate", "--target", "smollm2"]
    assert value(argv, "--by") == "http://127.0.0.1:30000"
    assert argv[-1] == "--compare"
    out = Path(value(argv, "--out"))
    assert out.parent == workspace.folder("answers")
    settings = {"model": "m", "temperature": 0.0, "template": "llama3", "toy": True}
    about = {
        "settings": settings,
        "answers": 8,
        "conversations": 4,
        "refused": {"busy": 2},
        "source": "talk",
    }
    write_conversations(out)
    out.with_name(f"{out.name}.about.json").write_text(json.dumps(about))
    found = {
        "k_original": 300,
        "k_regenerated": 200,
        "coverage_of_regenerated": 0.97,
        "tokens_original": 10,
        "tokens_regenerated": 9,
        "alpha": 0.5,
        "sentence": "k* moves.",
    }
    write_job(argv, result={"out": str(out), "alignment": found})
    app.run()
    assert metrics(app)["k* on its own answers"] == "200"
    assert metrics(app)["Coverage of its answers"] == "97.0%"
    assert "2 prompts without an answer" in words(app)
    assert EARLIER in words(app)


def test_own_answers_can_be_trained_on(demo, started):
    path = write_conversations(workspace.folder("answers") / "demo-talk-1.jsonl")
    app = opened("train")
    app.segmented_control(key="train_source").set_value("Own answers").run()
    app.button(key="train_start").click().run()
    assert value(started[-1], "--data") == str(path)


def test_every_view_shows_its_command(demo):
    for view in ("Set up", "Runs", "Own answers"):
        app = opened("train")
        app.session_state["train_view"] = view
        commands = [code.value for code in app.run().code]
        assert any(c.startswith("python -m vocabtrim_core ") for c in commands), view


# --- the experiment -------------------------------------------------------------------------------


def experiment(**state):
    """The page on Experiment."""
    app = on_its_own("train")
    app.session_state["train_view"] = "Experiment"
    for name, value in state.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception
    return app


def test_an_experiment_says_what_it_takes_beside_its_button(demo, started):
    app = experiment(experiment_steps=[1])
    said = words(app)
    assert re.search(r"About \d+ (s|min).* memory [\d.]+ [MG]B of [\d.]+ GB free", said)
    assert "computed from shapes alone" in said
    app.button(key="experiment_start").click().run()
    assert started[-1][0] == "experiment"
    assert started[-1][-2:] == ["--draft-steps", "1"]
    app.button(key="experiment_estimate").click().run()
    assert started[-1][0] == "experiment"
    assert started[-1][-1] == "--estimate"


def test_an_experiment_that_does_not_fit_cannot_be_started(demo, started, monkeypatch):
    from vocabtrim_core.drafts import peak_memory

    monkeypatch.setattr(peak_memory, "free_memory", lambda: 600_000_000)
    app = experiment()
    assert "of memory and 600.0 MB are free" in errors(app)
    assert "--" not in errors(app)
    assert app.button(key="experiment_start").disabled


def test_without_the_target_an_experiment_says_so(trainer):
    app = experiment()
    assert "known once the target is on this machine" in words(app)
    assert not app.button(key="experiment_start").disabled
