"""Answers by prompt: what a measurement keeps of them, and intervals that come from its file."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
from helpers.lazy import Lazy

from vocabtrim_core.report.measured import measurement_files
from vocabtrim_core.serving.measurement import (
    Answer,
    Configuration,
    Counted,
    Measurement,
    Run,
    decode,
)
from vocabtrim_core.serving.over_prompts import (
    by_prompt,
    length_over_prompts,
    ratio_over_prompts,
)
from vocabtrim_core.serving.run_checkpoint import RunCheckpoint
from vocabtrim_core.serving.summary import summary

stats = Lazy("scipy.stats")
V, PROMPTS, RUNS = 500, 7, 3


def answers(draft: bool, seed: int) -> list[Answer]:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(PROMPTS):
        cycles = [int(n) for n in random.multinomial(20, (0.5, 0.3, 0.15, 0.05))]
        tokens = 1 + sum((j + 1) * n for j, n in enumerate(cycles))
        seconds = float(random.uniform(0.5, 2.0))
        accepted = (sum(cycles), tuple(cycles)) if draft else (None, ())
        found.append(Answer(tokens, seconds, 0.1, *accepted))
    return found


@pytest.fixture
def measured() -> Measurement:
    configurations = (
        Configuration("no speculation"),
        Configuration("500", V, "/v", 3, 1, 4),
        Configuration("100", 100, "/d", 3, 1, 4),
    )
    runs = [
        Run.of(c.label, 1, i, answers(bool(c.draft), 10 * n + i), 9.0)
        for n, c in enumerate(configurations)
        for i in range(RUNS)
    ]
    return Measurement("p", "t", "e", configurations, tuple(runs), vocab_size=V)


def test_ratios_over_prompts_come_from_the_file(measured):
    """Recomputed from the JSON with nothing of this program."""
    raw = json.loads(measured.encoded())

    def rates(label):
        runs = [run["answers"] for run in raw["runs"] if run["configuration"] == label]
        return [
            sum(run[i]["tokens"] for run in runs) / sum(run[i]["seconds"] for run in runs)
            for i in range(PROMPTS)
        ]

    logs = np.log(np.divide(rates("100"), rates("500")))
    low, high = stats.t.interval(0.95, PROMPTS - 1, logs.mean(), stats.sem(logs))
    found = ratio_over_prompts(decode(measured.encoded(), "file"), "100", "500", 1)
    assert found is not None
    assert found.n == PROMPTS
    assert found.mean == pytest.approx(math.exp(logs.mean()))
    assert found.half == pytest.approx((math.exp(high) - math.exp(low)) / 2)
    row = next(row for row in summary(measured, 1) if row.label == "100")
    assert row.over_prompts["500"] == found
    assert set(row.over_prompts) == set(row.ratios)


def test_lengths_over_prompts_agree_with_the_jackknife(measured):
    """The linearized interval, against one that leaves out a prompt at a time."""
    runs = [run.answers for run in measured.good("100")]
    cycles = np.array([sum(sum(run[i].accepted) for run in runs) for i in range(PROMPTS)], float)
    given = np.array([sum(run[i].tokens - 1 for run in runs) for i in range(PROMPTS)], float)
    left_out = (given.sum() - given) / (cycles.sum() - cycles)
    error = math.sqrt((PROMPTS - 1) / PROMPTS * ((left_out - left_out.mean()) ** 2).sum())
    found = length_over_prompts(measured, "100", 1)
    assert found is not None
    assert found.mean == pytest.approx(given.sum() / cycles.sum())
    assert found.half == pytest.approx(stats.t.ppf(0.975, PROMPTS - 1) * error, rel=0.02)
    assert length_over_prompts(measured, "no speculation", 1) is None


def test_a_stopped_measurement_keeps_its_answers(tmp_path, monkeypatch, measured):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    RunCheckpoint.open({"a": 1}).add(measured.runs[0])
    (again,) = RunCheckpoint.open({"a": 1}).runs.values()
    assert again == measured.runs[0]
    assert len(again.answers) == PROMPTS


def test_where_answers_are_not_stored_nothing_is_made_up(measured):
    bare = json.loads(measured.encoded())
    for run in bare["runs"]:
        del run["answers"]  # as earlier versions wrote it
    earlier = decode(json.dumps(bare).encode(), "file")
    assert ratio_over_prompts(earlier, "100", "500", 1) is None
    assert length_over_prompts(earlier, "100", 1) is None
    assert all(not row.over_prompts for row in summary(earlier, 1))
    some = json.loads(measured.encoded())
    del some["runs"][-1]["answers"]
    assert by_prompt(decode(json.dumps(some).encode(), "file"), "100", 1) == []


def test_an_answer_without_time_or_tokens_gives_no_ratio(measured):
    raw = json.loads(measured.encoded())
    for run in raw["runs"]:
        run["answers"][0]["tokens"] = 0
    assert ratio_over_prompts(decode(json.dumps(raw).encode(), "file"), "100", "500", 1) is None


def test_the_engine_s_own_counts_do_not_hide_the_answers():
    """llama.cpp counts positions over a run, and verifications with each answer."""
    given = [Answer(10, 1.0, 0.1, 6), Answer(12, 1.1, 0.1, 7)]
    run = Run.of("a", 1, 0, given, 3.0, counted=Counted(13, (6, 4, 3)))
    assert run.answers == tuple(given)
    assert run.accepted == (6, 4, 3)


def test_every_answer_is_a_row_of_the_table(measured):
    rows = list(
        csv.DictReader(io.StringIO(measurement_files([measured], 1)["prompts.csv"].decode()))
    )
    assert len(rows) == 3 * RUNS * PROMPTS
    by_key = {(r["configuration"], int(r["run"]), int(r["prompt"])): r for r in rows}
    for run in measured.runs:
        for number, answer in enumerate(run.answers, 1):
            row = by_key[run.configuration, run.index + 1, number]
            assert (int(row["tokens"]), float(row["seconds"])) == (answer.tokens, answer.seconds)
            assert row["accepted"] == " ".join(map(str, answer.accepted))
    assert {(row["configuration"], row["k"], row["steps"]) for row in rows} == {
        ("no speculation", "", ""),
        ("500", "500", "3"),
        ("100", "100", "3"),
    }
