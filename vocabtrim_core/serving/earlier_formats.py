"""Conversion of stored measurements of an earlier format, on their JSON values."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.serving.acceptance_length import TOOLS_OWN_LENGTH, length_of
from vocabtrim_core.wording import EARLIER_DEMO


def from_format_1(measurement: dict[str, Any]) -> dict[str, Any]:
    """Give a measurement of format 1 the acceptance lengths that `LENGTH_HELP` defines.

    The lengths of measured runs were tokens / verifications, those of imported runs the tool's;
    where such a run has a histogram, they are 1 + accepted / verifications already.

    Args:
        measurement: The measurement as JSON values, checked to be one.

    Returns:
        The measurement as format 2. Lengths are computed from the histogram, else from the number
        of prompts; where neither is stored they stay, and a note says so.
    """
    imported = measurement.get("origin") == "imported"
    answers = measurement.get("settings", {}).get("prompts")
    known = not imported and isinstance(answers, int)
    runs, has_own_length = [], False
    for run in measurement.get("runs", ()):
        tokens, accepted = run.get("tokens"), run.get("accepted", ())
        if run.get("acceptance_length") is not None and not (imported and accepted):
            generated = tokens - answers if known and tokens is not None else None
            length = length_of(run.get("verified"), generated, accepted)
            has_own_length |= length is None
            run = {**run, "acceptance_length": length or run["acceptance_length"]}
        runs.append(run)
    notes = [*measurement.get("notes", ()), *([TOOLS_OWN_LENGTH] if has_own_length else ())]
    return {**measurement, "runs": runs, "notes": notes, "format": 2}


def from_format_2(measurement: dict[str, Any]) -> dict[str, Any]:
    """Name the target that earlier versions trained themselves for what it was.

    Args:
        measurement: The measurement as JSON values, checked to be one.

    Returns:
        The measurement as format 3: that target is named `EARLIER_DEMO`, and nothing else says so.
    """
    field = "toy"
    renewed = {name: value for name, value in measurement.items() if name != field}
    if measurement.get(field):
        notes = [note for note in measurement.get("notes", ()) if f"is a {field}" not in note]
        renewed |= {"target": EARLIER_DEMO, "notes": notes}
    return {**renewed, "format": 3}
