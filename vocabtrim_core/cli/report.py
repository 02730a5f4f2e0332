"""The command that presents a choice to people: report."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli import choice
from vocabtrim_core.cli.arguments import (
    choice_argument,
    counts_argument,
    selection_from,
    shared,
    spec_arguments,
)
from vocabtrim_core.cli.command import Command, Result, named_values, table
from vocabtrim_core.cli.resolve import (
    comparable_counts,
    responses_of,
    tokenizer_argument,
    tokenizer_or_none,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import shell_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from vocabtrim_core.counting.responses import Responses
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.forecast.inputs import Acceptance
    from vocabtrim_core.generalization.intervals import CoverageInterval
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.report.data import ReportData
    from vocabtrim_core.report.inputs import Measured
    from vocabtrim_core.selection_spec.opened import Opened
    from vocabtrim_core.selection_spec.spec import SelectionSpec
    from vocabtrim_core.tradeoff import TradeOff

# --- arguments ----------------------------------------------------------------------------------


def input_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a choice is read from: counts, choice, measurements, tokenizer.

    Args:
        parser: The parser of `report` or `card`.
    """
    counts_argument(parser)
    shared(
        parser,
        "--measurement",
        dest="measurements",
        nargs="+",
        action="extend",
        default=[],
        help="measured throughput: keys of measurements in the workspace, or their files",
    )
    choice_argument(parser)
    tokenizer_argument(parser)
    spec_arguments(parser)


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    input_arguments(parser)
    add = parser.add_argument
    shared(parser, "--out", required=True, help="the .html to write")
    add("--pdf", action="store_true", help="also as PDF beside it (needs Chromium or Chrome)")
    add("--figures", type=Path, metavar="DIR", help="also every figure as SVG, in a new folder")
    add("--png", action="store_true", help="figures as PNG too (needs Chromium or Chrome)")
    add("--tables", type=Path, metavar="DIR", help="also every table as CSV, in a new folder")
    add("--title", default="", metavar="TEXT", help="(default: the decision)")
    add("--date", default="", metavar="TEXT", help="shown as it is given")


