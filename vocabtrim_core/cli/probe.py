"""The command that times a draft step here: probe."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import integer, number, shared
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.selection_spec.draft_kind import draft_options
from vocabtrim_core.wording import shell_line

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.latency_probe import Probe

DEFAULT = "llama-3.2-1b"  # the largest that a laptop probes in two minutes


def _arguments(parser: argparse.ArgumentParser) -> None:
    draft_options(parser, f"(default {DEFAULT})")
    group = parser.add_argument_group("what is timed")
    add = group.add_argument
    shared(
        group,
        "--k",
        nargs="+",
        help="draft vocabulary sizes (default: 12 up to V, among them 4,380, 13,264 and 32,000)",
    )
    add(
        "--batch",
        type=integer,
        nargs="+",
        default=[1, 8, 64],
        metavar="N",
        help="sequences decoded together (default 1 8 64)",
    )
    add(
        "--context",
        type=integer,
        default=512,
        metavar="N",
        help="tokens that attention looks back on (default %(default)s)",
    )
    add(
        "--topk",
        type=integer,
        default=1,
        metavar="N",
        help="branches of a step: 1 takes the most likely token, more the top-k of the "
        "probabilities (default %(default)s)",
    )
    add(
        "--with-target",
        action="store_true",
        help="time a verification by a random target of these shapes too",
    )
    add_options(group, ForecastSettings, "depth")
    add(
        "--verify-seconds",
        type=number,
        metavar="S",
        help="time of a verification, where it is known, for the time of a cycle at batch 1",
    )
    group = parser.add_argument_group("how it is timed")
    add = group.add_argument
    shared(group, "--device")
    shared(
        group,
        "--dtype",
        choices=("auto", "float32", "bfloat16", "float16"),
        help="of the weights (default: float32 on a CPU, bfloat16 on a GPU)",
    )
    shared(
        group,
        "--repeats",
        default=30,
        help="of each timing (default %(default)s)",
    )
    add(
        "--seconds",
        type=number,
        default=20.0,
        metavar="S",
        help="per batch size, after which no more is repeated (default %(default)g)",
    )
    shared(group, "--out", help="write the probe as JSON here too")


def _probe(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.draft_config import load_architecture
    from vocabtrim_core.draft_cost import PRESETS
    from vocabtrim_core.serving import latency_probe
    from vocabtrim_core.workspace.files import write_atomic

    name = arguments.draft or DEFAULT
    if arguments.draft_config is None and name not in PRESETS:
        raise InputError(
            f"There is no draft architecture {name!r}; choose one of {', '.join(PRESETS)}, or "
            "give --draft-config FILE."
        )
    shape = load_architecture(arguments.draft_config or name)
    ks = arguments.k or latency_probe.default_sizes(shape.vocab_size)
    progress(0, None, "Making random weights")
    from vocabtrim_core.serving.latency_timing import Request, run_probe

    request = Request(
        shape,
        ks,
        arguments.batch,
        arguments.context,
        arguments.topk,
        arguments.depth,
        arguments.device,
        arguments.dtype,
        arguments.repeats,
        arguments.seconds,
        arguments.with_target,
    )
    result = run_probe(request, progress, command=_command(arguments, ks))
    path = latency_probe.save(result)
    if arguments.out:
        write_atomic(arguments.out, result.encoded())
    return {
        "key": result.key,
        "path": str(arguments.out or path),
        "draft": shape.name,
        "vocab_size": shape.vocab_size,
        "device": result.device,
        "dtype": result.dtype,
        "graphs": result.graphs,
        "batches": [_batch(result, batch, arguments) for batch in result.batches],
        "notes": list(result.notes),
    }


def _batch(probe: Probe, batch: int, arguments: argparse.Namespace) -> Result:
    """Return the rows of one batch size, each relative to its largest k."""
    rows, shape = probe.at(batch), probe.architecture
    full = rows[-1]
    known_s = arguments.verify_seconds if batch == 1 else None
    verify_s = probe.verify_s(batch, arguments.depth) if known_s is None else known_s
    cycles: dict[int, float] = {}
    if verify_s is not None:
        cycles = dict(probe.cycle_points(batch, arguments.depth, verify_s))
    return {
        "batch": batch,
        "verify_seconds": verify_s,
        "rows": [
            {
                **asdict(row),
                "measured_ratio": row.step.seconds / full.step.seconds,
                "flops_ratio": shape.flops(row.k) / shape.flops(full.k),
                "bytes_ratio": float(
                    probe.moved_bytes(row.k, batch) / probe.moved_bytes(full.k, batch)
                ),
                "cycle_seconds": cycles.get(row.k),
            }
            for row in rows
        ],
    }


def _command(arguments: argparse.Namespace, ks: list[int]) -> str:
    """Write the command that times the same again."""
    a = arguments
    draft = (
        ["--draft-config", str(a.draft_config)]
        if a.draft_config
        else ["--draft", a.draft or DEFAULT]
    )
    words = [
        "probe",
        *draft,
        "--k",
        *map(str, ks),
        "--batch",
        *map(str, a.batch),
        "--context",
        str(a.context),
        "--topk",
        str(a.topk),
        "--depth",
        str(a.depth),
        "--device",
        a.device,
        "--dtype",
        a.dtype,
        "--repeats",
        str(a.repeats),
        "--seconds",
        f"{a.seconds:g}",
        *["--with-target"] * a.with_target,
    ]
    return shell_line(*words)


def _text(result: Result) -> str:
    parts = [
        f"Draft steps of {result['draft']} on {result['device']}, {result['dtype']}"
        f"{', CUDA graphs' if result['graphs'] else ''}: milliseconds, median of n"
    ]
    for batch in result["batches"]:
        rows, verify = batch["rows"], batch["verify_seconds"]
        head = [
            "k",
            "step",
            "95 % interval",
            "n",
            "fusion",
            "layer",
            "head",
            "pick",
            f"of k = {rows[-1]['k']:,}",
            "FLOPs",
            "bytes",
        ]
        lines = [_row(row) for row in rows]
        if verify is not None:
            head += ["cycle"]
            lines = [
                [*line, _ms(row["cycle_seconds"])] for line, row in zip(lines, rows, strict=True)
            ]
        parts.append(f"Batch {batch['batch']}\n" + table([head, *lines]))
        if verify is not None:
            known = " ".join(f"{row['k']}={row['cycle_seconds']:.6g}" for row in rows)
            parts.append(
                f"A verification takes {_ms(verify)} ms. For the forecast: --measured {known}"
            )
    return "\n\n".join(
        [
            *parts,
            "\n".join(f"- {note}" for note in result["notes"]),
            f"Kept as {result['key']}: {result['path']}",
        ]
    )


def _row(row: dict[str, Any]) -> list[object]:
    step = row["step"]
    parts = [_ms(row[name]["seconds"]) for name in ("fusion", "layer", "head", "pick")]
    ratios = [f"{row[f'{name}_ratio']:.1%}" for name in ("measured", "flops", "bytes")]
    return [
        row["k"],
        _ms(step["seconds"]),
        f"{_ms(step['low'])} to {_ms(step['high'])}",
        step["n"],
        *parts,
        *ratios,
    ]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.3f}"


COMMANDS: tuple[Any, ...] = (
    Command(
        "probe",
        "time a draft step for sizes of its vocabulary, on the device that is here",
        _probe,
        _arguments,
        _text,
        "probe --draft llama-3.2-1b --batch 1 8 --k 4380 13264 32000 128256",
    ),
)
