"""Commands that write the choice for engines and trainers: export, formats."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import check_shares, counts_argument, settings_arguments, shared
from vocabtrim_core.cli.command import Command, Result, attributes, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import refuse_options
from vocabtrim_core.wording import shell_line

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.vocabulary import DraftVocabulary


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    group = parser.add_mutually_exclusive_group(required=True)
    shared(group, "--k")
    shared(group, "--choice", help="the tokens of a choice.json")
    shared(
        group,
        "--vocabulary",
        help="the tokens of a file that `select` wrote, or of another mapping, see `compare`",
    )
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        required=True,
        metavar="FORMAT",
        help="format to write, see `formats`; may be given several times",
    )
    shared(parser, "--out", required=True, metavar="DIR", help="a new folder")
    settings_arguments(parser, "architecture")
    group = parser.add_argument_group("formats that are whole drafts", "vllm, sglang-eagle3, …")
    shared(group, "--draft-folder", help="the EAGLE-3 draft to cut: its folder, or RUN/K")
    shared(
        group,
        "--target",
        type=Path,
        metavar="DIR",
        help="its target, where it uses the target's head",
    )
    group = parser.add_argument_group("for the record", "how k was chosen, kept in manifest.json")
    settings_arguments(group, "alpha", "floor", omit_defaults=True)
    group.add_argument("--method", default="", metavar="NAME", help="exact, tpe, by hand")


def _export(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.coverage import CoverageCurve, coverage_on
    from vocabtrim_core.drafts.draft_specs import existing_or_trained
    from vocabtrim_core.drafts.target import target_path
    from vocabtrim_core.exports import ExportContext, export

    check_shares(arguments, "alpha", "min_coverage")
    if arguments.draft_folder:
        arguments.draft_folder = existing_or_trained(arguments.draft_folder)
    counts = find_counts(arguments.counts)
    curve = CoverageCurve.of(counts)
    vocabulary, chosen = _chosen(arguments, counts, curve)
    context = ExportContext(
        counts,
        **chosen,
        command=_command(arguments),
        draft=arguments.draft_folder,
        target=target_path(arguments.target, progress),
        progress=progress,
    )
    manifest = export(vocabulary, arguments.formats, arguments.out, context)
    notes = [*manifest.notes]
    if arguments.vocabulary is None:
        notes.append(curve.padding_note(manifest.k) or "")
    return {
        "out": arguments.out,
        **attributes(manifest, "k", "vocab_size", "vocabulary_sha256"),
        "coverage": coverage_on(vocabulary, counts).coverage,
        "formats": [str(form["name"]) for form in manifest.formats],
        "files": [asdict(file) for file in manifest.files],
        "note": " ".join(filter(None, notes)) or None,
    }


def _chosen(
    arguments: argparse.Namespace, counts: TokenCounts, curve: CoverageCurve
) -> tuple[DraftVocabulary, dict[str, Any]]:
    """Return the tokens, and how they were chosen: by a saved choice, or by the options."""
    from vocabtrim_core.selection_spec.draft_kind import draft_or_none

    if arguments.choice is None:
        vocabulary, origin = _named(arguments, counts, curve)
        return vocabulary, {
            "architecture": draft_or_none(arguments, counts.vocab_size),
            "alpha": arguments.alpha,
            "floor": arguments.min_coverage,
            "method": arguments.method or origin,
        }
    from vocabtrim_core.selection_spec.spec import SelectionSpec

    settled = ("draft", "draft_config", "draft_kind", "weight_bytes", "fusion_per_cycle", "alpha")
    settled += ("min_coverage", "method")
    refuse_options(arguments, settled, "--choice already settles {flags}")
    choice = SelectionSpec.load(arguments.choice)
    settings = choice.settings
    return choice.open(counts).vocabulary, {
        "architecture": settings.architecture,
        "alpha": settings.alpha,
        "floor": settings.floor,
        "method": "exact" if settings.k is None else "by hand",
    }


def _named(
    arguments: argparse.Namespace, counts: TokenCounts, curve: CoverageCurve
) -> tuple[DraftVocabulary, str]:
    """Return the tokens of --k or --vocabulary, and the note on them in the file."""
    if arguments.vocabulary is None:
        return curve.vocabulary(arguments.k), ""
    from vocabtrim_core.mappings.imported import valid_mapping_for

    mapping = valid_mapping_for(arguments.vocabulary, counts)
    return mapping.vocabulary, mapping.about


def _command(arguments: argparse.Namespace) -> str:
    """Write the same export for a shell, without folders: equal exports, equal bytes."""
    line = ["export", arguments.counts]
    for flag in ("choice", "vocabulary"):
        if file := getattr(arguments, flag):
            line += [f"--{flag}", file.name]
    if arguments.k is not None:
        line += ["--k", str(arguments.k)]
    for name in arguments.formats:
        line += ["--format", name]
    for flag in ("draft", "draft_config", "draft_kind", "alpha", "min_coverage", "method"):
        value = getattr(arguments, flag)
        if value not in (None, ""):
            line += [f"--{flag.replace('_', '-')}", str(value)]
    line += ["--weight-bytes", *map(str, arguments.weight_bytes)] if arguments.weight_bytes else []
    line += ["--fusion-per-cycle"] if arguments.fusion_per_cycle else []
    for flag in ("draft_folder", "target"):
        if (folder := getattr(arguments, flag)) is not None:
            line += [f"--{flag.replace('_', '-')}", folder.resolve().name]
    return shell_line(*line, "--out", "DIR")


def _export_text(result: Result) -> str:
    rows = ((file["path"], file["bytes"], file["consumer"]) for file in result["files"])
    head = f"{result['k']:,} of {result['vocab_size']:,} tokens ({result['coverage']:.2%} coverage)"
    lines = [f"{head} in {result['out']}", table([("file", "bytes", "for"), *rows])]
    return "\n".join([*lines, *filter(None, [result["note"]])])


def _formats_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine", metavar="NAME", help="only those of this engine or trainer, such as vLLM"
    )
    parser.add_argument(
        "--renew",
        type=Path,
        metavar="FILE",
        help="put this list as a table between the marks of a Markdown file (docs/exports.md)",
    )


def _formats(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.exports import FORMATS
    from vocabtrim_core.exports.exporter import PROOFS

    if arguments.renew:
        _renew(arguments.renew)
    shown = (
        "name",
        "title",
        "consumer",
        "stage",
        "semantics",
        "order",
        "files",
        "how",
        "limits",
        "proof",
        "checked",
        "served",
        "engine",
        "max_k",
        "needs_draft",
    )
    known = [attributes(form, *shown) for form in FORMATS.values()]
    if arguments.engine:
        wanted = arguments.engine.lower()
        chosen = [form for form in known if form["engine"].lower() == wanted]
        if not chosen:
            names = ", ".join(dict.fromkeys(str(form["engine"]) for form in known))
            raise InputError(f"No format is for {arguments.engine!r}; choose from: {names}.")
        known = chosen
    return {"formats": [{**form, "proof": PROOFS[form["proof"]]} for form in known]}


def _renew(path: Path) -> None:
    from vocabtrim_core.exports import FORMATS
    from vocabtrim_core.exports.overview import renewed
    from vocabtrim_core.workspace.files import write_atomic

    try:
        text = renewed(path.read_text("utf-8"), FORMATS.values())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be renewed: {error}") from error
    write_atomic(path, text.encode())


def _formats_text(result: Result) -> str:
    rows = [
        (f["name"], f["consumer"], f["semantics"], f["proof"], f["served"], f["files"])
        for f in result["formats"]
    ]
    checked = (f"{f['name']}: {f['checked']}" for f in result["formats"])
    head = ("format", "for", "ids are", "check", "served by", "files")
    return "\n\n".join([table([head, *rows]), *checked])


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
        "list the export formats, and what each was checked with",
        _formats,
        _formats_arguments,
        _formats_text,
    ),
)
