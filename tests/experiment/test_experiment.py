"""Experiments: their stages, what is kept, and what is refused."""

import hashlib
import json
from dataclasses import asdict

import pytest

from vocabtrim_core.cli import COMMANDS, main
from vocabtrim_core.cli.experiment import over, rate
from vocabtrim_core.cli.run import parser
from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.corpora.demo import chat
from vocabtrim_core.errors import InputError
from vocabtrim_core.experiment.outcome import outcome
from vocabtrim_core.experiment.plan import STAGES, ExperimentPlan
from vocabtrim_core.experiment.record import carry_out, list_experiments, load
from vocabtrim_core.fields.codec import from_argv
from vocabtrim_core.jobs.progress import Progress
from vocabtrim_core.serving.configurations import Drafting

RESULTS = {
    "regenerate": {"out": "answers.jsonl", "answers": 3},
    "count": {"key": "ab" * 8},
    "optimize": {"k": 1500, "vocab_size": 49_152},
    "train": {
        "run": "a-run",
        "drafts": [{"k": 1500, "coverage": 0.97, "acceptance_length": 1.4}],
    },
    "bench": {
        "key": "cd" * 8,
        "rows": [
            {
                "label": label,
                "k": k,
                "acceptance_length": length,
                "position_acceptance": (),
                "throughput": {"mean": rate, "half": 1.0, "n": 3},
                "ratios": {},
            }
            for label, k, length, rate in (
                ("no speculation", None, None, 29.0),
                ("1,500", 1500, 1.49, 38.0),
            )
        ],
        "unpaid": [],
        "verdicts": ["1,500 is faster."],
        "fastest": [],
        "notes": [],
    },
}


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))


def recorder(fail_at=None):
    commands = []

    def run(argv, progress):
        progress(1, 2, "At work")
        if argv[0] == fail_at:
            raise InputError("The disk is full.")
        commands.append(argv)
        return RESULTS[argv[0]]

    return commands, run


def test_every_stage_is_a_command_that_the_command_line_takes():
    commands, run = recorder()
    carry_out(ExperimentPlan(program="an-engine"), run, Progress())
    assert [argv[0] for argv in commands] == ["regenerate", "count", "optimize", "train", "bench"]
    for argv in commands:
        parser(COMMANDS, argv).parse_args(argv)
    train = commands[3]
    assert [word for word in train if word.startswith("--k=")] == [
        "--k=49152",
        "--k=32000",
        "--k=1500",
    ]
    assert "--counts=" + "ab" * 8 in train
    measured = parser(COMMANDS, commands[4]).parse_args(commands[4])
    assert from_argv(Drafting, measured)["steps"] == (1, 2, 3)
    assert measured.sweep == ["a-run/1500"]  # k*


@pytest.mark.parametrize(
    ("more", "swept"),
    [
        ({"sweep": "all"}, []),
        ({"draft_steps": (2,)}, []),
        ({"sizes": ("full", "4096")}, ["a-run/4096"]),  # without k* it is the smallest
        ({"sizes": ("best",)}, []),
    ],
)
def test_the_drafts_that_are_tried_with_every_number(more, swept):
    commands, run = recorder()
    carry_out(ExperimentPlan(**more), run, Progress())
    assert parser(COMMANDS, commands[4]).parse_args(commands[4]).sweep == swept


def test_a_failed_experiment_keeps_what_was_finished_and_goes_on_from_there():
    plan = ExperimentPlan(sizes=("full", "best"))
    first, run = recorder(fail_at="train")
    with pytest.raises(InputError, match="disk"):
        carry_out(plan, run, Progress())
    assert load(plan.key).next_stage == "train"
    second, run = recorder()
    finished = carry_out(plan, run, Progress())
    assert [argv[0] for argv in first] == ["regenerate", "count", "optimize"]
    assert [argv[0] for argv in second] == ["train", "bench"]
    assert finished.next_stage is None
    assert [stage.name for stage in finished.stages] == list(STAGES)
    again, run = recorder()
    assert carry_out(plan, run, Progress()).stages == load(plan.key).stages
    assert again == []


def test_the_outcome_joins_training_and_measurement():
    _, run = recorder()
    result = outcome(carry_out(ExperimentPlan(), run, Progress()))
    assert result["k_star"] == 1500
    assert result["run"] == "a-run"
    alone, trimmed = result["drafts"]
    assert alone["coverage"] is None
    assert (trimmed["coverage"], trimmed["held_out_length"]) == (0.97, 1.4)
    assert trimmed["acceptance_length"] == 1.49
    assert [stage["name"] for stage in result["stages"]] == list(STAGES)
    json.dumps(result)


