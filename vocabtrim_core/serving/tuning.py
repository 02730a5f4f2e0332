"""TPE on a measured objective: an Optuna study whose trials are measurements.

The space is discrete and each trial expensive: the draft, the number of steps, the width of the
tree, and the number of tokens verified. A trial measures one configuration; its value is output
tokens per second. No configuration is measured twice: where the sampler proposes one that was
measured, it gets that value and proposes again. A trial that fails stays in the study with its
error, has the value 0 for the sampler, and is not repeated.

Every trial is sampled from the finished ones with its own seed, so a resumed study continues as an
uninterrupted one would, given the same measurements. The best of many noisy values is biased
upwards, so measure it again in alternation with its baselines (see `rivals`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import optuna

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import SMALL_WHOLES, WHOLES
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.optuna_storage import load_study, open_study, studies_url, study_lock
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.measurement import FORMAT, Configuration, Measurement, find
from vocabtrim_core.serving.statistics import acceptance_length, interval

STEPS = "draft steps per cycle to choose from"
TOPKS = "branches per step to choose from, 1 for a chain"
VERIFIED = "tokens verified per cycle to choose from, for trees"
MOST_FAILURES = 3  # in a row; more would only spend the GPU
MOST_REPEATS = 8  # proposals of something measured before what is left is drawn at random
COMPLETE, FAIL = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL


@dataclass(frozen=True, slots=True)
class Space:
    """The configurations to search.

    Attributes:
        drafts: Folders or ids of the drafts, by size.
        steps: Draft steps per cycle.
        topks: Branches per step, 1 for a chain.
        draft_tokens: Tokens verified per cycle, for trees only; a chain of n steps verifies n + 1.

    Raises:
        InputError: A list is empty or holds a value below 1, or trees have no draft tokens.
    """

    drafts: Mapping[int, str]
    steps: Annotated[tuple[int, ...], Leaf(SMALL_WHOLES, "--steps", help=STEPS)] = (2, 3, 4, 5)
    topks: Annotated[tuple[int, ...], Leaf(WHOLES, "--topk", help=TOPKS)] = (1,)
    draft_tokens: Annotated[tuple[int, ...], Leaf(WHOLES, "--draft-tokens", help=VERIFIED)] = ()

    def __post_init__(self) -> None:
        for name, values in (
            ("drafts", tuple(self.drafts)),
            ("steps", self.steps),
            ("top-k", self.topks),
        ):
            if not values:
                raise InputError(f"There are no {name} to search over.")
            if min(values) < 1:
                raise InputError(f"{name} must be 1 or more, but {min(values)} is among them.")
        if max(self.topks) > 1 and not self.draft_tokens:
            raise InputError("A tree (top-k above 1) needs the draft tokens to choose from.")

    def configuration(self, k: int, steps: int, topk: int, draft_tokens: int = 0) -> Configuration:
        """A configuration of the space.

        Args:
            k: Size of the draft, a key of `drafts`.
            steps: Draft steps per cycle.
            topk: Branches per step.
            draft_tokens: Tokens verified per cycle; limited to what the shape can verify, and
                ignored for a chain.

        Returns:
            The configuration, labelled k (steps-topk-tokens).
        """
        most = 1 + topk + (steps - 1) * topk**2
        tokens = steps + 1 if topk == 1 else int(np.clip(draft_tokens, steps + 1, most))
        label = f"{k:,} ({steps}-{topk}-{tokens})"
        return Configuration(label, k, self.drafts[k], steps, topk, tokens)

    def configurations(self) -> list[Configuration]:
        """All configurations of the space, each once."""
        by_label = {}
        for k, steps, topk in itertools.product(sorted(self.drafts), self.steps, self.topks):
            for tokens in self.draft_tokens if topk > 1 else (0,):
                configuration = self.configuration(k, steps, topk, tokens)
                by_label[configuration.label] = configuration
        return list(by_label.values())

    def suggest(self, trial: optuna.Trial) -> Configuration:
        """The configuration nearest to the sampler's proposal.

        The sampler proposes whole numbers between the smallest and the largest value, on a log
        scale, so that it uses the order of sizes: 13,000 is closer to 16,000 than to 128,000.

        Args:
            trial: A trial of Optuna, which gets the proposals as parameters.

        Returns:
            The configuration.
        """
        k, steps, topk = (
            _nearest(trial.suggest_int(name, min(values), max(values), log=True), values)
            for name, values in (
                ("k", tuple(self.drafts)),
                ("steps", self.steps),
                ("topk", self.topks),
            )
        )
        tokens = 0
        if topk > 1:
            low, high = min(self.draft_tokens), max(self.draft_tokens)
            tokens = trial.suggest_int("draft_tokens", low, high, log=True)
        return self.configuration(k, steps, topk, _nearest(tokens, self.draft_tokens or (0,)))

    def parameters(self, configuration: Configuration) -> dict[str, int]:
        """The parameters of a configuration in the study.

        Args:
            configuration: A configuration of the space.

        Returns:
            Values by name: k, steps, topk, and for trees draft_tokens.
        """
        k, steps, topk = configuration.k or 0, configuration.steps, configuration.topk
        parameters = {"k": k, "steps": steps, "topk": topk}
        if topk > 1:
            parameters["draft_tokens"] = next(
                n
                for n in self.draft_tokens
                if self.configuration(k, steps, topk, n) == configuration
            )
        return parameters


def _nearest(value: int, values: Sequence[int]) -> int:
    return min(values, key=lambda other: abs(float(np.log(max(other, 1) / max(value, 1)))))


@dataclass(frozen=True, slots=True)
class TuningTrial:
    """One measured configuration.

    Attributes:
        number: Its position in the study, from 0.
        configuration: The configuration.
        value: Mean output tokens/s, None where the trial failed.
        half: Half the width of the 95 % interval of `value`, None for a single run.
        runs: Number of good runs.
        acceptance_length: See `acceptance_length.LENGTH_HELP`; None without speculation.
        measurement: Key of the measurement in the workspace.
        error: Why the trial failed, else "".
    """

    number: int
    configuration: Configuration
    value: float | None
    half: float | None = None
    runs: int = 0
    acceptance_length: float | None = None
    measurement: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The finished trials of a study.

    Attributes:
        study: Its name.
        storage: URL of its storage.
        trials: The trials in order, failed ones included.
        question: Its settings, JSON values by name.
    """

    study: str
    storage: str
    trials: tuple[TuningTrial, ...]
    question: Mapping[str, Any]

    @property
    def best(self) -> TuningTrial | None:
        """The first trial with the highest value; None where all have failed."""
        good = [trial for trial in self.trials if trial.value is not None]
        return max(good, key=lambda trial: (trial.value, -trial.number), default=None)

    @property
    def best_so_far(self) -> list[float]:
        """The highest value up to each trial, 0 before the first good one."""
        return list(itertools.accumulate((trial.value or 0.0 for trial in self.trials), max))


