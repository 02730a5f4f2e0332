"""Commands about draft folders: slice, inspect."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import shared
from vocabtrim_core.cli.command import Command, Result, attributes, named_values, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.wording import first_of, shell_line

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.jobs.progress import Progress

# --- slice --------------------------------------------------------------------------------------


def _slice_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "draft", type=Path, metavar="DRAFT", help="folder of an EAGLE-3 draft, or RUN/K"
    )
    shared(
        parser,
        "--vocabulary",
        required=True,
        help="the tokens to keep: a choice.json, an export, or any mapping `compare` reads",
    )
    shared(parser, "--out", required=True, metavar="DIR", help="a new folder")
    shared(
        parser,
        "--target",
        type=Path,
        metavar="DIR",
        help="the target, for drafts that use its head",
    )
    parser.add_argument(
        "--drop-missing",
        action="store_true",
        help="where the draft was reduced before, keep what it still has of the vocabulary",
    )
    group = parser.add_argument_group("expected loss", "left out without --counts")
    shared(group, "--counts", help="counts of your traffic")
    add_options(group, ForecastSettings, "full_length", "depth")


def _slice(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.checkpoint import open_checkpoint
    from vocabtrim_core.drafts.draft_specs import existing_or_trained
    from vocabtrim_core.drafts.slicing import slice_draft
    from vocabtrim_core.drafts.target import target_path
    from vocabtrim_core.vocabulary_file import vocabulary_in

    arguments.draft = existing_or_trained(arguments.draft)
    size = open_checkpoint(arguments.draft).size("vocab_size")
    counts = _counts(arguments)
    vocabulary = vocabulary_in(arguments.vocabulary, size, counts)
    sliced = slice_draft(
        arguments.draft,
        vocabulary,
        arguments.out,
        target=target_path(arguments.target, progress),
        drop_missing=arguments.drop_missing,
        progress=progress,
        command=_command(arguments),
    )
    return {
        "out": arguments.out,
        **attributes(sliced, "k", "vocab_size", "head_from", "head_bytes", "head_bytes_before"),
        "rows_before": sliced.source["rows"],
        "vocabulary_sha256": sliced.vocabulary_sha256,
        "dropped": len(sliced.dropped),
        "left_out": list(sliced.left_out),
        "files": list(sliced.files),
        "expected": _expected(arguments, counts),
    }


def _counts(arguments: argparse.Namespace) -> TokenCounts | None:
    if arguments.counts is None:
        if arguments.accept_length is not None:
            raise InputError("--accept-length needs --counts, the traffic to forecast for.")
        return None
    from vocabtrim_core.counts_store import find_counts

    return find_counts(arguments.counts)


def _expected(arguments: argparse.Namespace, counts: TokenCounts | None) -> Result | None:
    """Measure what the written tokens cover of the counts, and the expected acceptance length."""
    if counts is None:
        return None
    from vocabtrim_core.coverage import coverage_on
    from vocabtrim_core.drafts.slicing import read_sliced
    from vocabtrim_core.forecast.length_at_coverage import lengths_at
    from vocabtrim_core.vocabulary import DraftVocabulary

    head = read_sliced(arguments.out)
    held = coverage_on(DraftVocabulary.of(head.ids, head.vocab_size), counts)
    expected: Result = {"on": held.name, "coverage": held.coverage}
    if arguments.accept_length is not None:
        (band,) = lengths_at([held.coverage], arguments.accept_length, arguments.depth)
        length = (band.low, band.high)
        expected |= {"full_length": arguments.accept_length, "length": list(length)}
    return expected


def _command(arguments: argparse.Namespace) -> str:
    """Write the same command for a shell, by names alone, so that equal drafts have equal bytes."""
    draft, vocabulary = arguments.draft.resolve().name, arguments.vocabulary.name
    line = ["slice", draft, "--vocabulary", vocabulary]
    line += ["--target", arguments.target.resolve().name] if arguments.target else []
    line += ["--drop-missing"] if arguments.drop_missing else []
    return shell_line(*line, "--out", "DIR")


def _slice_text(result: Result) -> str:
    lines = [
        named_values(
            result,
            "k",
            "rows_before",
            "vocab_size",
            "head_bytes",
            "head_bytes_before",
            "head_from",
            "dropped",
            "left_out",
            "vocabulary_sha256",
            "out",
        ),
        "The logits of kept tokens are unchanged; the other tokens cannot be drafted any more.",
    ]
    if expected := result["expected"]:
        text = f"Coverage of {expected['on']}: {expected['coverage']:.2%}."
        if "length" in expected:
            low, high = expected["length"]
            text += (
                f" Acceptance length {expected['full_length']:g} is expected to become {low:.2f} "
                f"to {high:.2f}."
            )
        lines.append(text)
    return "\n".join(lines)


# --- inspect ------------------------------------------------------------------------------------


def _inspect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="an export, or a draft: a folder, or RUN/K"
    )


def _inspect(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.draft_specs import existing_or_trained
    from vocabtrim_core.drafts.inspect_checkpoint import inspect_draft
    from vocabtrim_core.exports import inspect_export

    folder = existing_or_trained(arguments.folder)
    if (folder / "manifest.json").is_file():
        export = inspect_export(folder)
        manifest = export.manifest
        result: Result = {
            "kind": "export",
            **attributes(manifest, "k", "vocab_size", "vocabulary_sha256"),
            "formats": [str(form["name"]) for form in manifest.formats],
            "files": len(manifest.files),
            "problems": list(export.problems),
        }
    else:
        result = {"kind": "draft", **asdict(inspect_draft(folder))}
    if result["problems"]:
        raise InputError(f"{folder} is not sound: {first_of(result['problems'])}")
    return result


def _inspect_text(result: Result) -> str:
    names = (
        "kind",
        "k",
        "rows",
        "vocab_size",
        "hidden_size",
        "head_dtype",
        "formats",
        "files",
        "vocabulary_sha256",
        "source",
        "mapping",
        "layers",
    )
    lines = [named_values(result, *names)]
    if checks := result.get("checked"):
        lines.append(table([(check, "") for check in checks]))
    return "\n".join([*lines, "sound"])


COMMANDS: tuple[Any, ...] = (
    Command(
        "slice",
        "cut a draft's head to a vocabulary, without training",
        _slice,
        _slice_arguments,
        _slice_text,
        "slice full-draft --vocabulary choice.json --out trimmed-draft",
    ),
    Command(
        "inspect",
        "check an export or a draft folder: files, shapes, mapping, record",
        _inspect,
        _inspect_arguments,
        _inspect_text,
        "inspect trimmed-draft",
    ),
)
