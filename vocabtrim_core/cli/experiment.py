"""The command that carries out an experiment, and the one that shows those of the workspace."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.command import Command, Result, attributes, table
from vocabtrim_core.cli.run import encoded, parser
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options, parsed
from vocabtrim_core.wording import between, format_bytes, signed

if TYPE_CHECKING:
    from vocabtrim_core.experiment.plan import ExperimentPlan
    from vocabtrim_core.jobs.progress import Progress


def commands(stages: Iterable[Command]) -> tuple[Command, ...]:
    """Make the commands about experiments.

    Args:
        stages: The commands that an experiment runs.

    Returns:
        The commands.
    """
    stages = tuple(stages)

    def run(argv: list[str], progress: Any) -> Mapping[str, Any]:
        stage = parser(stages, argv).parse_args(argv)
        return json.loads(encoded(stage.command.run(stage, progress)))

    def carry_out(arguments: argparse.Namespace, progress: Progress) -> Result:
        from vocabtrim_core.experiment.outcome import outcome
        from vocabtrim_core.experiment.plan import ExperimentPlan
        from vocabtrim_core.experiment.record import begun, carry_out

        plan = parsed(ExperimentPlan, arguments)
        if arguments.estimate:
            return estimated(plan, progress, run)
        cost: Result = {}
        if not begun(plan).stages:
            cost = estimated(plan, progress)
            progress.clear()
            print(cost["sentence"], file=sys.stderr)
            if cost["problem"]:
                raise InputError(cost["problem"])
        by_stage = {stage["name"]: stage["seconds"] for stage in cost.get("stages", ())}
        return outcome(carry_out(plan, run, progress, by_stage))

    return (
        Command(
            "experiment",
            "from prompts to a measured comparison: own answers, k*, drafts, tokens per second",
            carry_out,
            _arguments,
            _text,
            "experiment --target smollm2 --engine llama.cpp",
        ),
        Command(
            "experiments",
            "list the experiments of the workspace, the newest first",
            _list,
            lambda parser: None,
            _list_text,
        ),
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    from vocabtrim_core.experiment.plan import ExperimentPlan

    add_options(parser, ExperimentPlan)
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="say what it takes, after a few answers and a few steps of training, and stop",
    )


def estimated(
    plan: ExperimentPlan,
    progress: Progress,
    run: Callable[[list[str], Any], Mapping[str, Any]] | None = None,
) -> Result:
    """Estimate an experiment.

    Args:
        plan: Its settings.
        progress: Takes reports.
        run: Runs a command line, called as run(argv, progress); None for no trial first.

    Returns:
        JSON values: 'estimate' (true), 'stages' (name, title, seconds and memory of each),
        'seconds', 'memory', 'free_memory', 'problem', 'source' and 'sentence', as
        `experiment.estimate` has them, and 'training', seconds by size.

    Raises:
        InputError: The target, the engine or the trainer failed.
    """
    from vocabtrim_core.drafts import trial
    from vocabtrim_core.drafts.target import load_target
    from vocabtrim_core.drafts.training_env import choose_trainer, known_trainer
    from vocabtrim_core.experiment.estimate import TITLES, estimate, setting_of, sizes_of
    from vocabtrim_core.experiment.trial import try_answers

    target = load_target(plan.target, progress)
    trainer = known_trainer()
    if trainer is None:
        progress(0, None, "Looking at the trainer")
        trainer = choose_trainer(None)
    cost = estimate(plan, target, trainer)
    if run and not cost.problem:
        setting = setting_of(plan, target, trainer, try_answers(plan, run, progress))
        trial.measure(setting, sizes_of(plan, target), progress)
        cost = estimate(plan, target, trainer)
    return {
        "estimate": True,
        "stages": [{**asdict(stage), "title": TITLES[stage.name]} for stage in cost.stages],
        "training": {str(k): seconds for k, seconds in cost.training.items()},
        **attributes(cost, "seconds", "memory", "free_memory", "problem", "source", "sentence"),
    }


def _list(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.experiment.record import list_experiments

    return {
        "experiments": [
            {
                "key": experiment.plan.key,
                "next_stage": experiment.next_stage,
                "seconds": sum(stage.seconds for stage in experiment.stages),
                **asdict(experiment.plan),
            }
            for experiment in list_experiments()
        ]
    }


# --- how it reads --------------------------------------------------------------------------------


def _estimate_text(result: Result) -> str:
    rows = [
        (stage["title"], f"{stage['seconds']:,.0f}", format_bytes(stage["memory"] or 0))
        for stage in result["stages"]
    ]
    lines = [table([("stage", "seconds, about", "memory"), *rows]), result["sentence"]]
    return "\n".join([*lines, *filter(None, [result["problem"]])])


def _text(result: Result) -> str:
    if result.get("estimate"):
        return _estimate_text(result)
    from vocabtrim_core.experiment.outcome import SAID

    bases = list(dict.fromkeys(base for row in result["drafts"] for base in row["ratios"]))
    head = ("draft", "coverage, in sample", "held-out length", "acceptance length", "tokens/s")
    rows = [
        (
            row["label"],
            _number(row["coverage"], 4),
            _number(row["held_out_length"], 3),
            _number(row["acceptance_length"], 3),
            rate(row["throughput"]),
            *(over(row, base) for base in bases),
        )
        for row in result["drafts"]
    ]
    times = [
        (stage["title"], f"{stage['seconds']:,.0f}", _number(stage["estimated_seconds"], 0))
        for stage in result["stages"]
    ]
    lines = [
        table([("stage", "seconds", "estimated"), *times]),
        table([(*head, *(f"over {base}" for base in bases)), *rows]),
        *forecast_text(result["forecasts"]),
        *(sentence for name in SAID for sentence in result[name]),
        f"key: {result['key']}",
    ]
    return "\n".join(lines)


def forecast_text(forecasts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write the measured gains over V beside the forecasts made without them.

    Args:
        forecasts: 'forecasts' of an outcome.

    Returns:
        A table, and a sentence on how many lie in the band; nothing where there is none.
    """
    told = [row for row in forecasts if row["forecast"]]
    if not told:
        return list(dict.fromkeys(row["refused"] for row in forecasts))
    rows = [
        (
            row["label"],
            signed(row["measured"]),
            signed(row["forecast"]["middle"]),
            between(row["forecast"]["low"], row["forecast"]["high"]),
            "inside" if row["inside"] else "OUTSIDE",
        )
        for row in told
    ]
    inside = sum(bool(row["inside"]) for row in told)
    return [
        table([("draft", "over V, measured", "forecast", "90 % band", ""), *rows]),
        f"{inside} of {len(told)} measured gains over V lie in the 90 % band of the forecast made "
        "without them.",
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def rate(throughput: Mapping[str, Any] | None) -> str:
    """Write tokens per second with half of their interval.

    Args:
        throughput: 'mean' and 'half', as the outcome of an experiment holds them; None where all
            runs failed.

    Returns:
        '38.0 ± 0.9', the mean alone after one run, or 'failed'.
    """
    if throughput is None:
        return "failed"
    half = throughput["half"]
    return f"{throughput['mean']:.1f}" + ("" if half is None else f" ± {half:.1f}")


def over(draft: Mapping[str, Any], base: str) -> str:
    """Write how much faster a draft is than a baseline.

    Args:
        draft: A row of the outcome's 'drafts'.
        base: Name of the baseline.

    Returns:
        '+33.4 % ± 1.9', or "" where it was not compared with that baseline.
    """
    from vocabtrim_core.serving.statistics import RatioInterval
    from vocabtrim_core.serving.verdict import gain

    comparison = draft["ratios"].get(base)
    return gain(RatioInterval(**comparison["ratio"])) if comparison else ""


def _list_text(result: Result) -> str:
    head = ("key", "target", "engine", "sizes", "seconds", "next stage")
    rows = [
        (
            experiment["key"],
            experiment["target"],
            experiment["engine"],
            " ".join(experiment["sizes"]),
            round(experiment["seconds"]),
            experiment["next_stage"] or "finished",
        )
        for experiment in result["experiments"]
    ]
    return table([head, *rows]) if rows else "There is no experiment in this workspace yet."
