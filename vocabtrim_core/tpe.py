"""The paper's search (section 2.6): Optuna's TPE over the integer k.

`TradeOff.optimum` finds the exact optimum of one corpus in milliseconds. The study is the paper's
method, compared with it: the `regret` reported is the exact utility minus the best one so far.

The sampler is Optuna's TPESampler with multivariate and constant_liar off, the defaults of the
Optuna that the paper used. It runs on a study in memory. Every finished trial is added to the
stored study in one transaction, so the storage holds finished trials only. To resume, the study in
memory is run again from the start with the stored values, which restores the sampler's random
state. A resumed study thus has the same trials as an uninterrupted one; a stored trial that the
sampler does not propose again is an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import optuna

from vocabtrim_core.errors import InputError
from vocabtrim_core.optuna_storage import load_study, open_study, studies_url, study_lock
from vocabtrim_core.tradeoff import Choice, TradeOff

PAPER_BOUNDS = (50, 50_000)  # k_min, k_max of the released code
PAPER_TRIALS = 100
PAPER_SEED = 42


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluated k.

    Attributes:
        number: Its position in the study, from 0.
        k: Draft vocabulary size.
        value: The objective: U(k), or -1 where C(k) is below the floor.
    """

    number: int
    k: int
    value: float


@dataclass(frozen=True, slots=True)
class Search:
    """The finished trials of a study.

    Attributes:
        study: Its name.
        storage: URL of its storage.
        trials: The trials in order.
        provenance: Its user attributes: settings ("question"), "versions" and "exact", the exact
            optimum.
    """

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
    """The bounds of k in the released code, limited to the vocabulary.

    Args:
        vocab_size: V.

    Returns:
        k_min, k_max.
    """
    return min(PAPER_BOUNDS[0], vocab_size), min(PAPER_BOUNDS[1], vocab_size)


def study_name(tradeoff: TradeOff, counts_key: str, seed: int) -> str:
    """The default name of a study; equal settings give the same name.

    Args:
        tradeoff: The objective and its bounds.
        counts_key: Key of the counts (`TokenCounts.key`).
        seed: Seed of the sampler.

    Returns:
        The name.
    """
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
    """Run a study up to a number of trials. A stored study of this name is continued.

    Args:
        tradeoff: The objective and its bounds.
        counts_key: Key of the counts (`TokenCounts.key`).
        trials: Trials in all, with those already stored.
        seed: Seed of the sampler, 0..2**32 - 1.
        storage: URL of an Optuna storage, the workspace's SQLite file by default.
        study: Name of the study, `study_name` by default.
        progress: Called after each trial as `Progress` is, with the rate `regret`.

    Returns:
        The choice at the best k, and the study with its first `trials` trials.

    Raises:
        InputError: A number is out of range; the stored study has other settings or other trials;
            the floor is out of reach or no trial reached it; or the storage fails.
    """
    if trials < 1:
        raise InputError(f"trials must be at least 1, but it is {trials}.")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must lie within 0..{2**32 - 1}, but it is {seed}.")
    exact = tradeoff.optimum
    storage = storage or studies_url()
    name = study or study_name(tradeoff, counts_key, seed)
    question = _question(tradeoff, counts_key, seed)
    with study_lock(storage, name):
        stored = open_study(storage, name, question)
        stored.set_user_attr("exact", asdict(exact))
        _run_trials(tradeoff, stored, trials, seed, exact, progress)
        finished = _search(stored, storage, trials)
    if not finished.best:
        raise InputError(
            f"None of the {trials} trials reached a coverage of {tradeoff.floor:g}, which takes "
            f"k >= {tradeoff.curve.smallest_k(tradeoff.floor):,}; raise k-min to that, run more "
            "trials, or take the exact method."
        )
    return tradeoff.at(finished.best.k), finished


def read(study: str, storage: str | None = None, *, trials: int | None = None) -> Search | None:
    """Read a stored study, also while another process runs it.

    Args:
        study: Its name.
        storage: URL of its storage, the workspace's SQLite file by default.
        trials: How many trials to return, all by default.

    Returns:
        The study with its finished trials, None where there is no such study.

    Raises:
        InputError: The storage cannot be opened.
    """
    storage = storage or studies_url()
    stored = load_study(storage, study)
    return _search(stored, storage, trials) if stored else None


def _run_trials(
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
    """The settings of a study; two studies with equal settings have the same trials."""
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
