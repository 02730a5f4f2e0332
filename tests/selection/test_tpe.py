"""The paper's search: Optuna's own TPE, stored, resumed without a difference, never mixed up."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import optuna
import pytest
from helpers import ROOT

from vocabtrim_core import tpe, workspace
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.optuna_storage import studies_url
from vocabtrim_core.tradeoff import TradeOff

V = 4000
KEY = "0123456789abcdef"


def zipf(power=1.3):
    counts = (1e6 / np.arange(1, V + 1) ** power).astype(np.int64)
    return np.random.default_rng(0).permutation(counts)


def tradeoff(alpha=0.5, floor=0.0, k_min=50, k_max=V, power=1.3):
    draft = DraftArchitecture("tiny", 64, 128, 4, 2, 16, V)
    return TradeOff(CoverageCurve.of(zipf(power)), draft, alpha, floor, k_min, k_max)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    return tmp_path


def stop_after(trials):
    def progress(done, total, message="", **rates):
        if done == trials:
            raise Cancelled

    return progress


def test_it_is_optunas_tpe_trial_by_trial():
    """A plain Optuna study with the same seed evaluates the same ks, as the paper's code does."""
    trade = tradeoff()
    sampler = optuna.samplers.TPESampler(seed=42)
    plain = optuna.create_study(direction="maximize", sampler=sampler)
    plain.optimize(lambda t: trade.objective(t.suggest_int("k", 50, V)), n_trials=40)
    choice, search = tpe.search(trade, KEY, trials=40)
    assert [t.k for t in search.trials] == [t.params["k"] for t in plain.trials]
    assert [t.value for t in search.trials] == [t.value for t in plain.trials]
    assert choice == trade.at(plain.best_params["k"])


def test_it_ends_near_the_exact_optimum_and_never_above_it():
    trade = tradeoff()
    choice, search = tpe.search(trade, KEY, trials=60)
    exact = trade.optimum
    assert 0 <= exact.utility - choice.utility < 2e-3
    trace = search.best_so_far
    assert trace == sorted(trace)
    assert trace[-1] == choice.utility == search.best.value


@pytest.mark.parametrize("stops", [[1], [9, 10], [11, 25]])
def test_interrupted_and_resumed_equals_uninterrupted(stops):
    trade = tradeoff(floor=0.7)
    whole = tpe.search(trade, KEY, trials=30, study="whole")
    for stop in stops:
        with pytest.raises(Cancelled):
            tpe.search(trade, KEY, trials=30, study="parts", progress=stop_after(stop))
        assert len(tpe.read("parts").trials) == stop
    parts = tpe.search(trade, KEY, trials=30, study="parts")
    assert parts[0] == whole[0]
    assert parts[1].trials == whole[1].trials


def test_same_seed_same_result_other_seed_other_trials():
    trade = tradeoff()
    first = tpe.search(trade, KEY, trials=15, study="a")[1].trials
    assert tpe.search(trade, KEY, trials=15, study="b")[1].trials == first
    assert tpe.search(trade, KEY, trials=15, seed=7)[1].trials != first


def test_a_finished_study_answers_again_and_more_trials_extend_it():
    trade = tradeoff()
    forty = tpe.search(trade, KEY, trials=40)
    assert tpe.search(trade, KEY, trials=40) == forty
    assert len(tpe.read(forty[1].study).trials) == 40
    assert tpe.search(trade, KEY, trials=20)[1].trials == forty[1].trials[:20]
    assert tpe.search(trade, KEY, trials=45)[1].trials[:40] == forty[1].trials


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"alpha": 0.6}, "alpha"),
        ({"floor": 0.1}, "min_coverage"),
        ({"k_min": 51}, "k_min"),
        ({"k_max": V - 1}, "k_max"),
        ({}, "counts"),
        ({}, "seed"),
    ],
)
def test_a_study_of_another_question_is_refused(change, field):
    tpe.search(tradeoff(), KEY, trials=2, study="mine")
    key = "f" * 16 if field == "counts" else KEY
    seed = 1 if field == "seed" else 42
    with pytest.raises(InputError, match=f"The study mine was made for {field} = .*another name"):
        tpe.search(tradeoff(**change), key, trials=2, seed=seed, study="mine")
    assert len(tpe.read("mine").trials) == 2


def test_a_study_of_somebody_else_is_refused():
    tpe.search(tradeoff(), KEY, trials=1, study="ours")
    other = optuna.create_study(study_name="theirs", storage=studies_url())
    other.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(InputError, match="another kind of search"):
        tpe.search(tradeoff(), KEY, trials=1, study="theirs")


