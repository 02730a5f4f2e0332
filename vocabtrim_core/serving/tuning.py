"""Measured-objective TPE: an Optuna study whose trials are real measurements.

What is searched is discrete and expensive: which draft, how many steps, how wide a tree, how many
tokens verified. A trial measures one configuration; its value is output tokens per second. Nothing
is measured twice: where the sampler proposes what was measured before, it is told that value and
asked again. A trial that fails stays in the study with its reason, counts as zero for the sampler,
and is not tried again.

Every trial is sampled from the finished ones with a seed of its own, so an interrupted study goes
on as it would have, given the same measurements. The best of many noisy values flatters: measure
it again beside its baselines, in turns (see `rivals`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import optuna

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import WHOLES
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.optuna_storage import held, load_study, open_study, studies_url
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.measurement import Configuration, Measurement
from vocabtrim_core.serving.statistics import acceptance_length, interval

STEPS = "draft steps per cycle to choose from"
TOPKS = "branches per step to choose from, 1 for a chain"
VERIFIED = "tokens verified per cycle to choose from, for trees"
MOST_FAILURES = 3  # in a row; more would only spend the GPU
MOST_REPEATS = 8  # proposals of something measured before what is left is drawn at random
COMPLETE, FAIL = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched. drafts: size -> folder or id of the draft.

    draft_tokens: only with trees, where it is free; a chain of n steps verifies n + 1 tokens.
    """

    drafts: Mapping[int, str]
    steps: Annotated[tuple[int, ...], Leaf(WHOLES, "--steps", help=STEPS)] = (2, 3, 4, 5)
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
        """With draft tokens within what this shape can verify, the nearest to those asked for."""
        most = 1 + topk + (steps - 1) * topk**2
        tokens = steps + 1 if topk == 1 else int(np.clip(draft_tokens, steps + 1, most))
        label = f"{k:,} ({steps}-{topk}-{tokens})"
        return Configuration(label, k, self.drafts[k], steps, topk, tokens)

    def configurations(self) -> list[Configuration]:
        """Every one of them, once."""
        found = {}
        for k, steps, topk in itertools.product(sorted(self.drafts), self.steps, self.topks):
            for tokens in self.draft_tokens if topk > 1 else (0,):
                each = self.configuration(k, steps, topk, tokens)
                found[each.label] = each
        return list(found.values())

    def suggest(self, trial: optuna.Trial) -> Configuration:
        """The configuration nearest to what the sampler proposes.

        It proposes any whole number between the ends, on a log scale, so that it knows that 13,000
        and 16,000 are alike and 128,000 is not.
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

    def parameters(self, each: Configuration) -> dict[str, int]:
        """A configuration as the study's parameters."""
        found: dict[str, int] = {"k": each.k or 0, "steps": each.steps, "topk": each.topk}
        if each.topk > 1:
            fitting = (
                n
                for n in self.draft_tokens
                if self.configuration(found["k"], each.steps, each.topk, n) == each
            )
            found["draft_tokens"] = next(fitting)
        return found


def _nearest(value: int, values: Sequence[int]) -> int:
    return min(values, key=lambda each: abs(float(np.log(max(each, 1) / max(value, 1)))))


