"""The command that lists stored measurements, and shows or repeats one: measurements."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli import as_job
from vocabtrim_core.cli.arguments import shared
from vocabtrim_core.cli.bench import bench, shown, text
from vocabtrim_core.cli.command import Command, Result, attributes, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.measurement import Measurement

ACTIONS = ("list", "show", "replay", "remove", "export")


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=ACTIONS, default="list", help="(default %(default)s)")
    add("key", nargs="?", metavar="KEY", help="of a measurement, for all but list")
    shared(
        parser,
        "--out",
        metavar="PATH",
        help="export: a .json file, or a folder for tables as CSV and a figure too",
    )


def _measurements(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.serving import measurement as store

    if arguments.action == "list":
        return {"measurements": [_row(measurement) for measurement in store.stored()]}
    if arguments.key is None:
        raise InputError(
            f"`measurements {arguments.action}` needs a key; `measurements` lists them."
        )
    measurement = store.find(arguments.key)
    if arguments.action == "show":
        return shown(measurement)
    if arguments.action == "replay":
        return _replay(measurement, progress)
    if arguments.action == "remove":
        store.remove(measurement.key)
        return {"key": measurement.key, "removed": True}
    return {"key": measurement.key, "out": _export(measurement, arguments.out)}


def _row(measurement: Measurement) -> Result:
    names = ("key", "created", "prompts", "target", "engine", "device", "origin")
    return {
        **attributes(measurement, *names),
        "configurations": [c.label for c in measurement.configurations],
        "runs": len(measurement.runs),
        "failed": sum(bool(run.error) for run in measurement.runs),
    }


def _replay(measurement: Measurement, progress: Progress) -> Result:
    """Run the same command again; the new measurement is kept beside the old one."""
    from vocabtrim_core.cli.bench_options import parsed
    from vocabtrim_core.programs import ENGINE, configured

    words = shlex.split(measurement.command)
    if "bench" not in words:
        raise InputError(
            f"{measurement.key} was not measured by `bench`, so it cannot be replayed."
        )
    try:
        arguments = parsed(words[words.index("bench") + 1 :])
    except (argparse.ArgumentError, SystemExit) as error:
        raise InputError(
            f"The command of {measurement.key} is not understood: {measurement.command}"
        ) from error
    as_job.check(arguments)
    if arguments.interpreter and arguments.interpreter not in configured(ENGINE):
        raise InputError(
            f"{measurement.key} was measured with {arguments.interpreter!r}, which is no "
            "configured engine; add it with `engine --add NAME COMMAND` and measure with that name."
        )
    return {**bench(arguments, progress), "replayed": measurement.key}


def _export(measurement: Measurement, out: Path | None) -> str:
    from vocabtrim_core.workspace.files import write_atomic

    if out is None:
        raise InputError("`measurements export` needs --out, a .json file or a folder.")
    if out.suffix == ".json":
        return str(write_atomic(out, measurement.encoded()))
    from vocabtrim_core.report.measured import measurement_files
    from vocabtrim_core.workspace.files import new_folder

    with new_folder(out) as folder:
        for name, content in measurement_files([measurement], measurement.concurrencies[0]).items():
            (folder / name).write_bytes(content)
    return str(out)


def _text(result: Result) -> str:
    if "rows" in result:
        return text(result)
    if "measurements" not in result:
        return result.get("out") or f"{result['key']} is removed."
    head = ("key", "when", "prompts", "target", "engine", "configurations", "runs")
    rows = [
        (
            m["key"],
            m["created"][:16],
            m["prompts"],
            m["target"],
            m["engine"],
            ", ".join(m["configurations"]),
            m["runs"],
        )
        for m in result["measurements"]
    ]
    return table([head, *rows]) if rows else "Nothing was measured in this workspace yet."


COMMANDS = (
    Command(
        "measurements",
        "list what was measured; show, replay, export or remove one",
        _measurements,
        _arguments,
        _text,
        "measurements replay 3f9c",
    ),
)
