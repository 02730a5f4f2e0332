"""The command that times a draft step here: probe."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import number, shared
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.fields.codec import add_options, parsed, to_argv
from vocabtrim_core.selection_spec.draft_kind import draft_options, named_draft
from vocabtrim_core.wording import shell_line

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.latency_probe import Probe

DEFAULT = "llama-3.2-1b"  # the largest that a laptop probes in two minutes


def _arguments(parser: argparse.ArgumentParser) -> None:
    from vocabtrim_core.serving.probe_request import ProbeRequest

    shapes = draft_options(parser, f"(default {DEFAULT})")
    shared(shapes, "--target", help="the draft of a target: its folder or hub id, or smollm2")
    group = parser.add_argument_group("what is timed")
    add_options(group, ProbeRequest, "ks", "batches", "context", "topk", "with_target", "depth")
    group.add_argument(
        "--verify-seconds",
        type=number,
        metavar="S",
        help="time of a verification, where it is known, for the time of a cycle at batch 1",
    )
    group = parser.add_argument_group("how it is timed")
    add_options(group, ProbeRequest, "device", "dtype", "repeats", "seconds")
    shared(group, "--out", help="write the probe as JSON here too")


def _probe(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.draft_config import load_architecture
    from vocabtrim_core.drafts.target import target_architecture
    from vocabtrim_core.serving import latency_probe
    from vocabtrim_core.serving.probe_request import ProbeRequest
    from vocabtrim_core.workspace.files import write_atomic

    shape = named_draft(arguments) or load_architecture(DEFAULT)
    if arguments.target:
        shape = target_architecture(arguments.target)
    ks = arguments.k or latency_probe.default_sizes(shape.vocab_size)
    request = parsed(ProbeRequest, arguments, architecture=shape, ks=ks)
    progress(0, None, "Making random weights")
    from vocabtrim_core.serving.latency_timing import run_probe

    draft = ("--draft", arguments.draft or DEFAULT)
    for flag, named in (("--draft-config", arguments.draft_config), ("--target", arguments.target)):
        draft = (flag, str(named)) if named else draft
    command = shell_line("probe", *draft, *to_argv(request, stated=True))
    result = run_probe(request, progress, command=command)
    path = latency_probe.save(result)
    if arguments.out:
        write_atomic(arguments.out, result.encoded())
    return {
        "key": result.key,
        "path": arguments.out or path,
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
