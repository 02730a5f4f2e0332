"""The command about what was measured: measurements."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli import as_job
from vocabtrim_core.cli.arguments import shared
from vocabtrim_core.cli.bench import bench, shown, text
from vocabtrim_core.cli.command import Command, Result, table
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


def _measurements(given: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.serving import measurement

    if given.action == "list":
        return {"measurements": [_row(each) for each in measurement.stored()]}
    if given.key is None:
        raise InputError(f"`measurements {given.action}` needs a key; `measurements` lists them.")
    found = measurement.find(given.key)
    if given.action == "show":
        return shown(found)
    if given.action == "replay":
        return _replay(found, progress)
    if given.action == "remove":
        measurement.remove(found.key)
        return {"key": found.key, "removed": True}
    return {"key": found.key, "out": _export(found, given.out)}


def _row(each: Measurement) -> Result:
    return {
        "key": each.key,
        "created": each.created,
        "prompts": each.prompts,
        "target": each.target,
        "toy": each.toy,
        "engine": each.engine,
        "device": each.device,
        "origin": each.origin,
        "configurations": [c.label for c in each.configurations],
        "runs": len(each.runs),
        "failed": sum(bool(run.error) for run in each.runs),
    }


def _replay(found: Measurement, progress: Progress) -> Result:
    """The same command again; the new measurement stands beside the old one."""
    from vocabtrim_core.cli.bench_options import parsed
    from vocabtrim_core.programs import ENGINE, configured

    words = shlex.split(found.command)
    if "bench" not in words:
        raise InputError(f"{found.key} was not measured by `bench`, so it cannot be replayed.")
    try:
        given = parsed(words[words.index("bench") + 1 :])
    except (argparse.ArgumentError, SystemExit) as error:
        raise InputError(
            f"The command of {found.key} is not understood: {found.command}"
        ) from error
    as_job.check(given)
    if given.interpreter and given.interpreter not in configured(ENGINE):
        raise InputError(
            f"{found.key} was measured with {given.interpreter!r}, which is no configured engine; "
            "add it with `engine --add NAME COMMAND` and measure with that name."
        )
    return {**bench(given, progress), "replayed": found.key}


def _export(found: Measurement, out: Path | None) -> str:
    from vocabtrim_core.workspace.files import write_atomic

    if out is None:
        raise InputError("`measurements export` needs --out, a .json file or a folder.")
    if out.suffix == ".json":
        return str(write_atomic(out, found.encoded()))
    from vocabtrim_core.report.measured import take_along
    from vocabtrim_core.workspace.files import new_folder

    with new_folder(out) as folder:
        for name, content in take_along([found], found.concurrencies[0]).items():
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
            m["target"] + " (toy)" * m["toy"],
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
