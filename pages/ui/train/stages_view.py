"""The stages of a run: what is done, runs, waits or failed."""

from __future__ import annotations

import streamlit as st

from pages.ui.fields import with_labels
from pages.ui.format import plain
from vocabtrim_core.drafts.runs import (
    DONE,
    FAILED,
    PENDING,
    RUNNING,
    Stage,
    TrainingRun,
)
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.jobs.progress import duration

TITLES = {
    "target": "Target check",
    "regenerate": "Own answers",
    "capture": "Capture",
    "train": "Train",
    "evaluate": "Evaluate",
    "export": "Export",
}
STOPPED = "stopped"
MARKS = {
    DONE: ("check", "green"),
    RUNNING: ("progress_activity", "primary"),
    STOPPED: ("pause", "orange"),
    FAILED: ("error", "red"),
    PENDING: ("schedule", "gray"),
}
PER_SIZE = ("train", "evaluate", "export")


def stages_card(
    name: str, run: TrainingRun | None, job: Job | None, stages: tuple[Stage, ...]
) -> None:
    """The card of a run's stages.

    Args:
        name: name of the run.
        run: what is on disk of it; None before it has begun.
        job: its newest job, None without one.
        stages: what the run recorded.
    """
    shared = [stage for stage in stages if stage.k is None] or _planned(job)
    with st.container(border=True):
        words = [f"**{plain(name)}**"]
        if run:
            words.append(f"for {plain(run.spec['target']['name'])}")
        st.markdown(" · ".join(words))
        lines = [_line("Shared by all", shared)] if shared else []
        for k in dict.fromkeys(stage.k for stage in stages if stage.k is not None):
            lines.append(_line(f"k = {k:,}", [stage for stage in stages if stage.k == k]))
        if not stages:
            lines.append(_line("Then for every size", [Stage(name) for name in PER_SIZE]))
        st.markdown("  \n".join(lines))
        messages = [s.message for s in shared if s.message and s.state != FAILED]
        if messages:
            st.caption(plain("; ".join(messages)))


def failures(stages: tuple[Stage, ...]) -> None:
    """What failed, and why, in the words that the run recorded.

    Args:
        stages: what the run recorded.
    """
    for stage in stages:
        if stage.state == FAILED:
            of = f", k = {stage.k:,}" if stage.k else ""
            st.error(
                f"{TITLES[stage.name]}{of}: {with_labels(stage.message)}", icon=":material/error:"
            )


def _planned(job: Job | None) -> list[Stage]:
    """What all sizes share, before the run has begun."""
    own = ["regenerate"] if job and "--regenerate" in job.argv else []
    return [Stage(name) for name in ("target", *own, "capture")]


def _line(title: str, stages: list[Stage]) -> str:
    return f"{title}: " + " ".join(map(_badge, stages))


def _badge(stage: Stage) -> str:
    icon, colour = MARKS[stage.state]
    words = TITLES[stage.name]
    if stage.state in (RUNNING, STOPPED) and stage.total:
        words += f" {min(stage.done / stage.total, 1):.0%}"
    elif stage.state == DONE and stage.began and stage.ended and stage.ended - stage.began >= 1:
        words += f", {duration(stage.ended - stage.began)}"
    return f":{colour}-badge[:material/{icon}: {words}]"