@dataclass(frozen=True, slots=True)
class TuningTrial:
    """One measured configuration. value: mean output tokens/s, None where it failed, see error.

    half: of its 95 % interval over `runs` runs.  measurement: key in the workspace.
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
    """A study, finished or under way."""

    study: str
    storage: str
    trials: tuple[TuningTrial, ...]
    question: Mapping[str, Any]

    @property
    def best(self) -> TuningTrial | None:
        """The first trial with the highest value; None while none went well."""
        good = [trial for trial in self.trials if trial.value is not None]
        return max(good, key=lambda trial: (trial.value, -trial.number), default=None)

    @property
    def best_so_far(self) -> list[float]:
        """The highest value up to each trial, 0 before the first that went well."""
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
    """Measure up to `trials` configurations of the space, those of earlier calls included.

    evaluate: measures one configuration, given it and the trial's number; EngineError fails that
    trial, anything else ends the search with what is finished kept.  about: what all trials share
    (target, engine, prompts, runs); a study of another space or another `about` is refused.
    InputError too when several trials in a row fail.
    """
    if trials < 1:
        raise InputError(f"trials must be at least 1, but it is {trials}.")
    storage = storage or studies_url()
    axes = {"drafts": {str(k): v for k, v in sorted(space.drafts.items())}} | {
        name: sorted(getattr(space, name)) for name in ("steps", "topks", "draft_tokens")
    }
    with held(storage, study):
        stored = open_study(storage, study, {**axes, **about, "seed": seed})
        failures = 0
        for number in range(len(_finished(stored)), min(trials, len(space.configurations()))):
            each, drawn_from = _propose(space, stored, seed + number)
            result = _measured(each, lambda each, n=number: evaluate(each, n))
            stored.add_trial(
                optuna.trial.create_trial(
                    state=FAIL if result.value is None else COMPLETE,
                    params=space.parameters(each),
                    distributions=drawn_from,
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
    """The study as stored now, also while another process runs it; None when there is none."""
    storage = storage or studies_url()
    stored = load_study(storage, study)
    return _tuning(stored, storage) if stored else None


def rivals(best: Configuration, space: Space, vocab_size: int | None) -> list[Configuration]:
    """The best configuration and what to measure it against in turns: no speculation, all V tokens
    and the 32,000 of published drafts in the same shape, where there are such drafts."""
    from vocabtrim_core.forecast.paper import SHIPPED_K

    found = [best, Configuration("no speculation")]
    for k in dict.fromkeys((vocab_size, SHIPPED_K)):
        if k is not None and k in space.drafts and k != best.k:
            found.append(space.configuration(k, best.steps, best.topk, best.draft_tokens))
    return found


def _propose(
    space: Space, stored: optuna.Study, seed: int
) -> tuple[Configuration, dict[str, optuna.distributions.BaseDistribution]]:
    """A configuration that was not measured yet (there is one), and what it was drawn from."""
    everything = space.configurations()
    sampler = optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=min(10, max(3, len(everything) // 4)),
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
    left = [each for each in everything if each.label not in values]
    chosen = left[np.random.default_rng(seed).integers(len(left))]
    memory.enqueue_trial(space.parameters(chosen))
    trial = memory.ask()
    return space.suggest(trial), trial.distributions


def _measured(each: Configuration, evaluate: Callable[[Configuration], Measurement]) -> TuningTrial:
    """A trial of this configuration; its number is the study's business."""
    try:
        made = evaluate(each)
    except EngineError as error:
        return TuningTrial(-1, each, None, error=str(error))
    runs = made.good(each.label)
    if not runs:
        failed = [run.error for run in made.runs if run.error]
        return TuningTrial(-1, each, None, error=failed[0] if failed else "No run was made.")
    found = interval([run.throughput for run in runs])
    return TuningTrial(-1, each, found.mean, found.half, found.n, acceptance_length(runs), made.key)


def _attributes(trial: TuningTrial) -> dict[str, Any]:
    """A trial as Optuna keeps it beside number and value."""
    kept = asdict(trial)
    del kept["number"], kept["value"]
    return {**kept, "label": trial.configuration.label}


def _finished(study: optuna.Study) -> Sequence[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(COMPLETE, FAIL))


def _tuning(stored: optuna.Study, storage: str) -> Tuning:
    return Tuning(
        stored.study_name, storage, tuple(_trials(stored)), stored.user_attrs.get("question", {})
    )


def _trials(stored: optuna.Study) -> Iterator[TuningTrial]:
    for trial in _finished(stored):
        kept = {name: value for name, value in trial.user_attrs.items() if name != "label"}
        configuration = Configuration(**kept.pop("configuration"))
        value = trial.values[0] if trial.state == COMPLETE else None
        yield TuningTrial(trial.number, configuration, value, **kept)
