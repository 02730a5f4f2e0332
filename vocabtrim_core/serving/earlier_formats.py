"""Measurements that were stored in an earlier format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vocabtrim_core.serving.acceptance_length import TOOLS_OWN_LENGTH, length_of

if TYPE_CHECKING:
    from vocabtrim_core.serving.measurement import Measurement


def with_stored_definition(measurement: Measurement) -> Measurement:
    """A measurement of format 1 with acceptance lengths as `LENGTH_HELP` defines them.

    Args:
        measurement: The measurement. The lengths of measured runs are tokens / verifications, those
            of imported runs the tool's; where such a run has a histogram, they are 1 + accepted /
            verifications already.

    Returns:
        The measurement. Lengths are computed from the histogram, else from the number of prompts;
        where neither is stored they stay, and a note says so.
    """
    imported = measurement.origin == "imported"
    answers = None if imported else measurement.settings.get("prompts")
    runs, kept = [], False
    for run in measurement.runs:
        if run.acceptance_length is not None and not (imported and run.accepted):
            generated = None
            if isinstance(answers, int) and run.tokens is not None:
                generated = run.tokens - answers
            length = length_of(run.verified, generated, run.accepted)
            kept |= length is None
            run = replace(run, acceptance_length=length or run.acceptance_length)
        runs.append(run)
    notes = (*measurement.notes, *([TOOLS_OWN_LENGTH] if kept else []))
    return replace(measurement, runs=tuple(runs), notes=notes)
