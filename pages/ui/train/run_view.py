"""A training run as it goes on: its stages, its job, and the curves of every k side by side."""

from __future__ import annotations

import shlex
from dataclasses import replace

import streamlit as st

from pages.ui import jobpanel, plots
from pages.ui.format import MEASURED, code_span, plain
from pages.ui.frame import plain_errors
from pages.ui.train import cost_view, results_view
from pages.ui.train.target_form import TOY_WORDS, loaded, toy_losses
from pages.ui.widgets import persisted
from vocabtrim_core.drafts.runs import (
    DONE,
    FAILED,
    PENDING,
    RUNNING,
    Stage,
    TrainingRun,
    being_trained,
    list_runs,
    read_run,
    read_stages,
    run_folder,
)
from vocabtrim_core.drafts.target import DEMO, TOY, demo_folder
from vocabtrim_core.errors import InputError
from vocabtrim_core.figures import training as figures
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.jobs.progress import duration

POLL_SECONDS = 1.5
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
LOG_LINES = 60


def names() -> list[str]:
    """Runs on disk and runs of jobs that have not written anything yet, newest first."""
    asked = (
        cost_view.value_of(j.argv, "--name")
        for j in jobpanel.of_verb("train")
        if "--check" not in j.argv
    )
    known = [run.name for run in list_runs()]
    return list(dict.fromkeys([*(name for name in asked if name and name not in known), *known]))


def panel() -> list[str]:
    """The chosen run; returns the command that made it."""
    found = names()
    if not found:
        st.info(
            "Nothing is trained yet. Set up offers the demo: a toy target and two drafts, in "
            "under ten minutes on two cores.",
            icon=":material/model_training:",
        )
        return ["train", "--target", DEMO, "--k", "full", "--k", "4380"]
    if st.session_state.get("train_run") not in found:
        running = [n for n in found if any(j.active for j in cost_view.of_run(n))]
        st.session_state.train_run = (running or found)[0]
    name = st.selectbox("Run", found, **persisted("train_run"))
    watch(name)
    return _command(name)


def watch(name: str) -> None:
    """Draw the run again and again while a job works on it; the page reruns at its end."""
    active = _works(name)

    def draw() -> None:
        with plain_errors():
            _draw(name)
        if active and not _works(name):
            st.rerun()

    st.fragment(draw, run_every=POLL_SECONDS if active else None, key="watch_run")()


def _works(name: str) -> bool:
    """Whether a job, or a command in some shell, is at it."""
    return any(job.active for job in cost_view.of_run(name)) or being_trained(name)


def _draw(name: str) -> None:
    jobs_ = cost_view.of_run(name)[:1]
    job = jobs_[0] if jobs_ else None
    run = _read(name)
    stages = read_stages(run_folder(name))
    if not _works(name):  # what a kill left behind still says that it runs
        stages = tuple(replace(s, state=STOPPED) if s.state == RUNNING else s for s in stages)
    _stages(name, run, job, stages)
    if job and job.state != "done":
        jobpanel.card(job)
    elif run and not run.finished and job is None and not being_trained(name):
        _go_on(run)
    if run and run.drafts:
        results_view.table(run)
        courses = [figures.course(d.k, run.vocab_size, d.steps, d.metrics()) for d in run.drafts]
        if any(each.loss for each in courses):
            _charts(courses)
        results_view.drafts(run)
    _log(name, run, job)


def _read(name: str) -> TrainingRun | None:
    try:
        return read_run(name)
    except InputError:
        return None


# --- stages ---------------------------------------------------------------------------------------


def _stages(name: str, run: TrainingRun | None, job: Job | None, stages: tuple[Stage, ...]) -> None:
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
        told = [stage.message for stage in shared if stage.message]
        if told:
            st.caption(plain("; ".join(told)))
        if (demo_folder() / TOY).is_file() and shared and shared[0].name == "toy":
            st.caption(toy_losses(loaded(DEMO).toy))


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


# --- curves ---------------------------------------------------------------------------------------


def _charts(courses: list[figures.Course]) -> None:
    palette = plots.palette()
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**Acceptance length, held-out conversations** {MEASURED}  \n"
            "Simulated by SpecForge on text nobody trained on; the ring is the best checkpoint, "
            "which is kept. 1 is a draft that never helps."
        )
        plots.draw(
            figures.acceptance_figure(courses, palette),
            "train_length",
            "Held-out acceptance length over the steps, one line per size",
        )
    with right:
        st.markdown(
            f"**Loss, held-out conversations** {MEASURED}  \n"
            "Faint: the training steps. Every size chooses among other tokens, so losses of "
            "different sizes are not comparable; acceptance lengths are."
        )
        plots.draw(
            figures.loss_figure(courses, palette),
            "train_loss",
            "Held-out and training loss over the steps, one line per size",
        )
    st.markdown(
        f"**Accuracy by draft position, held-out** {MEASURED}  \nHow often the first, second, … "
        "drafted token is the target's own choice."
    )
    plots.draw(
        figures.accuracy_figure(courses, palette),
        "train_accuracy",
        "Held-out accuracy by draft position over the steps, per size",
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**Speed** {MEASURED}")
        plots.draw(
            figures.speed_figure(courses, palette),
            "train_speed",
            "Optimizer steps per second, one line per size",
        )
    with right:
        st.markdown("**Learning rate**")
        plots.draw(
            figures.rate_figure(courses, palette),
            "train_rate",
            "Learning rate over the steps, one line per size",
        )


# --- what else there is ---------------------------------------------------------------------------


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
    st.button(
        "Go on",
        key="train_go_on",
        type="primary",
        icon=":material/play_arrow:",
        on_click=jobpanel.begin,
        disabled=argv[0] != "train" or "--target" not in argv,
        args=(argv, f"Go on with {run.name}", cost_view.resources()),
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
