"""The command that searches with real measurements: tune."""

from __future__ import annotations

import argparse
import hashlib
import json
from contextlib import closing, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli import bench, bench_setup
from vocabtrim_core.cli import bench_options as options
from vocabtrim_core.cli.arguments import integer, shared
from vocabtrim_core.cli.command import Command, Result, attributes, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.measurement import Configuration, Measurement
    from vocabtrim_core.serving.prompts.prompt_set import PromptSet
    from vocabtrim_core.serving.tuning import Space, TuningTrial


def _arguments(parser: argparse.ArgumentParser) -> None:
    from vocabtrim_core.serving.tuning import Space

    options.measurement_arguments(parser)
    group = parser.add_argument_group("the search")
    add_options(group, Space)
    shared(
        group, "--trials", default=20, help="configurations to measure in all (default %(default)s)"
    )
    group.add_argument(
        "--search-seed", type=integer, default=0, metavar="N", help="(default %(default)s)"
    )
    shared(group, "--study")
    shared(group, "--storage")
    group.add_argument(
        "--no-confirm",
        action="store_true",
        help="leave out the measurement of the best beside its baselines, in turns",
    )


def tune(arguments: argparse.Namespace, progress: Progress) -> Result:
    """Measure the configurations that TPE proposes, then the best again beside its baselines.

    Args:
        arguments: The parsed command line of `tune`.
        progress: Takes reports of the trials.

    Returns:
        JSON values: the study, its trials, the best one and its confirmation.

    Raises:
        InputError: The engine cannot change its draft, or several concurrencies are given.
    """
    from vocabtrim_core.jobs.queue import hold_resource
    from vocabtrim_core.serving import tuning
    from vocabtrim_core.serving.runner import resources

    engine = options.engine(arguments)
    if arguments.url:
        raise InputError(
            "A server that runs already cannot change its draft or steps; tune with --target and "
            "an engine that launches servers, or with the torch loop."
        )
    if len(arguments.concurrency) != 1:
        raise InputError("tune searches at one concurrency; name one.")
    needs = resources(engine, bench.device(engine, arguments))
    with hold_resource(needs[0], progress) if needs else nullcontext():
        first = _with(arguments, steps=None, topk=1, draft_tokens=None, sweep=[])
        setup = bench_setup.attach(engine, first, progress)
        with closing(setup.attached):
            space = _space(arguments, setup.configurations)
            prompts = bench_setup.prompts(arguments, setup, progress)
            conditions = {
                "target": setup.attached.target,
                "engine": setup.attached.label,
                "device": setup.attached.device,
                "prompts": prompts.key,
                "runs": arguments.runs,
                "max_new_tokens": arguments.max_new_tokens,
                "ignore_eos": arguments.ignore_eos,
                "concurrency": arguments.concurrency[0],
            }

            planned = min(arguments.trials, len(space.configurations()))

            def evaluate(configuration: Configuration, number: int) -> Measurement:
                def tell(done: int, total: int | None, message: str = "", **rates: float) -> None:
                    progress(number, planned, f"Trial {number + 1}: {message}", **rates)

                return _measure(arguments, setup, [configuration], prompts, tell, bool(needs))

            search = tuning.tune(
                space,
                evaluate,
                study=arguments.study or _name(space, conditions, arguments.search_seed),
                about=conditions,
                trials=arguments.trials,
                seed=arguments.search_seed,
                storage=arguments.storage,
            )
            best = search.best
            confirmed = None
            if best and not arguments.no_confirm:
                rivals = tuning.rivals(best.configuration, space, setup.attached.vocab_size)
                confirmed = _measure(arguments, setup, rivals, prompts, progress, bool(needs))
    return {
        "study": search.study,
        "storage": search.storage,
        "configurations": len(space.configurations()),
        "trials": [_row(trial) for trial in search.trials],
        "best": _row(best) if best else None,
        "confirmed": bench.shown(confirmed) if confirmed else None,
    }


def _space(arguments: argparse.Namespace, configurations: Sequence[Configuration]) -> Space:
    """Make the search space of the attached drafts in every shape that the options name."""
    from vocabtrim_core.serving.tuning import Space

    drafts: dict[int, str] = {}
    for configuration in configurations:
        if configuration.k is None:
            continue
        if configuration.k in drafts:
            raise InputError(
                f"Two drafts keep {configuration.k:,} tokens, {drafts[configuration.k]} and "
                f"{configuration.draft}; the search tells drafts apart by size, so name one of "
                "them."
            )
        drafts[configuration.k] = configuration.draft
    return parsed(Space, arguments, drafts=drafts)


def _measure(
    arguments: argparse.Namespace,
    setup: bench_setup.Setup,
    configurations: Sequence[Configuration],
    prompts: PromptSet,
    progress: Any,
    local: bool,
) -> Measurement:
    from vocabtrim_core.serving.engine import Generation
    from vocabtrim_core.serving.runner import measure

    shape = next(configuration for configuration in configurations if configuration.k is not None)
    repeat = _with(
        arguments,
        steps=[str(shape.steps)],
        topk=shape.topk,
        draft_tokens=shape.draft_tokens if shape.topk > 1 else None,
        only=True,
        sweep=[],
        draft=[configuration.draft for configuration in configurations if configuration.draft],
        no_speculation=any(not configuration.draft for configuration in configurations),
    )
    return measure(
        setup.attached,
        configurations,
        prompts,
        generation=parsed(Generation, arguments),
        concurrencies=arguments.concurrency,
        runs=arguments.runs,
        warm_up=arguments.warm_up,
        local=local,
        progress=progress,
        command=options.command_line(repeat),
    )


def _with(arguments: argparse.Namespace, **changed: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(arguments), **changed})


def _name(space: Space, conditions: dict[str, Any], seed: int) -> str:
    """Name a study so that the same question gives the same study."""
    text = json.dumps([asdict(space), conditions, seed], sort_keys=True)
    return f"tune-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _row(trial: TuningTrial) -> Result:
    names = ("number", "value", "half", "runs", "acceptance_length", "measurement", "error")
    return {**asdict(trial.configuration), **attributes(trial, *names)}


def _text(result: Result) -> str:
    head = ("trial", "k", "steps", "top-k", "draft tokens", "tokens/s", "±", "acceptance")
    rows = [
        (
            row["number"] + 1,
            row["k"],
            row["steps"],
            row["topk"],
            row["draft_tokens"],
            "failed" if row["value"] is None else f"{row['value']:,.2f}",
            "" if row["half"] is None else f"{row['half']:,.2f}",
            "" if row["acceptance_length"] is None else f"{row['acceptance_length']:.3f}",
        )
        for row in result["trials"]
    ]
    lines = [table([head, *rows])]
    lines += [
        f"Trial {row['number'] + 1}: {row['error']}" for row in result["trials"] if row["error"]
    ]
    if best := result["best"]:
        lines.append(
            f"Best of {len(rows)} of {result['configurations']} configurations: {best['label']}, "
            f"{best['value']:,.1f} tokens/s. The best of many noisy values is optimistic."
        )
    if result["confirmed"]:
        lines += ["Measured again beside its baselines, in turns:", bench.text(result["confirmed"])]
    lines.append(f"study: {result['study']} in {result['storage']}")
    return "\n".join(lines)


COMMANDS = (
    Command(
        "tune",
        "search drafts, steps and trees by real measurements (TPE), on an attached engine",
        tune,
        _arguments,
        _text,
        "tune --target smollm2 --draft RUN --prompts tool-calls --limit 8 --trials 9 --steps 2 3",
    ),
)
