"""The command that examines a running server or its log: doctor."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import integer, shared
from vocabtrim_core.cli.command import Command, Result
from vocabtrim_core.fields.codec import add_options, parsed

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.doctor import Diagnosis, Finding

FAULT = 1
WIDTH = 96


def _arguments(parser: argparse.ArgumentParser) -> None:
    from vocabtrim_core.serving.doctor import Expected

    parser.add_argument(
        "sources",
        nargs="+",
        metavar="URL|LOG",
        help="a server of SGLang, vLLM or llama.cpp by URL, the file of its log, or both",
    )
    parser.add_argument(
        "--draft",
        type=Path,
        metavar="DIR",
        help="folder of the draft (default: the one that the server names, if it is here)",
    )
    shared(
        parser,
        "--counts",
        help="counts of the text that is served: they tell what a random draft would reach",
    )
    parser.add_argument(
        "--answers",
        type=integer,
        default=0,
        metavar="N",
        help="have the server answer N short questions first (default %(default)s)",
    )
    add_options(parser.add_argument_group("what it should be"), Expected)


def _doctor(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.serving.doctor import Asked, Expected, diagnose

    progress(0, arguments.answers or None, "reading")
    asked = Asked(
        arguments.answers, lambda done: progress(done, arguments.answers, "questions answered")
    )
    return result_of(
        diagnose(
            arguments.sources,
            arguments.draft,
            find_counts(arguments.counts) if arguments.counts else None,
            parsed(Expected, arguments),
            asked,
        )
    )


def result_of(diagnosis: Diagnosis) -> Result:
    """A diagnosis as JSON.

    Args:
        diagnosis: The diagnosis.

    Returns:
        Its fields.
    """
    return {
        "engine": diagnosis.engine,
        "version": diagnosis.version,
        "source": diagnosis.source,
        "faults": len(diagnosis.faults),
        "unknown": len(diagnosis.unknown),
        "summary": diagnosis.summary,
        "findings": [_row(finding) for finding in diagnosis.findings],
        "notes": list(diagnosis.notes),
    }


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "key": finding.key,
        "question": finding.question,
        "verdict": finding.verdict,
        "fault": finding.fault,
        "reason": finding.reason,
        "remedy": finding.remedy,
    }


def _text(result: Result) -> str:
    from vocabtrim_core.serving.doctor.finding import WORDS

    name = f"{result['engine']} {result['version']}".strip()
    blocks = [f"{name} at {result['source']}"]
    for row in result["findings"]:
        mark = "!" if row["fault"] else ("?" if row["verdict"] == "unknown" else " ")
        lines = [f"{mark} {row['question']} {WORDS[row['verdict']]}", _indented(row["reason"])]
        lines += [_indented(f"-> {row['remedy']}")] if row["remedy"] else []
        blocks.append("\n".join(lines))
    blocks += [_indented(note) for note in result["notes"]]
    return "\n\n".join([*blocks, result["summary"]])


def _indented(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ")


COMMANDS = (
    Command(
        "doctor",
        "tell whether a server really uses the draft, and whether the draft works (exit code 1: a "
        "fault was found)",
        _doctor,
        _arguments,
        _text,
        "doctor http://127.0.0.1:8000 server.log --draft draft --counts my.npz --k 4380",
        exit_code=lambda result: FAULT if result["faults"] else 0,
    ),
)