def test_trials_the_sampler_does_not_propose_are_not_built_upon():
    trade = tradeoff()
    tpe.search(trade, KEY, trials=3, study="edited")
    study = optuna.load_study(study_name="edited", storage=studies_url())
    space = {"k": optuna.distributions.IntDistribution(50, V)}
    study.add_trial(optuna.trial.create_trial(params={"k": 123}, distributions=space, value=0.99))
    with pytest.raises(InputError, match="its trial 3 has k = 123"):
        tpe.search(trade, KEY, trials=5, study="edited")


def test_the_stored_study_carries_its_provenance_and_opens_in_optuna():
    trade = tradeoff(floor=0.5)
    _, search = tpe.search(trade, KEY, trials=12)
    assert search.storage == studies_url()
    study = optuna.load_study(study_name=search.study, storage=search.storage)
    question = study.user_attrs["question"]
    assert (question["counts"], question["alpha"], question["min_coverage"]) == (KEY, 0.5, 0.5)
    assert (question["k_min"], question["k_max"], question["seed"]) == (50, V, 42)
    assert question["draft_hidden_size"] == 64
    assert study.user_attrs["versions"]["optuna"] == optuna.__version__
    assert study.user_attrs["exact"]["k"] == trade.optimum.k
    for trial in study.trials:
        coverage = trade.curve.at(trial.params["k"])
        assert trial.user_attrs["coverage"] == coverage
        assert (trial.value == -1) == (coverage < 0.5)
    assert study.best_value == search.best.value


def test_trials_are_readable_while_the_search_runs():
    seen = []
    name = tpe.study_name(tradeoff(), KEY, 42)

    def progress(done, total, message="", **rates):
        seen.append((done, len(tpe.read(name).trials)))

    tpe.search(tradeoff(), KEY, trials=6, progress=progress)
    assert seen == [(n, n) for n in range(1, 7)]


def test_progress_names_the_regret():
    rates_seen = []
    tpe.search(
        tradeoff(), KEY, trials=12, progress=lambda done, total, message, **r: rates_seen.append(r)
    )
    regrets = [rates["regret"] for rates in rates_seen]
    assert regrets == sorted(regrets, reverse=True)


def test_two_searches_at_once_share_one_study():
    results = []

    def tab():
        results.append(tpe.search(tradeoff(), KEY, trials=15))

    tabs = [threading.Thread(target=tab) for _ in range(2)]
    [t.start() for t in tabs]
    [t.join() for t in tabs]
    assert results[0] == results[1]
    assert len(tpe.read(results[0][1].study).trials) == 15


def test_no_study_yet_reads_as_none():
    assert tpe.read("nothing") is None


def test_floor_missed_by_every_trial_names_the_k_that_reaches_it():
    trade = tradeoff(floor=0.99999, power=1.0)
    assert trade.curve.smallest_k(0.99999) > V - 10
    with pytest.raises(InputError, match=r"None of the 3 trials .* k >= 4,000"):
        tpe.search(trade, KEY, trials=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials must be at least 1"),
        ({"seed": -1}, "seed must lie within"),
        ({"storage": "sqlite:////nowhere/at/all.db"}, "storage sqlite:////nowhere/at/all.db"),
        ({"storage": "studies.db"}, "storage studies.db cannot be opened"),
    ],
)
def test_bad_options_are_sentences(options, message):
    with pytest.raises(InputError, match=message):
        tpe.search(tradeoff(), KEY, **{"trials": 2, **options})


def test_unreachable_floor_is_refused_before_a_study_exists():
    with pytest.raises(InputError, match="unreachable within k <= 100"):
        tpe.search(tradeoff(floor=0.999, k_max=100), KEY)
    assert not (workspace.folder("studies") / "studies.db").exists()


def test_paper_bounds_fit_small_vocabularies():
    assert tpe.paper_bounds(128_256) == (50, 50_000)
    assert tpe.paper_bounds(40) == (40, 40)
    trade = TradeOff(
        CoverageCurve.of(np.array([3, 1])), DraftArchitecture("t", 4, 8, 1, 1, 4, 2), k_min=2
    )
    assert tpe.search(trade, KEY, trials=2)[0].k == 2  # a range of one


def test_a_full_disk_is_a_sentence_and_finished_trials_stay(home):
    """RLIMIT_FSIZE makes the kernel refuse to let the database grow, as a full disk does."""
    code = (
        "import resource; from pathlib import Path\n"
        "import test_tpe as t; from test_tpe import tpe\n"
        "tpe.search(t.tradeoff(), t.KEY, trials=3, study='s')\n"
        "size = Path(tpe.studies_url().removeprefix('sqlite:///')).stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
        "try: tpe.search(t.tradeoff(), t.KEY, trials=400, study='s')\n"
        "except tpe.InputError as error: print(error)"
    )
    folders = [Path(__file__).parent, ROOT, ROOT / "tests"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert "finished trials are kept" in done.stdout, done.stderr
    assert len(tpe.read("s").trials) >= 3
