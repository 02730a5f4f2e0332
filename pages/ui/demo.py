"""The first visit: build the demo conversations and count them, in the background, by itself.

Everything is told from what is on disk, so a second tab, a reload or a restarted app joins in:
no demo yet -> job `demo`; demo there -> one job `count` per domain; counts there -> done.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import jobpanel
from vocabtrim_core import workspace
from vocabtrim_core.counts_store import list_counts
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.tokenizers.presets import PRESETS, SMOLLM2

DOMAINS = ("python-assistant", "tool-calls")
ABOUT = {
    "python-assistant": "broad: questions about Python code",
    "tool-calls": "narrow: tool calls in JSON",
}


def folder() -> Path:
    """Where the demo's conversations lie."""
    return workspace.folder("demo")


def files() -> dict[str, Path]:
    """The demo's corpora on disk, by domain."""
    by_domain = {path.name.partition(".")[0]: path for path in sorted(folder().glob("*.jsonl*"))}
    return {name: by_domain[name] for name in DOMAINS if name in by_domain}


def tokenizer() -> str:
    """What the demo is counted with: that of the bundled target, where it is installed."""
    return SMOLLM2 if PRESETS[SMOLLM2].installed else next(iter(PRESETS))


def demo_jobs() -> list[Job]:
    """The jobs that prepare the demo, newest first."""
    return [
        job
        for job in jobpanel.of_verb("demo", "count")
        if any(str(folder()) in argument for argument in job.argv)
    ]


def count_arguments(path: Path) -> list[str]:
    """The command that counts one domain.

    Args:
        path: a file of conversations.
    """
    return ["count", "--tokenizer", tokenizer(), "--data", str(path)]


def start() -> None:
    """Start whatever is still missing; what runs already is not started twice."""
    built = files()
    if len(built) < len(DOMAINS):
        jobs.start(["demo", "--out", str(folder())], "Build the demo conversations")
        return
    counted = {stored.counts.name for stored in list_counts()}
    for name, path in built.items():
        if name not in counted:
            jobs.start(count_arguments(path), f"Count {name}")


def prepare() -> bool:
    """Start what is missing, unless a step runs or has failed; returns whether one has failed."""
    steps = demo_jobs()
    broken = any(job.resumable for job in steps)
    if not broken and not any(job.active for job in steps):
        start()
    return broken


def building() -> str:
    """Where the demo's conversations are, in a sentence; starts what is missing."""
    if prepare():
        return "The demo's conversations are not finished; the job's card resumes it."
    return "The demo's conversations are being built; the job stands below."


def panel() -> None:
    """Progress of the first visit, which starts by itself; the card of a step resumes it."""
    broken = prepare()
    st.subheader("The demo is not finished" if broken else "Preparing the demo", anchor=False)
    st.write(
        "Two domains are built from the packages installed here: a broad one, questions and "
        "answers about Python code, and a narrow one, tool calls in JSON. They are then counted "
        f"with the tokenizer of {PRESETS[tokenizer()].title}. This takes about a minute, once."
    )
    jobpanel.watch(demo_jobs, "demo")
