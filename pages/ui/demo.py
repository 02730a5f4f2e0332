"""The first visit: build the demo conversations and count them, in the background, by itself.

Everything is told from what is on disk, so a second tab, a reload or a restarted app joins in:
no demo yet -> job `demo`; demo there -> one job `count` per domain; counts there -> done.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import jobpanel
from vocabtrim_core import workspace
from vocabtrim_core.counts_store import own_counts
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
    counted = {stored.counts.name for stored in own_counts()}
    for name, path in built.items():
        if name not in counted:
            jobs.start(count_arguments(path), f"Count {name}")


def counted() -> bool:
    """Whether both domains are counted."""
    names = {stored.counts.name for stored in own_counts()}
    return names >= set(DOMAINS)


def building() -> bool:
    """Where the demo's text is, in a sentence, or the button that builds it where nobody has.

    Returns:
        Whether it was begun; its jobs stand elsewhere on the page.
    """
    steps = demo_jobs()
    if not steps:
        st.caption(
            "Questions about Python code and tool calls in JSON, built from the packages installed "
            "here in about a minute; no download."
        )
        if st.button("Build the demo text", icon=":material/construction:", key="build_demo"):
            start()
            st.rerun()
    elif any(job.resumable for job in steps):
        st.caption("The demo's conversations are not finished; the job's card resumes it.")
    else:
        st.caption("The demo's conversations are being built; the job stands below.")
    return bool(steps)


def panel() -> None:
    """Build the demo's text and count it: begun by a button, then step by step until it is done."""
    st.markdown("**Count it yourself: the demo text**")
    if building():
        if not any(job.active or job.resumable for job in demo_jobs()):
            start()
        jobpanel.watch(demo_jobs, "demo")
