"""What is compared with what: the draft in question, the baseline, requests at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core.figures import measurements
from vocabtrim_core.serving.measurement import Configuration, Measurement
from vocabtrim_core.serving.summary import candidates
from vocabtrim_core.serving.verdict import fastest

BASELINES = {
    measurements.FULL: "V",
    measurements.SHIPPED: "32,000",
    measurements.NONE: "no speculation",
}
FASTEST = "the fastest draft"


@dataclass(frozen=True, slots=True)
class ComparisonChoice:
    """What the results are looked at with. draft: a configuration's label, or the fastest."""

    concurrency: int
    baseline: str
    draft: str


def choose(measured: Sequence[Measurement]) -> ComparisonChoice:
    """Draw the controls.

    Args:
        measured: measurements in view.

    Returns:
        What the results are compared with.
    """
    at_once = sorted({number for measurement in measured for number in measurement.concurrencies})
    roles = {
        measurements.role(measurement, c)
        for measurement in measured
        for c in successful(measurement)
    }
    drafting = roles - {measurements.NONE}
    baselines = [name for kind, name in BASELINES.items() if kind in roles and drafting - {kind}]
    baselines = baselines or [BASELINES[measurements.FULL]]
    drafts = [
        FASTEST,
        *dict.fromkeys(c.label for measurement in measured for c in candidates(measurement)),
    ]
    drop_stale("measured_at", at_once)
    drop_stale("measured_base", baselines)
    drop_stale("measured_draft", drafts)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        draft = st.selectbox("Verdict about", drafts, **persisted("measured_draft"), width=240)
        base = st.segmented_control(
            "Compared with",
            baselines,
            default=baselines[0],
            required=True,
            **persisted("measured_base"),
        )
        concurrency = at_once[0]
        if len(at_once) > 1:
            concurrency = st.segmented_control(
                "Requests at once",
                at_once,
                default=at_once[0],
                required=True,
                **persisted("measured_at"),
            )
    kind = next(kind for kind, name in BASELINES.items() if name == (base or baselines[0]))
    return ComparisonChoice(concurrency or at_once[0], kind, draft)


def successful(measurement: Measurement) -> list[Configuration]:
    """Configurations with at least one run that succeeded.

    Args:
        measurement: a measurement.
    """
    return [c for c in measurement.configurations if measurement.good(c.label)]


def in_question(measurement: Measurement, comparison: ComparisonChoice) -> Configuration | None:
    """The draft a verdict is about: the chosen one, else the fastest; None where all failed.

    Args:
        measurement: a measurement.
        comparison: what the results are compared with.
    """
    drafts = candidates(measurement, comparison.concurrency)
    named = [c for c in drafts if c.label == comparison.draft]
    return named[0] if named else fastest(measurement, comparison.concurrency)
