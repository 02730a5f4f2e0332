"""The command that reads other tools' benchmark results: import-results."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import integer
from vocabtrim_core.cli.command import Command, Result, table

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.measurement import Measurement


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="result files, or folders of Model-Optimizer's specdec_bench",
    )
    add = parser.add_argument
    add(
        "--format",
        default="auto",
        metavar="NAME",
        help="bench-eagle3, specforge-benchmark, bench-serving, bench-one-batch-server, "
        "vllm-bench-serve, nemo-automodel, modelopt or specbundle (default: recognised by content)",
    )
    add(
        "--pool",
        action="store_true",
        help="runs that are alike in several files are runs of one configuration; they are paired "
        "with those of others when files that were made in turns are named in turns (default: "
        "every file is a configuration of its own, unless two have the same --label)",
    )
    add = parser.add_argument_group("what the files do not tell").add_argument
    add(
        "--k",
        nargs="+",
        default=[],
        metavar="K",
        help="draft vocabulary sizes: one per file (0 where nothing is drafted), one for all, or "
        "DRAFT=K by a part of the draft's name; they win over what the files say",
    )
    add("--label", nargs="+", default=[], metavar="NAME", help="names, one per file")
    add("--target", default="", metavar="NAME", help="the target model")
    add("--vocab-size", type=integer, metavar="V", help="the target's vocabulary size")
    add("--device", default="", metavar="NAME", help="the GPU or CPU")
    add("--concurrency", type=integer, metavar="N", help="requests at once")
    add(
        "--only",
        default="",
        metavar="TEXT",
        help="take only measurements whose target or prompts contain this",
    )


def _import(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.serving.importers import Hints, import_results, open_sources, save_once

    progress(0, None, "reading")
    hints = Hints(
        tuple(arguments.k),
        tuple(arguments.label),
        arguments.target,
        arguments.vocab_size,
        arguments.concurrency,
        arguments.device,
        arguments.only,
        arguments.pool,
    )
    sources = open_sources(arguments.files)
    found = import_results(sources, arguments.format, hints, _command(arguments))
    return {"measurements": [_row(save_once(measurement)) for measurement in found]}


def _command(arguments: argparse.Namespace) -> str:
    """The same import again; files by name, since paths are this machine's business."""
    argv = ["import-results", *(path.name for path in arguments.files)]
    for flag, values in (("--k", arguments.k), ("--label", arguments.label)):
        argv += [flag, *values] if values else []
    argv += ["--pool"] if arguments.pool else []
    return shlex.join(["python", "-m", "vocabtrim_core", *argv])


def _row(measurement: Measurement) -> dict[str, Any]:
    from vocabtrim_core.serving.statistics import summary

    return {
        "key": measurement.key,
        "prompts": measurement.prompts,
        "target": measurement.target,
        "engine": measurement.engine,
        "configurations": [
            {
                "label": row.label,
                "k": row.k,
                "runs": row.runs,
                "throughput": row.throughput.mean if row.throughput else None,
                "accept_length": row.acceptance_length,
                "position_acceptance": list(row.position_acceptance),
            }
            for row in summary(measurement)
        ],
        "notes": list(measurement.notes),
    }


def _text(result: Result) -> str:
    blocks = []
    for m in result["measurements"]:
        about = " · ".join(filter(None, [m["prompts"], m["target"], m["engine"]]))
        rows = [
            (
                c["label"],
                c["runs"],
                "" if c["throughput"] is None else f"{c['throughput']:,.1f}",
                "" if c["accept_length"] is None else f"{c['accept_length']:.3f}",
            )
            for c in m["configurations"]
        ]
        head = ("configuration", "runs", "tokens/s", "accept length")
        notes = "\n".join(f"- {note}" for note in m["notes"])
        blocks.append(f"{m['key']}  {about}\n{table([head, *rows])}\n{notes}".rstrip())
    return "\n\n".join(blocks)


COMMANDS = (
    Command(
        "import-results",
        "read benchmark results of SpecForge, SGLang, vLLM, NeMo, Model-Optimizer or SpecBundle",
        _import,
        _arguments,
        _text,
        "import-results full.jsonl trimmed.jsonl --k 128256 13264 --vocab-size 128256",
    ),
)
