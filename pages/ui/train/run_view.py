"""A training run as it goes on: its stages, its job, and the curves of every k side by side."""

from __future__ import annotations

import shlex
from dataclasses import replace

import streamlit as st

from pages.ui import jobpanel
from pages.ui.error_messages import fragment
from pages.ui.fields import with_labels
from pages.ui.format import code_span, plain
from pages.ui.frame import plain_errors
from pages.ui.session import session
from pages.ui.train import cost_view, curves_view, results_view, stages_view
from pages.ui.widgets import persisted
from vocabtrim_core.drafts.bundled_target import NAME, TITLE
from vocabtrim_core.drafts.runs import (
    FAILED,
    RUNNING,
    TrainingRun,
    being_trained,
    list_runs,
    read_run,
    read_stages,
    run_folder,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.figures.training_curves import training_curves
from vocabtrim_core.jobs.job import Job

POLL_SECONDS = 1.5
LOG_LINES = 60


def names() -> list[str]:
    """Runs on disk and runs of jobs that have not written anything yet, newest first."""
    started = (
        cost_view.value_of(j.argv, "--name")
        for j in jobpanel.of_verb("train")
        if "--check" not in j.argv
    )
    known = [run.name for run in list_runs()]
    return list(dict.fromkeys([*(name for name in started if name and name not in known), *known]))


def failure() -> tuple[str, str] | None:
    """The newest training, where it failed and nothing works on it: its name, and why."""
    trainings = (job for job in jobpanel.of_verb("train") if "--check" not in job.argv)
    if job := next(trainings, None):
        name = cost_view.value_of(job.argv, "--name")
        bad = job.state in ("failed", "lost") and not _works(name)
        return (name, jobpanel.reason_of(job)) if bad else None
    run = next(iter(list_runs()), None)
    failed = next((s for s in run.stages if s.state == FAILED), None) if run else None
    return (run.name, failed.message) if run and failed and not _works(run.name) else None


def failure_note() -> None:
    """What became of the newest training, where it failed, with the way to it."""
    if not (failed := failure()):
        return
    name, why = failed
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f":red[:material/error:] **{plain(name)}** failed. {with_labels(why)}")
        st.button("See the run", key="see_failed", on_click=_show, args=(name,))


def _show(name: str) -> None:
    session.train_view, session.train_run = "Runs", name


def panel() -> list[str]:
    """The chosen run; returns the command that made it."""
    known = names()
    if not known:
        st.info(
            f"Nothing is trained yet. Set up offers drafts of {TITLE}, which needs no download.",
            icon=":material/model_training:",
        )
        return ["train", "--target", NAME, "--k", "full", "--k", "4096"]
    if session.train_run not in known:
        running = [n for n in known if any(j.active for j in cost_view.of_run(n))]
        session.train_run = (running or known)[0]
    name = st.selectbox("Run", known, **persisted("train_run"))
    watch(name)
    return _command(name)


def watch(name: str) -> None:
    """Draw the run again and again while a job works on it; the page reruns at its end.

    Args:
        name: name of the run.
    """
    active = _works(name)

    def draw() -> None:
        with plain_errors():
            _draw(name)
        if active and not _works(name):
            st.rerun()

    fragment(draw, run_every=POLL_SECONDS if active else None, key="watch_run")()


def _works(name: str) -> bool:
    """Whether a job, or a command in some shell, is at it."""
    return any(job.active for job in cost_view.of_run(name)) or being_trained(name)


def _draw(name: str) -> None:
    jobs_ = cost_view.of_run(name)[:1]
    job = jobs_[0] if jobs_ else None
    run = _read(name)
    stages = read_stages(run_folder(name))
    if not _works(name):  # what a kill left behind still says that it runs
        stages = tuple(
            replace(s, state=stages_view.STOPPED) if s.state == RUNNING else s for s in stages
        )
    stages_view.stages_card(name, run, job, stages)
    if job and job.state != "done":
        jobpanel.card(job, place="run")
    else:
        stages_view.failures(stages)
        if run and not run.finished and job is None and not being_trained(name):
            _go_on(run)
    if run and run.drafts:
        results_view.table(run)
        runs = [training_curves(d.k, run.vocab_size, d.steps, d.metrics()) for d in run.drafts]
        if any(line.loss for line in runs):
            curves_view.curves(runs)
        results_view.drafts(run)
    _log(name, run, job)


def _read(name: str) -> TrainingRun | None:
    try:
        return read_run(name)
    except InputError:
        return None


def _command(name: str) -> list[str]:
    """The command of the run's job, else the one noted with the run."""
    for job in cost_view.of_run(name):
        return list(job.argv)
    run = _read(name)
    noted = shlex.split(run.spec.get("command", "")) if run else []
    return [part for part in noted[3:] if part != "--json"] or ["train", "--name", name]


def _go_on(run: TrainingRun) -> None:
    """A run that stopped without a job in sight, from a shell or with its card dismissed."""
    argv = _command(run.name)
    st.warning("This run is not finished, and nothing works on it.", icon=":material/pause_circle:")
    jobpanel.start_button(
        "Go on",
        argv,
        f"Go on with {run.name}",
        resources=cost_view.resources(),
        possible=argv[0] == "train" and "--target" in argv,
        key="train_go_on",
        type="primary",
        icon=":material/play_arrow:",
    )


def _log(name: str, run: TrainingRun | None, job: Job | None) -> None:
    logs = {"The job": job.log(LOG_LINES)} if job else {}
    for draft in run.drafts if run else ():
        path = draft.folder / "log.txt"
        if path.is_file():
            with path.open("rb") as file:
                file.seek(max(file.seek(0, 2) - 12_000, 0))
                lines = file.read().decode("utf-8", "replace").splitlines()
            logs[f"SpecForge, k = {draft.k:,}"] = "\n".join(lines[-LOG_LINES:])
    if not logs:
        return
    with st.expander("Log", icon=":material/notes:", key="train_log"):
        which = st.segmented_control(
            "Of",
            list(logs),
            default=next(iter(logs)),
            required=True,
            key=f"train_log_{name}",
            label_visibility="collapsed",
        )
        st.code(logs.get(which or "") or "Nothing yet.", language=None, height=320)
    if run:
        st.caption(
            f"TensorBoard reads the same curves: {code_span(f'tensorboard --logdir {run.folder}')}"
        )
