"""The command that measures drafts: bench."""

from __future__ import annotations

import argparse
from contextlib import closing, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli import bench_options as options
from vocabtrim_core.cli import bench_setup
from vocabtrim_core.cli.bench_options import TORCH
from vocabtrim_core.cli.command import Command, Result, attributes, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import parsed

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.measurement import Measurement


def bench(arguments: argparse.Namespace, progress: Progress) -> Result:
    """Attach an engine, measure the drafts and save the measurement.

    Args:
        arguments: The parsed command line of `bench`.
        progress: Takes reports of the work.

    Returns:
        What `shown` gives, with 'missing' (sentences on baselines) and 'out' (the file, or None).

    Raises:
        InputError: An option is out of range, or every run failed.
    """
    from vocabtrim_core.jobs.queue import hold_resource
    from vocabtrim_core.serving import measurement
    from vocabtrim_core.serving.engine import Generation
    from vocabtrim_core.serving.runner import measure, resources

    engine = options.engine(arguments)
    if arguments.max_new_tokens < 1:
        raise InputError(
            f"max-new-tokens must be at least 1, but it is {arguments.max_new_tokens}."
        )
    if arguments.warm_up < 0:
        raise InputError(f"warm-up must not be negative, but it is {arguments.warm_up}.")
    before = measurement.find(arguments.join) if arguments.join else None
    needs = resources(engine, device(engine, arguments), urls=bool(arguments.url))
    with hold_resource(needs[0], progress) if needs else nullcontext():
        setup = bench_setup.attach(engine, arguments, progress)
        with closing(setup.attached):
            outcome = measure(
                setup.attached,
                setup.configurations,
                bench_setup.prompts(arguments, setup, progress),
                generation=parsed(Generation, arguments),
                concurrencies=arguments.concurrency,
                runs=arguments.runs,
                warm_up=arguments.warm_up,
                local=bool(needs),
                progress=progress,
                command=options.command_line(arguments),
            )
    if all(run.error for run in outcome.runs):
        raise InputError(f"No run went well: {outcome.runs[0].error}")
    if before is not None:
        outcome = _joined(before, outcome, arguments)
    if arguments.out:
        from vocabtrim_core.workspace.files import write_atomic

        write_atomic(arguments.out, outcome.encoded())
    return {
        **shown(outcome),
        "missing": list(setup.missing),
        "out": arguments.out,
    }


def _joined(before: Measurement, new: Measurement, arguments: argparse.Namespace) -> Measurement:
    """Join both and replace the new one in the workspace by the result."""
    from vocabtrim_core.serving import measurement
    from vocabtrim_core.serving.joining import joined

    try:
        merged = joined(
            before, new, insist=arguments.insist, across_engines=arguments.across_engines
        )
    except InputError as error:
        raise InputError(f"{error} What was measured is kept as {new.key}.") from error
    measurement.save(merged)
    measurement.remove(new.key)
    return merged


def device(engine: str, arguments: argparse.Namespace) -> str:
    """Name the device that the measurement runs on.

    Args:
        engine: One of `bench_options.ENGINES`.
        arguments: The parsed command line; --device is for the torch loop.

    Returns:
        'cuda' for servers; for the torch loop 'cpu' or 'cuda', depending on what is installed.
    """
    if engine != TORCH:
        return "cuda"
    from vocabtrim_core.drafts.features import choose_device

    return choose_device(arguments.device)


# --- how it reads --------------------------------------------------------------------------------


def shown(measurement: Measurement) -> Result:
    """Turn a measurement into what commands print.

    Args:
        measurement: The measurement.

    Returns:
        JSON values: its facts, one row per configuration and concurrency, whether speculation
        pays, a verdict per draft, the best number of drafted tokens of each, and the fastest.
    """
    from vocabtrim_core.serving.drafted_tokens import best_steps
    from vocabtrim_core.serving.payoff import unpaid
    from vocabtrim_core.serving.summary import summary
    from vocabtrim_core.serving.verdict import verdict

    concurrencies = measurement.concurrencies
    drafting = [
        configuration for configuration in measurement.configurations if configuration.draft
    ]
    names = ("key", "prompts", "target", "engine", "device", "origin", "created", "command")
    return {
        **attributes(measurement, *names),
        "settings": dict(measurement.settings),
        "versions": dict(measurement.versions),
        "rows": [
            {"concurrency": n, **asdict(row)}
            for n in concurrencies
            for row in summary(measurement, n)
        ],
        "unpaid": [sentence for n in concurrencies if (sentence := unpaid(measurement, n))],
        "verdicts": [
            verdict(measurement, configuration.label, n)
            for n in concurrencies
            for configuration in drafting
        ],
        "best_steps": [sentence for n in concurrencies for sentence in best_steps(measurement, n)],
        "fastest": [sentence for n in concurrencies for sentence in _fastest(measurement, n)],
        "notes": list(measurement.notes),
    }


def _fastest(measurement: Measurement, concurrency: int) -> tuple[str, ...]:
    """Sentences on the fastest of several drafts, and how small a difference the runs show."""
    from vocabtrim_core.serving.summary import candidates
    from vocabtrim_core.serving.verdict import fastest, fastest_verdict, precision

    best = fastest(measurement, concurrency)
    if best is None:
        return ()
    several = len(candidates(measurement, concurrency)) > 1
    sentences = fastest_verdict(measurement, concurrency) if several else ()
    return (*sentences, *filter(None, [precision(measurement, best.label, concurrency)]))


def text(result: Result) -> str:
    """Write a measurement for people: rates with their intervals, verdicts, failures and notes.

    Args:
        result: What `bench` gives.

    Returns:
        Lines of text.
    """
    head = (
        "configuration",
        "at once",
        "runs",
        "tokens/s",
        "±",
        "acceptance",
        "latency ms",
        "first token ms",
    )
    on_cpu = any(row["cpu_per_token"] for row in result["rows"])
    head = (*head, "CPU ms/token") if on_cpu else head
    rows = []
    for row in result["rows"]:
        rate, late, first = row["throughput"], row["latency"], row["first_token"]
        rows.append(
            (
                row["label"],
                row["concurrency"],
                row["runs"],
                *((round(rate["mean"], 2), _plus(rate["half"])) if rate else ("failed", "")),
                round(row["acceptance_length"], 3) if row["acceptance_length"] else "",
                round(1e3 * late["mean"], 1) if late else "",
                round(1e3 * first["mean"], 1) if first else "",
                *([round(1e3 * (row["cpu_per_token"] or 0), 2) or ""] if on_cpu else []),
            )
        )
    title = f"{result['prompts']} on {result['target']}: {result['engine']}, {result['device']}"
    failed = [f"{row['label']}: {why}" for row in result["rows"] for why in row["failed"]]
    lines = [
        title,
        table([head, *rows]),
        *result["unpaid"],
        *result["verdicts"],
        *result["best_steps"],
        *result["fastest"],
        *failed,
    ]
    lines += [*result.get("missing", ()), *result["notes"], f"key: {result['key']}"]
    return "\n".join(lines)


def _plus(half: float | None) -> float | str:
    return "one run" if half is None else round(half, 2)


COMMANDS = (
    Command(
        "bench",
        "measure drafts: throughput, latency and acceptance length, on an attached engine",
        bench,
        options.bench_arguments,
        text,
        "bench --target demo --draft RUN --prompts tool-calls --limit 16",
    ),
)
