"""The paper's search (section 2.6): Optuna's TPE over the integer k, on a storage others can open.

For one known corpus the exact optimum is a matter of milliseconds (`TradeOff.optimum`), so here
the study is the paper's method, checked against the truth: `regret` is what it leaves on the table.

The sampler is Optuna's TPESampler, one parameter at a time and without lies about running trials,
as in the Optuna of the paper. It runs on a study in memory; every finished trial is added to the
stored study in one transaction, so the storage only ever holds finished trials. To resume, the
study in memory is walked again: the sampler proposes, the stored value answers, and its random
state ends where the interrupted run left off. An interrupted study thus equals an uninterrupted
one, trial by trial, and a stored trial that the walk does not propose is told, not built upon.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import optuna

from vocabtrim_core.errors import InputError
from vocabtrim_core.optuna_storage import held, load_study, open_study, studies_url
from vocabtrim_core.tradeoff import Choice, TradeOff

PAPER_BOUNDS = (50, 50_000)  # k_min, k_max of the released code
PAPER_TRIALS = 100
PAPER_SEED = 42


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluated k. value: the objective, U(k), or -1 where C(k) is under the floor."""

    number: int
    k: int
    value: float


@dataclass(frozen=True, slots=True)
class Search:
    """A study, finished or under way."""

    study: str
    storage: str
    trials: tuple[Trial, ...]
    provenance: Mapping[str, Any]

    @property
    def best_so_far(self) -> list[float]:
        """The highest value up to each trial."""
        trace, best = [], float("-inf")
        for trial in self.trials:
            best = max(best, trial.value)
            trace.append(best)
        return trace

    @property
    def best(self) -> Trial | None:
        """The first trial with the highest value, None while no trial reached the floor."""
        reached = [trial for trial in self.trials if trial.value > -1]
        return max(reached, key=lambda trial: (trial.value, -trial.number), default=None)


def paper_bounds(vocab_size: int) -> tuple[int, int]:
    """k_min, k_max of the released code, clipped to a smaller target vocabulary."""
    return min(PAPER_BOUNDS[0], vocab_size), min(PAPER_BOUNDS[1], vocab_size)


def study_name(tradeoff: TradeOff, counts_key: str, seed: int) -> str:
    """The name a study has unless one is given: same question, same name."""
    text = json.dumps(_question(tradeoff, counts_key, seed), sort_keys=True)
    return f"tpe-{counts_key[:8]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def search(
    tradeoff: TradeOff,
    counts_key: str,
    *,
    trials: int = PAPER_TRIALS,
    seed: int = PAPER_SEED,
    storage: str | None = None,
    study: str | None = None,
    progress: Callable[..., None] | None = None,
) -> tuple[Choice, Search]:
    """Run the study up to `trials` trials and return its best k with all its trials.

    storage: an Optuna URL, the workspace's SQLite file when None. A study that is already there
    continues; one that asked something else (counts, alpha, floor, bounds, seed, architecture) is
    refused. InputError also when the floor is out of reach, or no trial reached it.
    """
    if trials < 1:
        raise InputError(f"trials must be at least 1, but it is {trials}.")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must lie within 0..{2**32 - 1}, but it is {seed}.")
    exact = tradeoff.optimum
    storage = storage or studies_url()
    name = study or study_name(tradeoff, counts_key, seed)
    question = _question(tradeoff, counts_key, seed)
    with held(storage, name):
        stored = open_study(storage, name, question)
        stored.set_user_attr("exact", asdict(exact))
        _walk(tradeoff, stored, trials, seed, exact, progress)
        found = _search(stored, storage, trials)
    if not found.best:
        raise InputError(
            f"None of the {trials} trials reached a coverage of {tradeoff.floor:g}, which takes "
            f"k >= {tradeoff.curve.smallest_k(tradeoff.floor):,}; raise k-min to that, run more "
            "trials, or take the exact method."
        )
    return tradeoff.at(found.best.k), found


def read(study: str, storage: str | None = None, *, trials: int | None = None) -> Search | None:
    """The study's first `trials` as stored now, also while another process runs it.

    None when there is no such study yet.
    """
    storage = storage or studies_url()
    stored = load_study(storage, study)
    return _search(stored, storage, trials) if stored else None


def _walk(
    tradeoff: TradeOff,
    stored: optuna.Study,
    trials: int,
    seed: int,
    exact: Choice,
    progress: Callable[..., None] | None,
) -> None:
    """Bring the stored study up to `trials` trials."""
    space: dict[str, optuna.distributions.BaseDistribution] = {
        "k": optuna.distributions.IntDistribution(tradeoff.k_min, tradeoff.last_k)
    }
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=False, constant_liar=False)
    memory = optuna.create_study(direction="maximize", sampler=sampler)
    finished, best = _finished(stored), float("-inf")
    for number in range(trials):
        trial = memory.ask(space)
        k = trial.params["k"]
        if number < len(finished):
            if finished[number].k != k:
                made_with = stored.user_attrs["versions"]["optuna"]
                raise InputError(
                    f"The study {stored.study_name} cannot be continued: its trial {number} has "
                    f"k = {finished[number].k:,} where the sampler proposes {k:,} (it was made "
                    f"with Optuna {made_with}, this is {optuna.__version__}); name a new study."
                )
            value = finished[number].value
        else:
            choice, value = tradeoff.at(k), tradeoff.objective(k)
            stored.add_trial(
                optuna.trial.create_trial(
                    params={"k": k},
                    distributions=space,
                    value=value,
                    user_attrs={
                        "coverage": choice.coverage,
                        "latency_reduction": choice.latency_reduction,
                    },
                )
            )
        memory.tell(trial, value)
        best = max(best, value)
        if progress:
            gap = {"regret": exact.utility - best} if best > -1 else {}
            progress(number + 1, trials, f"Trial {number + 1}: k = {k:,}", **gap)


def _question(tradeoff: TradeOff, counts_key: str, seed: int) -> dict[str, Any]:
    """What a study answers; two studies with the same question have the same trials."""
    return {
        "counts": counts_key,
        "alpha": tradeoff.alpha,
        "min_coverage": tradeoff.floor,
        "k_min": tradeoff.k_min,
        "k_max": tradeoff.last_k,
        "seed": seed,
        **{f"draft_{name}": value for name, value in asdict(tradeoff.architecture).items()},
    }


def _finished(study: optuna.Study) -> list[Trial]:
    states = (optuna.trial.TrialState.COMPLETE,)
    return [
        Trial(trial.number, trial.params["k"], trial.values[0])
        for trial in study.get_trials(deepcopy=False, states=states)
    ]


def _search(study: optuna.Study, storage: str, trials: int | None = None) -> Search:
    attributes = study.user_attrs
    return Search(study.study_name, storage, tuple(_finished(study)[:trials]), attributes)
