"""Background jobs on a page: progress, speed, time left, cancel, resume, and why one failed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.error_messages import fragment
from pages.ui.fields import with_labels
from pages.ui.format import plain
from pages.ui.job_results import drawn_from, result_of
from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.jobs.progress import duration, rate

POLL_SECONDS = 0.7
AFTER_FAILURE = {"count": "Try again"}  # it fails over its input; others go on from a step
ENDED = {
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/block:",
    "lost": ":material/help:",
}


def of_verb(*verbs: str) -> list[Job]:
    """Jobs of these commands, newest first.

    Args:
        verbs: names of commands.
    """
    return [job for job in jobs.list_jobs() if job.argv and job.argv[0] in verbs]


def of_command(argv: Sequence[str]) -> list[Job]:
    """Jobs of exactly this command, newest first.

    Args:
        argv: arguments of the command.
    """
    return [job for job in jobs.list_jobs() if job.argv == tuple(argv)]


def is_running(argv: Sequence[str]) -> bool:
    """Whether a job of exactly this command waits or runs.

    Args:
        argv: arguments of the command.
    """
    return any(job.active for job in of_command(argv))


def finished(argv: Sequence[str]) -> Job | None:
    """The newest job of exactly this command that is done.

    Args:
        argv: arguments of the command.
    """
    return next((job for job in of_command(argv) if job.state == "done"), None)


def active_ids() -> frozenset[str]:
    """Ids of the jobs that are queued or running."""
    return frozenset(job.id for job in jobs.list_jobs() if job.active)


def unfinished(*verbs: str) -> list[Job]:
    """Jobs of these commands that wait, run, or ended without success, newest first.

    Args:
        verbs: names of commands.
    """
    return [job for job in of_verb(*verbs) if job.state != "done"]


def folder_of(kind: str, argv: Sequence[str]) -> Path:
    """The folder of the workspace that a command writes to, named by its arguments.

    Args:
        kind: the folder that holds it.
        argv: arguments of the command, without the folder itself.
    """
    digest = hashlib.sha256("\0".join(argv).encode()).hexdigest()[:16]
    return workspace.folder(kind) / digest


Outcome = Callable[[Job], None]


def watch(find: Callable[[], list[Job]], key: str, outcome: Outcome | None = None) -> None:
    """Cards for the jobs `find` returns, refreshed while one is active; the page reruns at the end.

    A job that was active at the last look and is not any more has changed what the page shows.

    Args:
        find: returns the jobs to show, newest first.
        key: key of the watching fragment, unique on the page.
        outcome: draws what came of a job that is done.
    """
    active = [job.id for job in find() if job.active]

    def draw() -> None:
        listed = find()
        for job in listed:
            card(job, outcome, place=key)
        if {job.id for job in listed if job.active} != set(active):
            st.rerun()

    fragment(draw, run_every=POLL_SECONDS if active else None, key=f"watch_{key}")()


def watch_command(argv: Sequence[str], key: str) -> None:
    """The card of the newest job of exactly this command, until it is done.

    Args:
        argv: arguments of the command.
        key: key of the watching fragment, unique on the page.
    """
    watch(lambda: [job for job in of_command(argv)[:1] if job.state != "done"], key)


def speed(job: Job) -> str:
    """Rates and time left, as far as they are known.

    Args:
        job: the job.
    """
    rates = [rate(name, value) for name, value in job.rates.items()]
    left = [f"{duration(job.eta)} left"] if job.eta else []
    return " · ".join([*rates, *left])


def card(job: Job, outcome: Outcome | None = None, *, place: str = "") -> None:
    """One job; outcome: draws what came of it once it is done.

    Args:
        job: the job.
        outcome: draws what came of a job that is done.
        place: where on the page, so that a job may have a card in two places.
    """
    with st.container(border=True, key=f"job_{place}_{job.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(gap="xsmall"):
                if job.active:
                    _running(job)
                else:
                    _ended(job)
            with st.container(horizontal=True, width="content"):
                _actions(job, place)
        if outcome and job.state == "done":
            with drawn_from(job):
                outcome(job)


def _running(job: Job) -> None:
    activity = "Stopping" if job.stopping else job.message or job.state.capitalize()
    label = " · ".join(filter(None, [f"**{plain(job.title)}**", plain(activity), speed(job)]))
    st.progress(job.share, text=label)
    if not job.total:
        st.caption(f"{duration(job.elapsed)} so far")


def reason_of(job: Job) -> str:
    """Why a job ended as it did, "" where it said nothing.

    Args:
        job: a job that has ended.
    """
    return result_of(job).get("error") or job.message


def _ended(job: Job) -> None:
    reason = reason_of(job)
    took = f" in {duration(job.elapsed)}" if job.state == "done" else ""
    st.markdown(f"{ENDED[job.state]} **{plain(job.title)}** · {job.state}{took}")
    if reason and job.state != "done":
        st.caption(with_labels(reason))


def _actions(job: Job, place: str) -> None:
    if job.active:
        st.button(
            "Cancel",
            key=f"cancel_{place}_{job.id}",
            on_click=_try,
            args=(jobs.cancel, job.id),
            disabled=job.stopping,
        )
        return
    if job.resumable:
        again = AFTER_FAILURE.get(job.argv[0], "Resume") if job.state == "failed" else "Resume"
        st.button(again, key=f"resume_{place}_{job.id}", on_click=_try, args=(jobs.resume, job.id))
    st.button(
        "Dismiss",
        key=f"remove_{place}_{job.id}",
        type="tertiary",
        on_click=_try,
        args=(jobs.remove, job.id),
    )


def start_button(
    label: str,
    argv: Sequence[str],
    title: str,
    *,
    resources: Sequence[str] = (),
    possible: bool = True,
    started: Callable[[], None] = lambda: None,
    **options: Any,
) -> None:
    """The button that starts a command as a job; off while that runs.

    What keeps the job from starting is said.

    Args:
        label: text of the button.
        argv: the command's arguments.
        title: of the job's card.
        resources: what the job shares with no other, such as a GPU.
        possible: whether there is anything to start.
        started: called once the job is started, before the page is drawn again.
        options: further arguments of the button.
    """
    # No callback: it would take the arguments of the run before, without what was typed since.
    if st.button(label, disabled=not possible or is_running(argv), **options):
        try:
            jobs.start(argv, title, resources=resources)
        except InputError as error:
            st.toast(with_labels(str(error)), icon=":material/error:")
        else:
            started()
            st.rerun()


def _try(action: Callable[[str], object], job_id: str) -> None:
    """Run a button's action; the job may have ended or gone since the button was drawn."""
    try:
        action(job_id)
    except InputError as error:
        st.toast(with_labels(str(error)), icon=":material/error:")
