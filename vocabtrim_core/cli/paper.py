"""The command that sets the paper's figures and tables beside the shipped counts: paper."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import shared
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _paper_arguments(parser: argparse.ArgumentParser) -> None:
    shared(parser, "--out", help="also as one page: an .html or a .pdf (needs Chromium or Chrome)")


def _paper(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.paper.compare import panels
    from vocabtrim_core.paper.missing import REASON, looked_up
    from vocabtrim_core.report.paper_page import write_paper
    from vocabtrim_core.serving.measurement import stored

    if arguments.out and arguments.out.suffix.lower() not in (".html", ".htm", ".pdf"):
        raise InputError(f"{arguments.out} must end in .html or .pdf.")
    progress(0, 2, "comparing")
    measurements = stored()
    result: Result = {
        "panels": [
            {
                **asdict(panel),
                "rows": [
                    {
                        **asdict(row),
                        "difference": row.difference,
                        "texts": [row.paper_text, row.our_text, row.difference_text],
                    }
                    for row in panel.rows
                ],
            }
            for panel in panels(measurements)
        ],
        "missing": [
            {**asdict(item), "text": item.example.text, "benchmark": item.example.benchmark}
            for item in looked_up()
        ],
        "missing_reason": REASON,
    }
    if arguments.out:
        progress(1, 2, "writing the page")
        result["out"] = str(write_paper(arguments.out, measurements))
    return result


def _paper_text(result: Result) -> str:
    blocks: list[str] = []
    for panel in result["panels"]:
        rows = [
            (row["label"], *row["texts"], row["basis"] if row["ours"] is not None else "")
            for row in panel["rows"]
        ]
        body = table([("", "paper", "here", "difference", ""), *rows])
        why = dict.fromkeys(row["reason"] for row in panel["rows"] if row["reason"])
        lines = [f"{panel['place']}: {panel['title']}", body, panel["reason"], *why]
        blocks.append("\n".join(lines))
    names = ("text", "benchmark", "rank", "in_blend", "in_benchmark", "verdict")
    rows = [[item[name] or "" for name in names] for item in result["missing"]]
    head = ("token", "benchmark", "rank", "in the blend", "in the benchmark", "among 13,264")
    blocks.append("\n".join(["Section 4.1", table([head, *rows]), result["missing_reason"]]))
    if "out" in result:
        blocks.append(result["out"])
    return "\n\n".join(blocks)


COMMANDS = (
    Command(
        "paper",
        "set the paper's figures and tables beside the shipped counts",
        _paper,
        _paper_arguments,
        _paper_text,
        "paper --out paper.html",
    ),
)