def tune(
    space: Space,
    evaluate: Callable[[Configuration, int], Measurement],
    *,
    study: str,
    about: Mapping[str, Any],
    trials: int = 20,
    seed: int = 0,
    storage: str | None = None,
) -> Tuning:
    """Run a study up to a number of trials. A stored study of this name is continued.

    Args:
        space: The configurations to search.
        evaluate: Measures a configuration, given it and the number of the trial. An EngineError
            makes the trial fail; any other error ends the search, and finished trials are kept.
        study: Name of the study.
        about: Settings that all trials share, such as target, engine, prompts and runs.
        trials: Trials in all, with those already stored; at most the size of the space.
        seed: Seed of the sampler.
        storage: URL of an Optuna storage, the workspace's SQLite file by default.

    Returns:
        The study with its finished trials.

    Raises:
        InputError: The stored study has another space or other settings, three trials in a row
            failed, or the storage fails.
    """
    if trials < 1:
        raise InputError(f"trials must be at least 1, but it is {trials}.")
    storage = storage or studies_url()
    axes = {"drafts": {str(k): v for k, v in sorted(space.drafts.items())}} | {
        name: sorted(getattr(space, name)) for name in ("steps", "topks", "draft_tokens")
    }
    with study_lock(storage, study):
        stored = open_study(storage, study, {**axes, **about, "seed": seed})
        failures = 0
        for number in range(len(_finished(stored)), min(trials, len(space.configurations()))):
            configuration, distributions = _propose(space, stored, seed + number)
            result = _measure(configuration, lambda c, n=number: evaluate(c, n))
            stored.add_trial(
                optuna.trial.create_trial(
                    state=FAIL if result.value is None else COMPLETE,
                    params=space.parameters(configuration),
                    distributions=distributions,
                    value=result.value,
                    user_attrs=_attributes(result),
                )
            )
            failures = failures + 1 if result.error else 0
            if failures == MOST_FAILURES:
                raise InputError(
                    f"{failures} trials in a row failed, the last because: {result.error} Finished "
                    "trials are kept; the same command goes on with others."
                )
        return _tuning(stored, storage)


