"""The command that holds the forecast against public and own measurements: evidence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import between, signed

if TYPE_CHECKING:
    from vocabtrim_core.forecast.evidence_check import Checked
    from vocabtrim_core.jobs.progress import Progress


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="CSV files of your own measurements, with the columns of the shipped file",
    )
    add("--class", dest="kind", metavar="CLASS", help="only this class: P, L, Q, F, D or C")
    add("--head", metavar="KIND", help="only this kind of draft, such as mtp or eagle3")
    add("--device", metavar="NAME", help="only this device, such as gb10")
    add("--own", action="store_true", help="leave out the shipped measurements")


def _evidence(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.forecast.evidence import load, select, shipped
    from vocabtrim_core.forecast.evidence_check import check, score

    rows = [] if arguments.own else list(shipped())
    for path in arguments.files:
        rows += load(path)
    ids = [row.id for row in rows]
    if repeated := next((id_ for id_ in ids if ids.count(id_) > 1), None):
        raise InputError(f"The measurement {repeated} is given twice; rename one.")
    rows = select(rows, kind=arguments.kind, head=arguments.head, device=arguments.device)
    checked = [check(row) for row in rows]
    total = score(checked)
    return {
        "score": None if total is None else total._asdict(),
        "rows": [_row(entry) for entry in checked],
    }


def _row(entry: Checked) -> Result:
    return {
        **msgspec.to_builtins(entry.evidence),
        "observed": entry.evidence.observed,
        "forecast": None if entry.forecast is None else entry.forecast._asdict(),
        "inside": entry.inside,
        "refused": entry.refused,
    }


def _text(result: Result) -> str:
    head = ("measurement", "class", "tokens", "measured", "forecast", "90 % band", "")
    lines = [
        (
            row["id"],
            row["kind"],
            f"{row['k']:,} of {row['k_base']:,}",
            signed(row["observed"]),
            signed(row["forecast"]["middle"]),
            between(row["forecast"]["low"], row["forecast"]["high"]),
            "inside" if row["inside"] else "OUTSIDE",
        )
        for row in result["rows"]
        if row["inside"] is not None
    ]
    refused: dict[str, int] = {}
    for row in result["rows"]:
        if row["inside"] is None:
            reason = row["refused"] or "The source gives no gain."
            refused[reason] = refused.get(reason, 0) + 1
    parts = [table([head, *lines])] if lines else []
    if total := result["score"]:
        parts.append(
            f"{total['inside']} of {total['pairs']} measured gains lie in the 90 % band of the "
            f"forecast made without them; the expected gain is off by "
            f"{100 * total['median_error']:.1f} points in the median, and the band is "
            f"{100 * total['median_width']:.1f} points wide in the median."
        )
    parts += [f"Without a forecast, {count}: {reason}" for reason, count in sorted(refused.items())]
    return "\n\n".join(parts) or "No measurement is left."


COMMANDS = (
    Command(
        "evidence",
        "hold the forecast against public measurements, and your own",
        _evidence,
        _arguments,
        _text,
        "evidence --class P --device gb10",
    ),
)
