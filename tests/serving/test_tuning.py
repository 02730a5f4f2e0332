"""The measured-objective search, on an engine whose speed is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import optuna
import pytest

from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving import tuning
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.measurement import Answer, Configuration, Measurement, Run
from vocabtrim_core.serving.tuning import Space, read, rivals, tune

DRAFTS = {k: f"draft-{k}" for k in (1000, 4000, 13_000, 32_000, 128_000)}
ABOUT = {"target": "t", "runs": 2}
SPACE = Space(DRAFTS, steps=(2, 3, 4, 5, 6), topks=(1, 4), draft_tokens=(8, 16, 32))


def speed(each: Configuration) -> float:
    """Tokens/s with one optimum: 13,000 tokens, 4 steps, a chain."""
    assert each.k
    size = np.log(each.k / 13_000) ** 2
    return 200 - 4 * size - 5 * (each.steps - 4) ** 2 - 3 * (each.topk - 1)


class Fake:
    """An attached engine that decodes at a known speed, with a little noise."""

    label, device, target, vocab_size = "fake 1.0", "none", "t", 128_000
    versions: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()

    def __init__(self, broken: Callable[[Configuration], bool] = lambda each: False) -> None:
        self.used: list[Configuration] = []
        self.broken = broken
        self.noise = np.random.default_rng(0)

    def use(self, configuration: Configuration, concurrency: int) -> None:
        self.used.append(configuration)
        if self.broken(configuration):
            raise EngineError("The server died.")

    def flush(self) -> None: ...

    def answer(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        seconds = float(100 / (speed(self.used[-1]) + self.noise.normal(0, 0.2)))
        return [Answer(100, seconds, verified=40)], seconds

    def close(self) -> None: ...

    def evaluate(self, each: Configuration, number: int) -> Measurement:
        self.use(each, 1)
        runs = [
            Run.of(each.label, 1, i, *self.answer([], Generation(), 1, lambda: None))
            for i in range(2)
        ]
        return Measurement("p", "t", self.label, (each,), tuple(runs))


@pytest.fixture
def storage(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    return f"sqlite:///{tmp_path / 'studies.db'}"


def run(engine: Fake, storage: str, trials: int, space: Space = SPACE, **more):
    settings = {"study": "tuned", "about": ABOUT, "storage": storage, **more}
    return tune(space, engine.evaluate, trials=trials, **settings)


def test_the_optimum_is_found_in_a_part_of_the_space(storage):
    engine = Fake()
    found = run(engine, storage, 24)
    assert len(SPACE.configurations()) > 90
    assert len(found.trials) == len(engine.used) == len({each.label for each in engine.used}) == 24
    best = found.best
    assert best is not None
    assert best.value is not None
    assert best.value > 200 - 5.5
    assert (best.runs, best.acceptance_length) == (2, (100 - 1) / 40)
    assert found.best_so_far[-1] == best.value
    assert sorted(found.best_so_far) == found.best_so_far


def test_lengths_of_an_earlier_study_are_those_of_its_measurements(storage, monkeypatch):
    class Saving(Fake):
        def evaluate(self, each, number):
            found = super().evaluate(each, number)
            if number == 0:
                measurements.save(found)
            return found

    monkeypatch.setattr(tuning, "FORMAT", 1)
    run(Saving(), storage, 2)
    monkeypatch.undo()
    monkeypatch.setenv("VOCABTRIM_HOME", storage.removeprefix("sqlite:///").rpartition("/")[0])
    kept = read("tuned", storage)
    assert [trial.acceptance_length for trial in kept.trials] == [(100 - 1) / 40, None]


def test_an_interrupted_study_goes_on_as_it_would_have(tmp_path, storage):
    class Stopped(Fake):
        def evaluate(self, each, number):
            if number == 7:
                raise Cancelled("Stopped.")
            return super().evaluate(each, number)

    space = Space(DRAFTS, steps=(2, 3, 4, 5))
    engine = Stopped()
    with pytest.raises(Cancelled):
        run(engine, storage, 12, space)
    kept = read("tuned", storage)
    assert kept is not None
    assert len(kept.trials) == 7
    again = Fake()
    again.noise = engine.noise
    resumed = run(again, storage, 12, space)
    assert len(again.used) == 5
    whole = run(Fake(), f"sqlite:///{tmp_path / 'other.db'}", 12, space)
    assert [t.configuration for t in resumed.trials] == [t.configuration for t in whole.trials]
    assert [t.value for t in resumed.trials] == [t.value for t in whole.trials]


def test_a_small_space_is_measured_whole_and_once(storage):
    engine = Fake()
    space = Space({1000: "a", 4000: "b"}, steps=(2, 3))
    found = run(engine, storage, 50, space)
    assert {t.configuration.label for t in found.trials} == {
        "1,000 (2-1-3)",
        "1,000 (3-1-4)",
        "4,000 (2-1-3)",
        "4,000 (3-1-4)",
    }
    assert len(engine.used) == 4
    assert run(engine, storage, 50, space) == found
    assert len(engine.used) == 4


def test_failed_trials_are_kept_with_their_reason_and_avoided(storage):
    engine = Fake(broken=lambda each: each.steps >= 6)
    found = run(engine, storage, 12)
    failed = [trial for trial in found.trials if trial.value is None]
    assert failed
    assert all(trial.error == "The server died." for trial in failed)
    assert len({trial.configuration.label for trial in failed}) == len(failed)
    assert found.best is not None
    assert found.best.configuration.steps != 6


def test_a_server_that_never_answers_ends_the_search(storage):
    engine = Fake(broken=lambda each: True)
    with pytest.raises(InputError, match="3 trials in a row failed, the last because: The server"):
        run(engine, storage, 30)
    assert len(engine.used) == 3
    kept = read("tuned", storage)
    assert kept is not None
    assert (len(kept.trials), kept.best, kept.best_so_far) == (3, None, [0, 0, 0])


def test_runs_that_failed_within_a_measurement_fail_the_trial(storage):
    def evaluate(each, number):
        run = Run(each.label, 1, 0, error="It stalled.")
        return Measurement("p", "t", "e", (each,), (run,) if number else ())

    space = Space({1000: "a"}, steps=(2, 3))
    found = tune(space, evaluate, study="s", about={}, storage=storage)
    assert [trial.error for trial in found.trials] == ["No run was made.", "It stalled."]


def test_the_study_opens_in_optuna_with_readable_parameters(storage):
    run(Fake(), storage, 4)
    study = optuna.load_study(study_name="tuned", storage=storage)
    assert study.user_attrs["question"]["target"] == "t"
    first = study.trials[0]
    assert first.params["k"] in DRAFTS
    assert first.user_attrs["configuration"]["draft"] == f"draft-{first.params['k']}"
    assert first.user_attrs["half"] > 0


def test_another_question_under_the_same_name_is_refused(storage):
    run(Fake(), storage, 2)
    with pytest.raises(InputError, match="was made for runs = 2, this search has runs = 3"):
        run(Fake(), storage, 2, about={**ABOUT, "runs": 3})
    with pytest.raises(InputError, match="give the study another name"):
        run(Fake(), storage, 2, Space(DRAFTS))
    assert read("another", storage) is None


def test_shapes_that_engines_take():
    shapes = [
        (c.steps, c.topk, c.draft_tokens)
        for c in Space({5: "a"}, (1, 3), (1, 2), (2, 4, 100)).configurations()
    ]
    # A chain of n verifies n + 1; a tree of one step of two has at most 3, of three steps 11.
    assert shapes == [(1, 1, 2), (1, 2, 2), (1, 2, 3), (3, 1, 4), (3, 2, 4), (3, 2, 11)]
    assert Space({5: "a"}, (3,), (2,), (6,)).configurations()[0].label == "5 (3-2-6)"


@pytest.mark.parametrize("space", [SPACE, Space(DRAFTS, (2,), (2, 3), (3, 5))])
def test_every_configuration_can_be_proposed(space):
    for each in space.configurations():
        trial = optuna.trial.FixedTrial(space.parameters(each))
        assert space.suggest(trial) == each


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Space({}), "no drafts"),
        (lambda: Space(DRAFTS, ()), "no steps"),
        (lambda: Space(DRAFTS, (0,)), "steps must be 1 or more"),
        (lambda: Space(DRAFTS, (3,), (4,)), "needs the draft tokens"),
        (lambda: tune(SPACE, Fake().evaluate, study="s", about={}, trials=0), "at least 1"),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_best_is_measured_again_beside_its_baselines():
    best = SPACE.configuration(13_000, 4, 1)
    assert [c.label for c in rivals(best, SPACE, 128_000)] == [
        "13,000 (4-1-5)",
        "no speculation",
        "128,000 (4-1-5)",
        "32,000 (4-1-5)",
    ]
    assert [c.label for c in rivals(SPACE.configuration(32_000, 4, 1), SPACE, None)] == [
        "32,000 (4-1-5)",
        "no speculation",
    ]
