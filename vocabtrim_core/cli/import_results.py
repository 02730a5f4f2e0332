"""The command that reads other tools' benchmark results: import-results."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.command import Command, Result, attributes, table
from vocabtrim_core.fields.codec import add_options, parsed, to_argv
from vocabtrim_core.wording import shell_line

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.measurement import Measurement


def _arguments(parser: argparse.ArgumentParser) -> None:
    from vocabtrim_core.serving.importers import Hints

    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="result files, logs of llama.cpp's server, or folders of Model-Optimizer's "
        "specdec_bench",
    )
    parser.add_argument(
        "--format",
        default="auto",
        metavar="NAME",
        help="bench-eagle3, specforge-benchmark, bench-serving, bench-one-batch-server, "
        "vllm-bench-serve, guidellm, aiperf, llama-server, llama-bench, nemo-automodel, modelopt "
        "or specbundle (default: recognised by content)",
    )
    add_options(parser.add_argument_group("what the files do not tell"), Hints)


def _import(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.serving.importers import Hints, import_results, open_sources, save_once

    progress(0, None, "reading")
    hints = parsed(Hints, arguments)
    sources = open_sources(arguments.files)
    # Names without folders, which are this machine's.
    names = (path.name for path in arguments.files)
    command = shell_line("import-results", *names, *to_argv(hints))
    measurements = import_results(sources, arguments.format, hints, command)
    return {"measurements": [_row(save_once(measurement)) for measurement in measurements]}


def _row(measurement: Measurement) -> dict[str, Any]:
    from vocabtrim_core.serving.summary import summary

    return {
        **attributes(measurement, "key", "prompts", "target", "engine"),
        "configurations": [
            {
                **attributes(row, "label", "k", "runs"),
                "concurrency": at_once,
                "throughput": row.throughput.mean if row.throughput else None,
                "accept_length": row.acceptance_length,
                "position_acceptance": list(row.position_acceptance),
            }
            for at_once in measurement.concurrencies
            for row in summary(measurement, at_once)
            if row.runs or row.failed
        ],
        "notes": list(measurement.notes),
    }


def _text(result: Result) -> str:
    blocks = []
    for measurement in result["measurements"]:
        title = " · ".join(
            filter(None, [measurement["prompts"], measurement["target"], measurement["engine"]])
        )
        rows = [
            (
                row["label"],
                row["concurrency"],
                row["runs"],
                "" if row["throughput"] is None else f"{row['throughput']:,.1f}",
                "" if row["accept_length"] is None else f"{row['accept_length']:.3f}",
            )
            for row in measurement["configurations"]
        ]
        head = ("configuration", "at once", "runs", "tokens/s", "accept length")
        notes = "\n".join(f"- {note}" for note in measurement["notes"])
        blocks.append(f"{measurement['key']}  {title}\n{table([head, *rows])}\n{notes}".rstrip())
    return "\n\n".join(blocks)


COMMANDS = (
    Command(
        "import-results",
        "read benchmark results of SpecForge, SGLang, vLLM, GuideLLM, AIPerf, llama.cpp, NeMo, "
        "Model-Optimizer or SpecBundle",
        _import,
        _arguments,
        _text,
        "import-results full.jsonl trimmed.jsonl --k 128256 13264 --vocab-size 128256",
    ),
)
