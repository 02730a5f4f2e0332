"""Runs in turns: their order, what is warmed up and flushed, what fails, what resumes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from helpers.sglang_server import serving, write_nvidia_smi

from vocabtrim_core import workspace
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.serving import hardware, measurement
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines.servers import Servers
from vocabtrim_core.serving.measurement import Answer, Configuration, Counted
from vocabtrim_core.serving.prompts.prompt_set import PromptSet
from vocabtrim_core.serving.runner import measure, resources, schedule

A, B = Configuration("A"), Configuration("B", 10, "b", 3, 1, 4)
PROMPTS = PromptSet.of("five", [Prompt(str(n), (n,)) for n in range(5)], ["Two were long."])


class Engine:
    """Answers at once, and notes what it was asked to do."""

    label, device, target, vocab_size = "engine 1", "device", "target", 100
    versions, settings, alternates = {"engine": "1"}, {"dtype": "float32"}, True

    def __init__(self, alternates: bool = True) -> None:
        self.alternates = alternates
        self.did: list[tuple] = []
        self.fail = lambda did: None
        self.notes = ("As fast as it gets.",)

    def use(self, configuration, concurrency) -> None:
        self._do("use", configuration.label, concurrency)

    def flush(self) -> None:
        self._do("flush")

    def answer(self, prompts, generation, concurrency, check):
        check()
        self._do("answer", len(prompts), concurrency)
        return [Answer(4, 0.5, 0.1, 2, (0, 2)) for _ in prompts], 2.0

    def counted(self) -> Counted:
        return Counted()

    def _do(self, *what) -> None:
        self.did.append(what)
        if why := self.fail(self.did):
            raise EngineError(why)

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))


def test_every_second_round_goes_backwards() -> None:
    turns = [(c.label, n, i) for c, n, i in schedule([A, B], (1, 2), 2, alternate=True)]
    assert turns == [
        ("A", 1, 0),
        ("B", 1, 0),
        ("A", 2, 0),
        ("B", 2, 0),
        ("B", 1, 1),
        ("A", 1, 1),
        ("B", 2, 1),
        ("A", 2, 1),
    ]


@pytest.mark.parametrize(("runs", "starts"), [(1, "AB"), (2, "ABA"), (3, "ABA"), (5, "ABA")])
def test_blocks_start_few_servers_and_face_each_other(runs, starts) -> None:
    turns = list(schedule([A, B], (1, 4), runs, alternate=False))
    changes = [c.label for i, (c, _, _) in enumerate(turns) if not i or turns[i - 1][0] != c]
    assert "".join(changes) == starts
    assert Counter((c.label, n, i) for c, n, i in turns) == Counter(
        (label, n, i) for label in "AB" for n in (1, 4) for i in range(runs)
    )


def test_runs_are_warmed_up_flushed_and_counted() -> None:
    engine = Engine()
    found = measure(
        engine,
        [A, B],
        PROMPTS,
        runs=2,
        concurrencies=(1, 3),
        local=False,
        generation=Generation(9),
        command="bench …",
    )
    once = [("use", "A", 3), ("answer", 2, 1), ("flush",), ("answer", 5, 1)]
    assert engine.did[:4] == once
    # B before it was B: no loading, but another load to get used to.
    assert engine.did[8:12] == [("use", "A", 3), ("answer", 3, 3), ("flush",), ("answer", 5, 3)]
    assert len(found.runs) == 8
    first = found.runs[0]
    assert (first.configuration, first.concurrency, first.index) == ("A", 1, 0)
    assert (first.tokens, first.throughput, first.acceptance_length) == (20, 10.0, 2.0)
    assert first.accepted == (0, 10)
    assert found.settings == {
        "dtype": "float32",
        "max_new_tokens": 9,
        "temperature": 0.0,
        "ignore_eos": False,
        "prompts": 5,
        "warm_up_prompts": 2,
    }
    assert found.notes == ("As fast as it gets.", "Two were long.")
    assert (found.prompts_key, found.command) == (PROMPTS.key, "bench …")
    assert measurement.find(found.key) == found
    assert list(workspace.folder("journals").iterdir()) == []


def test_failed_runs_say_why_and_the_others_stand() -> None:
    engine = Engine()
    engine.fail = lambda did: "It fell over." if did[-1][:2] == ("use", "B") else None
    found = measure(engine, [A, B], PROMPTS, runs=2, local=False)
    assert [run.error for run in found.runs] == ["", "", "It fell over.", "It fell over."]
    assert len(found.good("A")) == 2
    # After a failure the configuration is set up anew.
    engine = Engine()
    engine.fail = lambda did: "Once." if len(did) == 4 else None
    found = measure(engine, [A], PROMPTS, runs=2, local=False)
    assert [run.error for run in found.runs] == ["Once.", ""]
    assert engine.did[4] == ("use", "A", 1)


def test_nothing_but_failures_is_not_kept() -> None:
    engine = Engine()
    engine.fail = lambda did: "Gone."
    assert not measure(engine, [A], PROMPTS, local=False).good("A")
    assert measurement.stored() == []


def test_an_engine_that_says_nothing_has_failed() -> None:
    engine = Engine()
    engine.answer = lambda prompts, *_: ([Answer(0, 0.1) for _ in prompts], 1.0)
    (run,) = measure(engine, [A], PROMPTS, runs=1, local=False).runs
    assert "without a single token" in run.error


def test_a_stopped_measurement_goes_on_and_finished_ones_begin_anew() -> None:
    def stop(done, total, words) -> None:
        if done == 15:  # prompts of three runs
            raise Cancelled("Stopped.")

    engine = Engine()
    with pytest.raises(Cancelled):
        measure(engine, [A, B], PROMPTS, runs=3, local=False, progress=stop)
    (journal,) = workspace.folder("journals").iterdir()
    assert journal.read_bytes()
    told = []
    engine = Engine()
    found = measure(
        engine, [A, B], PROMPTS, runs=3, local=False, progress=lambda *what: told.append(what)
    )
    assert sum(did == ("answer", 5, 1) for did in engine.did) == 3
    assert len(found.runs) == 6
    assert told[0] == (0, 30, "A, run 1 of 3")
    assert told[-1] == (30, 30, "Measured")
    # The next one is another measurement, and so is one that differs in anything.
    engine = Engine()
    measure(engine, [A, B], PROMPTS, runs=3, local=False)
    assert sum(did == ("answer", 5, 1) for did in engine.did) == 6


def test_progress_moves_within_a_run_and_not_in_the_warm_up() -> None:
    engine, told = Engine(), []
    engine.answered = 0

    def answer(prompts, generation, concurrency, check):
        for engine.answered in range(len(prompts)):
            check()
        return [Answer(4, 0.5, 0.1, 2, (0, 2)) for _ in prompts], 2.0

    engine.answer = answer
    measure(engine, [A, B], PROMPTS, runs=1, local=False, progress=lambda *what: told.append(what))
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert {total for _, total, _ in told} == {10}
    named = [(done, words) for done, _, words in told if "prompt" in words]
    assert named[:5] == [(i, f"A, run 1 of 1, prompt {i + 1}") for i in range(5)]
    assert named[5:] == [(5 + i, f"B, run 1 of 1, prompt {i + 1}") for i in range(5)]
    before = [words for done, _, words in told if done == 0 and "prompt" not in words]
    assert "A, run 1 of 1, setting the engine up" in before
    assert before[-1] == "A, run 1 of 1, warming up"


@pytest.mark.parametrize(
    "other",
    [
        {"generation": Generation(8)},
        {"prompts": PromptSet.of("four", PROMPTS.prompts[:4])},
        {"configurations": [A, replace(B, steps=4)]},
        {"warm_up": 0},
        {"resume_key": "another machine"},
    ],
)
def test_runs_of_something_else_are_not_taken(other) -> None:
    def stop(done, *_) -> None:
        if done == 5:
            raise Cancelled("Stopped.")

    same = {"configurations": [A, B], "prompts": PROMPTS, "local": False, "runs": 1}
    with pytest.raises(Cancelled):
        measure(Engine(), progress=stop, **same)
    engine = Engine()
    measure(engine, **{**same, **other})
    assert ("use", "A", 1) in engine.did


def test_failed_runs_are_tried_again_after_a_stop() -> None:
    def stop(done, *_) -> None:
        if done == 5:
            raise Cancelled("Stopped.")

    engine = Engine()
    engine.fail = lambda did: "Once."
    with pytest.raises(Cancelled):
        measure(engine, [A, B], PROMPTS, runs=1, local=False, progress=stop)
    found = measure(Engine(), [A, B], PROMPTS, runs=1, local=False)
    assert [run.error for run in found.runs] == ["", ""]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"configurations": []}, "at least one draft"),
        ({"configurations": [A, A]}, "Two configurations are called 'A'"),
        ({"runs": 0}, "At least 1 run"),
        ({"concurrencies": (0,)}, "different whole numbers"),
        ({"concurrencies": (2, 2)}, "different whole numbers"),
        ({"concurrencies": (6,)}, "6 requests at once need as many prompts, but five has 5"),
    ],
)
def test_settings_that_mean_nothing(settings, words) -> None:
    given = {"configurations": [A], "prompts": PROMPTS, **settings}
    with pytest.raises(InputError, match=words):
        measure(Engine(), **given)


def test_clocks_stand_beside_results(tmp_path, monkeypatch) -> None:
    write_nvidia_smi(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (gpu,) = hardware.gpus()
    assert (gpu.name, gpu.driver, gpu.slowed_by) == ("NVIDIA H200", "580.65", ("the power cap",))
    found = measure(Engine(), [A], PROMPTS, runs=1)
    assert found.settings["clocks_first"] == (
        "SM 1410 of 1980 MHz, memory 2619 MHz, 312.40 of 700.00 W, 54 °C, slowed by the power cap"
    )
    assert found.notes[-1] == "NVIDIA H200 was slowed by the power cap in run 1 of A."
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert hardware.gpus() == ()
    assert "clocks_first" not in measure(Engine(), [A], PROMPTS, runs=1).settings


def test_a_server_that_dies_loses_only_its_runs() -> None:
    with serving() as base, serving(draft="a/b") as trimmed:
        trimmed.misbehave, trimmed.misbehave_from = "dies", 9  # in its second run
        servers = Servers([("", base.url), ("4380", trimmed.url)])
        found = measure(servers, servers.configurations, PROMPTS, runs=3, local=False)
    assert [bool(run.error) for run in found.runs] == [False] * 3 + [False, True, True]
    assert "broke the connection off" in found.runs[-1].error
    assert found.engine == "SGLang 0.5.14"
    assert found.configurations[1].k == 4_380


def test_the_gpu_is_named_where_one_is_used() -> None:
    assert resources("sglang") == resources("torch", "cuda") == resources("torch") == ("gpu",)
    assert resources("torch", "cpu") == resources("sglang", urls=True) == ()