def test_an_unfinished_experiment_has_an_outcome():
    _, run = recorder(fail_at="regenerate")
    with pytest.raises(InputError):
        carry_out(ExperimentPlan(), run, Progress())
    result = outcome(list_experiments()[0])
    assert result["drafts"] == []
    assert result["measurement"] is None


def test_a_damaged_record_is_named_and_hides_no_other(tmp_path):
    plan = ExperimentPlan()
    _, run = recorder()
    carry_out(plan, run, Progress())
    other = carry_out(ExperimentPlan(answers=3), run, Progress())
    (tmp_path / "home" / "experiments" / plan.key / "experiment.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        load(plan.key)
    assert [experiment.plan for experiment in list_experiments()] == [other.plan]


def test_an_experiment_of_an_earlier_version_is_found_and_goes_on(tmp_path):
    """Its settings were hashed with one number of draft steps, and its folder is called so."""
    settings = {**asdict(ExperimentPlan()), "draft_steps": 3}
    del settings["sweep"]
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    folder = tmp_path / "home" / "experiments" / key
    folder.mkdir(parents=True)
    record = {"plan": settings, "stages": [], "created": 1.0}
    (folder / "experiment.json").write_text(json.dumps(record))
    (earlier,) = list_experiments()
    assert earlier.plan == ExperimentPlan(draft_steps=(3,))
    assert (earlier.plan.key, earlier.folder) == (key, folder)
    _, run = recorder()
    assert carry_out(earlier.plan, run, Progress()).next_stage is None
    assert len(list_experiments()) == 1
    (folder / "experiment.json").write_text(json.dumps({**record, "plan": {}}))
    with pytest.raises(InputError, match="damaged"):
        load(key)


def test_sizes():
    plan = ExperimentPlan(sizes=("full", "best", "4,096", "90000"))
    assert plan.ks(best=4096, vocab_size=49_152) == [49_152, 4096]
    with pytest.raises(InputError, match="full or best"):
        ExperimentPlan(sizes=("all",))
    with pytest.raises(InputError, match="above 0"):
        ExperimentPlan(sizes=("0",))


def test_prompts_that_are_trained_on_are_not_measured():
    with pytest.raises(InputError, match="measure on"):
        ExperimentPlan(unseen="chat")


def test_reports_of_a_stage_are_those_of_the_whole(capsys):
    whole = Progress()
    part = whole.within("2 of 5: Its answers are counted")
    part(3, 4, "Reading")
    assert whole.status.message == "2 of 5: Its answers are counted. Reading"
    assert (whole.status.done, whole.status.total) == (3, 4)


def test_the_command_lists_experiments(capsys):
    assert main(["experiments"]) == 0
    assert "no experiment" in capsys.readouterr().out
    _, run = recorder()
    carry_out(ExperimentPlan(), run, Progress())
    assert main(["experiments", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["experiments"]
    assert (listed["key"], listed["next_stage"]) == (ExperimentPlan().key, None)


def test_the_command_refuses_in_one_sentence(capsys):
    assert main(["experiment", "--k", "none"]) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


# --- chat questions -------------------------------------------------------------------------------


def test_no_topic_is_in_both_sets_of_questions():
    def topics(unseen):
        return {row["id"].rpartition("/")[0] for row in chat.questions(unseen)}

    assert topics(False) & topics(True) == set()
    assert len(topics(False) | topics(True)) == sum(map(len, chat.TOPICS.values()))
    rows = [*chat.questions(False), *chat.questions(True)]
    texts = {row["conversations"][0]["content"] for row in rows}
    assert len(texts) == len(rows) == len(chat.FORMS) * sum(map(len, chat.TOPICS.values()))


def test_names_of_questions_become_files_and_files_stay(tmp_path, monkeypatch):
    (path,) = chat.paths(["chat-unseen"])
    assert len(path.read_text().splitlines()) == sum(1 for _ in chat.questions(True))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat").mkdir()
    assert chat.paths(["chat", "a.jsonl"]) == ["chat", "a.jsonl"]
    assert open_corpus(path).limit is None


def test_the_text_of_an_outcome_has_rates_and_gains_as_everywhere():
    row = {"ratios": {"49,152": {"ratio": {"mean": 0.876, "half": 0.0191, "n": 3}}}}
    assert over(row, "49,152") == "\N{MINUS SIGN}12.4 % ± 1.9"
    assert over(row, "no speculation") == ""
    assert rate({"mean": 38.04, "half": 0.86, "n": 3}) == "38.0 ± 0.9"
    assert rate({"mean": 38.04, "half": None, "n": 1}) == "38.0"
    assert rate(None) == "failed"
