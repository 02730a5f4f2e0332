"""Commands that hand the choice over: export, formats."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import (
    chosen_draft,
    counts_argument,
    draft_arguments,
    k_argument,
    number,
    padding_note,
)
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.progress import Progress


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    k_argument(parser)
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        required=True,
        metavar="FORMAT",
        help="format to write, see `formats`; may be given several times",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    draft_arguments(parser)
    group = parser.add_argument_group("formats that are whole drafts", "vllm, sglang-eagle3, …")
    group.add_argument(
        "--draft-folder", type=Path, metavar="DIR", help="the EAGLE-3 draft checkpoint to cut"
    )
    group.add_argument(
        "--target", type=Path, metavar="DIR", help="its target, where it uses the target's head"
    )
    group = parser.add_argument_group("for the record", "how k was chosen, kept in manifest.json")
    group.add_argument("--alpha", type=number, help="weight of coverage, 0..1")
    group.add_argument("--min-coverage", type=number, metavar="SHARE", help="coverage floor, 0..1")
    group.add_argument("--method", default="", metavar="NAME", help="exact, tpe, by hand")


def _export(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.exports import ExportContext, export
    from vocabtrim_core.workspace import find_counts

    for name in ("alpha", "min_coverage"):
        value = getattr(arguments, name)
        if value is not None and not 0 <= value <= 1:
            flag = name.replace("_", "-")
            raise InputError(f"{flag} must lie within 0..1, but it is {value}.")
    counts = find_counts(arguments.counts)
    curve = CoverageCurve.of(counts)
    context = ExportContext(
        counts,
        _draft(arguments, counts.vocab_size),
        arguments.alpha,
        arguments.min_coverage,
        arguments.method,
        command=_command(arguments),
        draft=arguments.draft_folder,
        target=arguments.target,
        progress=progress,
    )
    manifest = export(curve.vocabulary(arguments.k), arguments.formats, arguments.out, context)
    notes = [*manifest.notes, padding_note(curve, arguments.k)]
    return {
        "out": str(arguments.out),
        "k": manifest.k,
        "vocab_size": manifest.vocab_size,
        "coverage": curve.at(arguments.k),
        "vocabulary_sha256": manifest.vocabulary_sha256,
        "formats": [str(form["name"]) for form in manifest.formats],
        "files": [asdict(file) for file in manifest.files],
        "note": " ".join(filter(None, notes)) or None,
    }


def _draft(arguments: argparse.Namespace, vocab_size: int):
    """The draft asked for; without one, what fits, or none when nothing does."""
    if arguments.draft or arguments.draft_config:
        return chosen_draft(arguments, vocab_size)
    try:
        return chosen_draft(arguments, vocab_size)
    except InputError:
        return None  # most formats need no draft; those that do say so in a note


def _command(arguments: argparse.Namespace) -> str:
    """The same export as a line for a shell, without the folder: equal exports, equal bytes."""
    line = ["python", "-m", "vocabtrim_core", "export", arguments.counts, "--k", str(arguments.k)]
    for name in arguments.formats:
        line += ["--format", name]
    for flag in ("draft", "draft_config", "alpha", "min_coverage", "method"):
        value = getattr(arguments, flag)
        if value not in (None, ""):
            line += [f"--{flag.replace('_', '-')}", str(value)]
    for flag in ("draft_folder", "target"):
        if (folder := getattr(arguments, flag)) is not None:
            line += [f"--{flag.replace('_', '-')}", folder.resolve().name]
    return shlex.join([*line, "--out", "DIR"])


def _export_text(result: Result) -> str:
    rows = ((file["path"], file["bytes"], file["consumer"]) for file in result["files"])
    head = f"{result['k']:,} of {result['vocab_size']:,} tokens ({result['coverage']:.2%} coverage)"
    lines = [f"{head} in {result['out']}", table([("file", "bytes", "for"), *rows])]
    return "\n".join([*lines, *filter(None, [result["note"]])])


def _formats(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.exports import FORMATS

    shown = ("name", "title", "consumer", "stage", "semantics", "order", "files", "how", "limits",
             "checked", "max_k", "needs_draft")  # fmt: skip
    known = [{name: getattr(form, name) for name in shown} for form in FORMATS.values()]
    return {"formats": known}


def _formats_text(result: Result) -> str:
    rows = ((f["name"], f["consumer"], f["semantics"], f["files"]) for f in result["formats"])
    return table([("format", "for", "ids are", "files"), *rows])


COMMANDS = (
    Command(
        "export",
        "write the k most frequent tokens for the engines and trainers that consume them",
        _export,
        _export_arguments,
        _export_text,
        "export blend.npz --k 13264 --format specforge --format sglang --out draft-vocabulary",
    ),
    Command(
        "formats",
        "list the export formats",
        _formats,
        lambda parser: None,
        _formats_text,
    ),
)
