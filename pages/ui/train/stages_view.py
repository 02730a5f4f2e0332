"""The stages of a run: what is done, runs, waits or failed."""

from __future__ import annotations

import streamlit as st

from pages.ui.fields import with_labels
from pages.ui.format import plain
from pages.ui.train import cost_view
from pages.ui.train.target_form import TOY_WORDS, loaded, toy_losses
from vocabtrim_core.drafts.runs import (
    DONE,
    FAILED,
    PENDING,
    RUNNING,
    Stage,
    TrainingRun,
)
from vocabtrim_core.drafts.target import DEMO, TOY, demo_folder
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.jobs.progress import duration

TITLES = {
    "toy": "Toy target",
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
    target = cost_view.value_of(job.argv, "--target") if job else ""
    if target == DEMO or (run and run.spec["target"]["name"] == DEMO):
        shared = [_toy_stage(job, bool(stages)), *shared]
    with st.container(border=True):
        words = [f"**{plain(name)}**"]
        if run:
            words.append(f"target {plain(run.spec['target']['name'])}")
        if target == DEMO or (run and run.toy):
            words.append(TOY_WORDS)
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
        if (demo_folder() / TOY).is_file() and shared and shared[0].name == "toy":
            st.caption(toy_losses(loaded(DEMO).toy))


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


def _toy_stage(job: Job | None, later: bool) -> Stage:
    """The toy target is made before the run has a folder, so its stage is told by the job."""
    if (demo_folder() / TOY).is_file():
        seconds = float(loaded(DEMO).toy.get("seconds", 0))
        return Stage("toy", state=DONE, began=1.0, ended=1.0 + seconds)
    if later:
        return Stage("toy", state=DONE)
    if job is None or job.state == "queued":
        return Stage("toy")
    return Stage("toy", state=RUNNING if job.active else FAILED, began=job.started)


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
