"""What an experiment takes before it starts: by shapes, by a trial, by what was measured before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.training_folders import SIZE, write_bundled_target, write_trainer

from vocabtrim_core.cli import main
from vocabtrim_core.cli.experiment import estimated
from vocabtrim_core.drafts import peak_memory
from vocabtrim_core.drafts.target import load_target
from vocabtrim_core.errors import InputError
from vocabtrim_core.experiment import estimate as estimates
from vocabtrim_core.experiment.estimate import estimate
from vocabtrim_core.experiment.plan import MEASURE, STAGES, ExperimentPlan
from vocabtrim_core.experiment.rates import AT_ONCE, Rates
from vocabtrim_core.experiment.record import Experiment, FinishedStage, list_experiments
from vocabtrim_core.experiment.trial import FILE, known_answers, try_answers
from vocabtrim_core.jobs.progress import Progress
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

PLAN = ExperimentPlan(sizes=("full", "best"), draft_steps=(1, 3))


@pytest.fixture(autouse=True)
def trainer(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    write_bundled_target()
    return write_trainer()


def answering(rows: int):
    """Stands for `regenerate`: answers `rows` of the prompts it is asked for."""
    commands = []

    def run(argv, progress):
        commands.append(argv)
        out = next(word.partition("=")[2] for word in argv if word.startswith("--out="))
        turns = [
            {"role": "user", "content": "word ."},
            {"role": "assistant", "content": "a b " * 9},
        ]
        lines = [json.dumps({"messages": turns}) for _ in range(rows)]
        progress(0, rows, "Regenerating answers", answers=0)
        Path(out).write_text("\n".join(lines))
        return {"answers": rows}

    return commands, run


def of(plan, trainer):
    return estimate(plan, load_target(plan.target), trainer)


def test_every_stage_has_a_time_and_the_shapes_say_so(trainer):
    cost = of(PLAN, trainer)
    assert [stage.name for stage in cost.stages] == list(STAGES)
    assert all(stage.seconds > 0 for stage in cost.stages)
    assert cost.source == "shapes"
    assert cost.seconds == pytest.approx(sum(stage.seconds for stage in cost.stages))
    assert set(cost.training) == {SIZE}  # k* is not known, and above V here
    assert "computed from shapes alone" in cost.sentence
    assert cost.problem is None


@pytest.mark.parametrize(
    ("more", "stage"),
    [
        ({"answers": 2 * PLAN.answers}, "answers"),
        ({"steps": 2 * PLAN.steps}, "train"),
        ({"runs": 2 * PLAN.runs}, "measure"),
        ({"measured": 2 * PLAN.measured}, "measure"),
        ({"draft_steps": (1, 2, 3)}, "measure"),
        ({"sweep": "all"}, "measure"),
    ],
)
def test_what_is_more_work_takes_longer_in_its_stage_alone(trainer, more, stage):
    def seconds(plan):
        return {s.name: s.seconds for s in of(plan, trainer).stages}

    # fewer tokens than all answers hold, so that the capture is the same
    plan = replace(PLAN, max_tokens=2000, sizes=("full", "100"))
    before, after = seconds(plan), seconds(replace(plan, **more))
    assert [name for name in STAGES if after[name] > before[name] * (1 + 1e-9)] == [stage]


def test_a_trial_is_made_once_and_scaled(trainer):
    commands, run = answering(rows=9)
    tried = try_answers(PLAN, run, Progress())
    assert (tried.asked, tried.kept) == (12, 9)
    assert "--limit=12" in commands[0]
    assert try_answers(replace(PLAN, steps=9, runs=5), run, Progress()) == tried  # the same answers
    assert len(commands) == 1
    (tried.folder / FILE).write_text(
        json.dumps({"asked": 12, "kept": 9, "start_seconds": 3.0, "seconds": 6.0})
    )
    cost = of(PLAN, trainer)
    by_name = {stage.name: stage.seconds for stage in cost.stages}
    assert by_name["answers"] == pytest.approx(PLAN.answers * 6.0 / 12, rel=0.02)
    assert known_answers(replace(PLAN, answer_tokens=64)) is None


@pytest.mark.parametrize("question", ["word .", "word . " * 12])
def test_a_trial_tells_the_rate_of_answers_without_their_questions(trainer, question):
    """Prompts that are read in one go are no decoded tokens, however long they are."""
    answer, kept, seconds = "a b " * 9, 9, 6.0
    tried = try_answers(PLAN, answering(rows=12)[1], Progress())
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    tried.corpus.write_text("\n".join([json.dumps({"messages": turns})] * kept))
    record = {"asked": 12, "kept": kept, "start_seconds": 3.0, "seconds": seconds}
    (tried.folder / FILE).write_text(json.dumps(record))
    plan = replace(PLAN, sizes=("full",), draft_steps=(3,))
    by_name = {stage.name: stage.seconds for stage in of(plan, trainer).stages}
    target = load_target(plan.target)
    tokenizer = load_tokenizer(target.folder, config=target.folder / "config.json")
    length = len(tokenizer.backend.encode(answer, add_special_tokens=False).ids)
    least, most = (
        (kept * (length + extra) + 3 * plan.answer_tokens) / seconds / AT_ONCE[plan.engine]
        for extra in (-1, 2)  # spaces that the template trims, and the tokens that end a turn
    )
    tokens = plan.measured * plan.new_tokens

    def measuring(alone: float) -> float:
        rates = Rates(plan.engine, alone, SIZE)
        each = (rates.of(None, 0), rates.of(SIZE, 3))
        return plan.runs * sum((tokens + 2 * plan.new_tokens) / rate + 1.0 for rate in each)

    assert measuring(most) <= by_name["measure"] <= measuring(least)


def test_a_stopped_trial_begins_anew(trainer):
    def stopped(argv, progress):
        answering(rows=12)[1](argv, progress)
        raise InputError("The server died.")

    with pytest.raises(InputError, match="died"):
        try_answers(PLAN, stopped, Progress())
    assert known_answers(PLAN) is None
    commands, run = answering(rows=12)
    assert try_answers(PLAN, run, Progress()).kept == 12
    assert len(commands) == 1


def test_rates_that_were_measured_here_win(trainer):
    rows = [
        {"k": k, "steps": n, "throughput": {"mean": rate, "half": 1.0, "n": 3}}
        for k, n, rate in ((None, 0, 80.0), (SIZE, 1, 50.0), (SIZE, 3, 25.0), (100, 3, 40.0))
    ]
    rows.append({"k": 100, "steps": 1, "throughput": None})  # every run failed
    stage = FinishedStage(MEASURE, ("bench",), 60.0, {"rows": rows})
    Experiment(replace(PLAN, answers=3), (stage,)).save()
    plan = replace(PLAN, sizes=("full",))
    by_name = {stage.name: stage.seconds for stage in of(plan, trainer).stages}
    tokens = plan.measured * plan.new_tokens
    each = [(tokens + 2 * plan.new_tokens) / rate + 1.0 for rate in (80.0, 50.0, 25.0)]
    assert by_name["measure"] == pytest.approx(plan.runs * sum(each))
    elsewhere = {s.name: s.seconds for s in of(replace(plan, engine="torch"), trainer).stages}
    assert elsewhere["measure"] != pytest.approx(by_name["measure"])


def test_a_size_that_was_not_measured_takes_the_nearest():
    rates = Rates("llama.cpp", 80.0, 1000, {(1000, 3): 25.0, (100, 3): 40.0}, "run")
    assert (rates.of(900, 3), rates.of(150, 3), rates.of(None, 0)) == (25.0, 40.0, 80.0)
    assert rates.of(100, 2) < rates.of(100, 1) < 80.0  # computed, slower with every drafted token


def test_what_does_not_fit_is_refused_before_anything_is_done(trainer, monkeypatch, capsys):
    monkeypatch.setattr(peak_memory, "free_memory", lambda: 600_000_000)
    cost = of(PLAN, trainer)
    assert cost.problem is not None
    assert "lower --batch-size (now 4" in cost.problem
    assert "--compact-teacher" not in cost.problem  # no option of an experiment
    assert main(["experiment", "--k", "full"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert any(line.startswith("About ") for line in said)
    assert said[-1].startswith("Training k = ")
    assert list_experiments() == []


def test_an_engine_that_does_not_fit_is_named(trainer, monkeypatch):
    monkeypatch.setattr(estimates, "free_memory", lambda: 1_000_000_000)
    cost = of(replace(PLAN, engine="vllm"), trainer)
    assert cost.problem is not None
    assert cost.problem.startswith("Serving smollm2 on vllm takes about 2.5 GB of memory")


def test_the_command_estimates_and_stops(trainer, capsys, monkeypatch):
    from vocabtrim_core.drafts import trial

    commands, run = answering(rows=10)
    asked = []
    monkeypatch.setattr(trial, "measure", lambda setting, ks, progress: asked.append((setting, ks)))
    result = estimated(PLAN, Progress(), run)
    assert len(commands) == len(asked) == 1
    setting, ks = asked[0]
    assert setting.corpus.files[0].name == "answers.jsonl"
    assert ks == [SIZE]
    assert [stage["name"] for stage in result["stages"]] == list(STAGES)
    json.dumps(result)
    monkeypatch.setattr("vocabtrim_core.cli.experiment.estimated", lambda *_: result)
    assert main(["experiment", "--estimate"]) == 0
    assert "About " in capsys.readouterr().out
