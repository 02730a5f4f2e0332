"""The command that measures drafts: bench."""

from __future__ import annotations

import argparse
from contextlib import closing, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli import bench_options as given_
from vocabtrim_core.cli import bench_setup
from vocabtrim_core.cli.bench_options import TORCH
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.leaf import At, from_argv

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.measurement import Measurement


def bench(given: argparse.Namespace, progress: Progress) -> Result:
    """Attach, measure, save; what `--json` prints."""
    from vocabtrim_core.jobs.turns import hold
    from vocabtrim_core.serving import measurement
    from vocabtrim_core.serving.engine import Generation
    from vocabtrim_core.serving.runner import measure, resources

    engine = given_.engine(given)
    if given.max_new_tokens < 1:
        raise InputError(f"max-new-tokens must be at least 1, but it is {given.max_new_tokens}.")
    if given.warm_up < 0:
        raise InputError(f"warm-up must not be negative, but it is {given.warm_up}.")
    before = measurement.find(given.join) if given.join else None
    needs = resources(engine, device(engine, given))
    with hold(needs[0], progress) if needs else nullcontext():
        setup = bench_setup.attach(engine, given, progress)
        with closing(setup.attached):
            found = measure(
                setup.attached,
                setup.configurations,
                bench_setup.prompts(given, setup, progress),
                generation=Generation(**from_argv(Generation, given, At())),
                concurrencies=given.concurrency,
                runs=given.runs,
                warm_up=given.warm_up,
                local=bool(needs),
                progress=progress,
                command=given_.command_line(given),
            )
    if all(run.error for run in found.runs):
        raise InputError(f"No run went well: {found.runs[0].error}")
    if before is not None:
        found = _joined(before, found, given.insist)
    if given.out:
        from vocabtrim_core.workspace.files import write_atomic

        write_atomic(given.out, found.encoded())
    return {
        **shown(found),
        "missing": list(setup.missing),
        "out": str(given.out) if given.out else None,
    }


def _joined(before: Measurement, found: Measurement, insist: bool) -> Measurement:
    """Both as one, which takes the place of the new one in the workspace."""
    from vocabtrim_core.serving import measurement
    from vocabtrim_core.serving.joining import joined

    try:
        both = joined(before, found, insist=insist)
    except InputError as error:
        raise InputError(f"{error} What was measured is kept as {found.key}.") from error
    measurement.save(both)
    measurement.remove(found.key)
    return both


def device(engine: str, given: argparse.Namespace) -> str:
    """Where the torch loop will run: it takes the GPU's turn only where there is one."""
    if engine != TORCH:
        return "cuda"
    from vocabtrim_core.drafts.features import choose_device

    return choose_device(given.device)


# --- how it reads --------------------------------------------------------------------------------


def shown(measurement: Measurement) -> Result:
    """A measurement as commands print it."""
    from vocabtrim_core.serving.statistics import summary, verdict

    at_once = measurement.concurrencies
    drafting = [each for each in measurement.configurations if each.draft]
    return {
        "key": measurement.key,
        **{
            name: getattr(measurement, name)
            for name in (
                "prompts",
                "target",
                "engine",
                "device",
                "toy",
                "origin",
                "created",
                "command",
            )
        },
        "settings": dict(measurement.settings),
        "versions": dict(measurement.versions),
        "rows": [
            {"concurrency": n, **asdict(row)} for n in at_once for row in summary(measurement, n)
        ],
        "verdicts": [verdict(measurement, each.label, n) for n in at_once for each in drafting],
        "notes": list(measurement.notes),
    }


def text(result: Result) -> str:
    """Rates with their intervals, verdicts, what failed, what to know."""
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
            )
        )
    toy = " (a toy target that demonstrates the mechanism)" if result["toy"] else ""
    title = (
        f"{result['prompts']} on {result['target']}{toy}: {result['engine']}, {result['device']}"
    )
    failed = [f"{row['label']}: {why}" for row in result["rows"] for why in row["failed"]]
    lines = [title, table([head, *rows]), *result["verdicts"], *failed]
    lines += [*result.get("missing", ()), *result["notes"], f"key: {result['key']}"]
    return "\n".join(lines)


def _plus(half: float | None) -> float | str:
    return "one run" if half is None else round(half, 2)


COMMANDS = (
    Command(
        "bench",
        "measure drafts: throughput, latency and acceptance length, on an attached engine",
        bench,
        given_.arguments,
        text,
        "bench --target demo --draft RUN --prompts tool-calls --limit 16",
    ),
)
