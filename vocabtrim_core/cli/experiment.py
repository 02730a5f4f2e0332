"""The command that carries out an experiment, and the one that shows those of the workspace."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.cli.run import encoded, parser
from vocabtrim_core.fields.codec import add_options, parsed

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def commands(stages: Iterable[Command]) -> tuple[Command, ...]:
    """Make the commands about experiments.

    Args:
        stages: The commands that an experiment runs.

    Returns:
        The commands.
    """
    stages = tuple(stages)

    def carry_out(arguments: argparse.Namespace, progress: Progress) -> Result:
        from vocabtrim_core.experiment.outcome import outcome
        from vocabtrim_core.experiment.plan import ExperimentPlan
        from vocabtrim_core.experiment.record import carry_out

        def run(argv: list[str], progress: Any) -> Mapping[str, Any]:
            stage = parser(stages, argv).parse_args(argv)
            return json.loads(encoded(stage.command.run(stage, progress)))

        plan = parsed(ExperimentPlan, arguments)
        return outcome(carry_out(plan, run, progress))

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


def _text(result: Result) -> str:
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
    times = [(stage["title"], f"{stage['seconds']:,.0f}") for stage in result["stages"]]
    lines = [
        table([("stage", "seconds"), *times]),
        table([(*head, *(f"over {base}" for base in bases)), *rows]),
        *(sentence for name in SAID for sentence in result[name]),
        f"key: {result['key']}",
    ]
    return "\n".join(lines)


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