def _report(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.report import pdf
    from vocabtrim_core.report.charts import figures
    from vocabtrim_core.report.page import report_html
    from vocabtrim_core.report.tables import tables
    from vocabtrim_core.workspace.files import new_folder, write_atomic

    if arguments.out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{arguments.out} must end in .html; --pdf writes a PDF beside it.")
    if arguments.png and not arguments.figures:
        raise InputError("--png needs --figures DIR, the folder the figures go to.")
    if arguments.pdf or arguments.png:
        pdf.required()
    data = read_report_data(arguments, progress)
    progress(2, 4, "writing the report")
    page = report_html(data)
    write_atomic(arguments.out, page.encode())
    files = [str(arguments.out)]
    if arguments.pdf:
        progress(3, 4, "printing the PDF")
        files.append(str(pdf.print_pdf(arguments.out, arguments.out.with_suffix(".pdf"))))
    for folder, content, suffix in (
        (arguments.figures, figures, "svg"),
        (arguments.tables, tables, "csv"),
    ):
        if folder is None:
            continue
        with new_folder(folder) as scratch:
            for name, text in content(data).items():
                (scratch / f"{name}.{suffix}").write_text(text, "utf-8", newline="\n")
                if arguments.png and suffix == "svg":
                    pdf.print_png(text, scratch / f"{name}.png")
            files += [str(folder / path.name) for path in sorted(scratch.iterdir())]
    return {
        **summary(data),
        "out": arguments.out,
        "bytes": len(page.encode()),
        "files": files,
    }


def _at_hand(choice: SelectionSpec) -> list[str]:
    """List the sets a choice is measured on that this workspace has; name the others on stderr."""
    from vocabtrim_core.counts_store import list_counts

    stored_keys = {stored.key for stored in list_counts()}
    if absent := [key for key in choice.on or () if key not in stored_keys]:
        print(
            f"Left out, since this workspace does not have them: the counts {', '.join(absent)}; "
            "give their files with --on.",
            file=sys.stderr,
        )
    return [key for key in choice.on or () if key in stored_keys]


def read_report_data(arguments: argparse.Namespace, progress: Progress) -> ReportData:
    """Gather what is to be presented.

    Args:
        arguments: With the options of `input_arguments`.
        progress: Called as progress(done, total, message).

    Returns:
        The content of a report.

    Raises:
        InputError: The choice does not belong to the counts, or something is not there.
    """
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.report.data import report_data
    from vocabtrim_core.report.inputs import ReportInputs

    progress(0, 4, "reading the counts")
    choice = selection_from(arguments, find_counts(arguments.counts))
    specs = [arguments.counts, *(arguments.on or _at_hand(choice))]
    counts, *others = comparable_counts(specs)
    opened = choice.open(counts)
    responses = responses_of(specs, [counts, *others])
    served_specs = getattr(arguments, "served", None) or choice.served or [arguments.counts]
    served = comparable_counts([arguments.counts, *served_specs])[1:]
    progress(1, 4, "intervals over conversations")
    return report_data(
        ReportInputs(
            counts,
            choice,
            others,
            _intervals(counts, others, responses[1:], opened.vocabulary.t2d),
            tokenizer_or_none(counts, arguments.tokenizer),
            title=getattr(arguments, "title", ""),
            created=getattr(arguments, "date", ""),
            measured=_measured(arguments.measurements, choice, counts.vocab_size),
            commands=(_command(arguments),),
            acceptance=_acceptance(choice, opened, served, served_specs),
            held_out=_held_out(choice, counts, responses[0]),
            k_range=_k_range(choice, counts, responses[0], opened.tradeoff),
        )
    )


def _k_range(
    choice: SelectionSpec, counts: TokenCounts, responses: Responses | None, tradeoff: TradeOff
) -> tuple[int, int] | None:
    """Between which sizes k* would lie on other samples; None for own tokens."""
    from vocabtrim_core.generalization.k_range import k_range
    from vocabtrim_core.generalization.stability import best_sample

    if choice.own or choice.forecast.full_length is None:
        return None
    return k_range(best_sample(counts, responses), tradeoff)


def _held_out(
    choice: SelectionSpec, counts: TokenCounts, responses: Responses | None
) -> CoverageInterval | None:
    """Coverage held out; None for tokens that are not simply the most frequent."""
    from vocabtrim_core.counting.shard_counts import load_shards
    from vocabtrim_core.generalization.stability import held_out_of
    from vocabtrim_core.selection.rules import NO_RULES

    if choice.own or choice.rules != NO_RULES:
        return None
    return held_out_of(counts, choice.k, responses, load_shards(counts.key))


def _measured(specs: list[str], choice: SelectionSpec, vocab_size: int) -> list[Measured]:
    from vocabtrim_core.report.forecast import comparisons
    from vocabtrim_core.serving.measurement import find

    return comparisons([find(spec) for spec in specs], choice.k, vocab_size)


def _intervals(
    chooser: TokenCounts,
    others: list[TokenCounts],
    responses: list[Responses | None],
    is_kept: np.ndarray,
) -> dict[str, Any]:
    """Of corpora other than the one that chose: in sample an interval says nothing of new text."""
    from vocabtrim_core.generalization.pieces import intervals_elsewhere

    pairs = zip(others, responses, strict=True)
    elsewhere = [(counts, own) for counts, own in pairs if counts.key != chooser.key]
    sets, stored = [counts for counts, _ in elsewhere], [own for _, own in elsewhere]
    return intervals_elsewhere(sets, stored, is_kept)


def _acceptance(
    choice: SelectionSpec, opened: Opened, served: Sequence[TokenCounts], specs: Sequence[str]
) -> Acceptance | None:
    """Acceptance on the text that gains least; None where no forecast is wanted."""
    if choice.forecast.full_length is None:
        return None
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.generalization.stability import best_sample
    from vocabtrim_core.report.forecast import acceptance_for, worst_acceptance

    acceptances = []
    for spec, counts in zip(specs, served, strict=True):
        responses = find_responses(spec, counts)
        sample = best_sample(counts, responses)
        acceptances.append(acceptance_for(choice, opened, counts, responses, sample))
    return worst_acceptance(choice, opened, acceptances)


def _command(arguments: argparse.Namespace) -> str:
    """Write this command with the choice in a file, for the report's list of commands."""
    line = ["report", "counts.npz", "--choice", "choice.json"]
    line += ["--on", *arguments.on] if arguments.on else []
    line += ["--measurement", *arguments.measurements] if arguments.measurements else []
    return shell_line(*line, "--out", "report.html")


def summary(data: ReportData) -> Result:
    """Summarise the choice as JSON values.

    Args:
        data: The content of the report.

    Returns:
        The choice, its coverage elsewhere and its throughput.
    """
    choice = data.opened.choice
    return {
        **asdict(choice),
        "vocabulary_sha256": data.inputs.choice.vocabulary_sha256,
        "elsewhere": [
            {
                "name": place.held.name,
                "coverage": place.held.coverage,
                "interval": [place.interval.low, place.interval.high] if place.interval else None,
            }
            for place in data.elsewhere
        ],
        "throughput": list(data.chosen.gain) if data.chosen.gain else None,
        "measured": [asdict(measured) for measured in data.inputs.measured],
    }


def summary_text(result: Result) -> str:
    """Write the summary for people.

    Args:
        result: What `summary` gives, with the file that was written.

    Returns:
        A few lines.
    """
    lines = [named_values(result, "k", "coverage", "latency_reduction", "utility", "bytes", "out")]
    rows = [(place["name"], f"{place['coverage']:.2%}") for place in result["elsewhere"]]
    lines += [table([("elsewhere", "coverage"), *rows])] if rows else []
    return "\n".join([*lines, *result.get("files", [])[1:]])


COMMANDS = (
    *choice.COMMANDS,
    Command(
        "report",
        "write the report of a choice: one HTML file, and PDF, figures and tables on request",
        _report,
        _report_arguments,
        summary_text,
        "report blend.npz --choice choice.json --on gsm8k.npz --out report.html --pdf",
    ),
)