def read(study: str, storage: str | None = None) -> Tuning | None:
    """Read a stored study, also while another process runs it.

    Args:
        study: Its name.
        storage: URL of its storage, the workspace's SQLite file by default.

    Returns:
        The study with its finished trials, None where there is no such study.

    Raises:
        InputError: The storage cannot be opened.
    """
    storage = storage or studies_url()
    stored = load_study(storage, study)
    return _tuning(stored, storage) if stored else None


def rivals(best: Configuration, space: Space, vocab_size: int | None) -> list[Configuration]:
    """The best configuration and its baselines, to be measured in alternation.

    Args:
        best: The best configuration of a study.
        space: The space of the study.
        vocab_size: V of the target, None where unknown.

    Returns:
        The best configuration, no speculation, and in the same shape the drafts of V and of 32,000
        tokens that the space has.
    """
    from vocabtrim_core.forecast.paper import SHIPPED_K

    configurations = [best, Configuration("no speculation")]
    for k in dict.fromkeys((vocab_size, SHIPPED_K)):
        if k is not None and k in space.drafts and k != best.k:
            baseline = space.configuration(k, best.steps, best.topk, best.draft_tokens)
            configurations.append(baseline)
    return configurations


def _propose(
    space: Space, stored: optuna.Study, seed: int
) -> tuple[Configuration, dict[str, optuna.distributions.BaseDistribution]]:
    """A configuration not measured yet (one must be left), and the distributions it is from."""
    configurations = space.configurations()
    sampler = optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=min(10, max(3, len(configurations) // 4)),
    )
    memory = optuna.create_study(direction="maximize", sampler=sampler)
    values = {}
    for trial in _finished(stored):
        value = trial.values[0] if trial.state == COMPLETE else 0.0
        values[trial.user_attrs["label"]] = value
        memory.add_trial(
            optuna.trial.create_trial(
                params=trial.params, distributions=trial.distributions, value=value
            )
        )
    for _ in range(MOST_REPEATS):
        trial = memory.ask()
        proposed = space.suggest(trial)
        if proposed.label not in values:
            return proposed, trial.distributions
        memory.tell(trial, values[proposed.label])
    unmeasured = [c for c in configurations if c.label not in values]
    chosen = unmeasured[np.random.default_rng(seed).integers(len(unmeasured))]
    memory.enqueue_trial(space.parameters(chosen))
    trial = memory.ask()
    return space.suggest(trial), trial.distributions


def _measure(
    configuration: Configuration, evaluate: Callable[[Configuration], Measurement]
) -> TuningTrial:
    """A trial of this configuration, without its number (-1)."""
    try:
        measurement = evaluate(configuration)
    except EngineError as error:
        return TuningTrial(-1, configuration, None, error=str(error))
    runs = measurement.good(configuration.label)
    if not runs:
        errors = [run.error for run in measurement.runs if run.error]
        error = errors[0] if errors else "No run was made."
        return TuningTrial(-1, configuration, None, error=error)
    rate = interval([run.throughput for run in runs])
    return TuningTrial(
        -1,
        configuration,
        rate.mean,
        rate.half,
        rate.n,
        acceptance_length(runs),
        measurement.key,
    )


def _attributes(trial: TuningTrial) -> dict[str, Any]:
    """The attributes of a trial that Optuna stores with its number and value."""
    attributes = asdict(trial)
    del attributes["number"], attributes["value"]
    return {**attributes, "label": trial.configuration.label, "format": FORMAT}


def _finished(study: optuna.Study) -> Sequence[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(COMPLETE, FAIL))


def _tuning(stored: optuna.Study, storage: str) -> Tuning:
    return Tuning(
        stored.study_name, storage, tuple(_trials(stored)), stored.user_attrs.get("question", {})
    )


def _trials(stored: optuna.Study) -> Iterator[TuningTrial]:
    for trial in _finished(stored):
        attributes = dict(trial.user_attrs)
        label = attributes.pop("label")
        configuration = Configuration(**attributes.pop("configuration"))
        if attributes.pop("format", 1) < 2:  # its acceptance length has another definition
            attributes["acceptance_length"] = _stored_length(attributes["measurement"], label)
        value = trial.values[0] if trial.state == COMPLETE else None
        yield TuningTrial(trial.number, configuration, value, **attributes)


def _stored_length(key: str, label: str) -> float | None:
    """The acceptance length of a stored measurement; None where it was deleted, or is not known."""
    try:
        return acceptance_length(find(key).good(label))
    except InputError:
        return None
