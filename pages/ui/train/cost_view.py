"""What a training costs before it starts, SpecForge's own check of it, and the start itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui import jobpanel
from pages.ui.fields import with_labels
from pages.ui.format import ESTIMATED, MEASURED
from pages.ui.job_results import drawn_from, result_of
from pages.ui.session import session
from pages.ui.train.deployment_form import trainer_words
from pages.ui.train.request_form import TrainingForm
from pages.ui.widgets import persisted
from vocabtrim_core.drafts.estimate import Estimate
from vocabtrim_core.drafts.training_env import Trainer, known_trainer
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.jobs.progress import duration
from vocabtrim_core.wording import format_bytes

BASES = {
    "trial": "A few steps were measured here with these settings.",
    "run": "By a finished run of this target here; *Check and measure* makes it surer.",
    "shapes": "Computed from shapes alone, which may be wrong several times over; *Check and "
    "measure* runs a few steps, in about a minute.",
}


def known() -> Trainer | None:
    """The trainer; the first visit asks it in the background."""
    trainer = known_trainer()
    if trainer is None and not jobpanel.of_verb("trainer"):
        jobs.start(["trainer"], "Look at the trainer")
    return trainer


def panel(request: TrainingForm) -> None:
    """Cost, check and start.

    Args:
        request: what the form asks for.
    """
    trainer = known()
    cost = request.estimate(trainer) if trainer else None
    with st.container(border=True):
        st.markdown("**What it costs**")
        if cost:
            _cost(request, cost)
        elif not request.sizes.all:
            st.caption("Choose at least one draft vocabulary.")
        else:
            st.caption("Known once the target is on this machine and the trainer has answered.")
        _start(request, trainer, cost)
        st.caption(trainer_words(trainer))
        jobpanel.watch(lambda: jobpanel.unfinished("trainer")[:1], "looking")
    _check(request)


def _cost(request: TrainingForm, cost: Estimate) -> None:
    a, b, c = st.columns([1.3, 1, 1])
    a.metric(
        "Tokens to learn from",
        f"{cost.tokens:,}",
        help=f"About, in {cost.conversations:,} conversations.",
    )
    b.metric("Steps per draft", f"{cost.steps:,}")
    c.metric(
        "Time, about",
        _rough(cost.seconds),
        help=BASES[cost.source],
    )
    target = request.target.target
    width = target.hidden_size if target else 0
    kind = MEASURED if cost.measured else ESTIMATED
    times = ", ".join(f"{duration(seconds)} for {k:,}" for k, seconds in cost.train_seconds.items())
    free = f"; free: {format_bytes(cost.free_memory)}" if cost.free_memory is not None else ""
    st.markdown(
        f"- Features on disk: **{format_bytes(cost.feature_bytes)}**, 8 x {width:,} bytes per "
        f"token, captured once for every size {ESTIMATED}\n"
        f"- Checkpoints: {format_bytes(cost.checkpoint_bytes)}; free on this disk: "
        f"{format_bytes(cost.free_bytes)}\n"
        f"- Memory: {format_bytes(max(cost.memory_bytes.values()))} at most{free} "
        f"{MEASURED if cost.source == 'trial' else ESTIMATED}\n"
        f"- Time: capture {duration(cost.capture_seconds)}, training {times}, on {cost.device}; "
        f"speed {kind}"
    )
    if cost.problem:
        st.error(with_labels(cost.problem), icon=":material/memory:")
    elif cost.source != "trial":
        st.caption(BASES[cost.source])


def _rough(seconds: float) -> str:
    """A time that is only an estimate: '40 s', '3 min', '2.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _start(request: TrainingForm, trainer: Trainer | None, cost: Estimate | None) -> None:
    busy = any(job.active for job in of_run(request.run))
    ready = bool(request.sizes.all) and trainer is not None and (cost is None or cost.fits)
    with st.container(horizontal=True, gap="small"):
        jobpanel.start_button(
            "Training, see Runs" if busy else request.title,
            request.argv,
            request.title,
            resources=resources(),
            possible=ready and not busy,
            started=lambda: _show(request.run),
            type="primary",
            key="train_start",
            icon=":material/model_training:",
            help="One job in the background; it survives closing this page.",
        )
        jobpanel.start_button(
            "Check and measure",
            check_arguments(request),
            "Check and measure",
            resources=resources(),
            possible=bool(request.sizes.all),
            key="train_check",
            icon=":material/fact_check:",
            help="SpecForge's own check (train --plan), and a few steps of the smallest and the "
            "largest size, for time and memory. No draft is trained.",
        )


def _show(run: str) -> None:
    session.run_to_show = run


def resources() -> tuple[str, ...]:
    """What a training holds, so that two never share a GPU, or the cores."""
    trainer = known_trainer()
    return trainer.resources if trainer else ("train",)


def of_run(name: str) -> list[Job]:
    """The jobs that train the run of this name, newest first.

    Args:
        name: name of the run.
    """
    return [
        job
        for job in jobpanel.of_verb("train")
        if "--check" not in job.argv and value_of(job.argv, "--name") == name
    ]


def value_of(argv: tuple[str, ...], flag: str) -> str:
    """The value of an argument in a command, "" without it.

    Args:
        argv: arguments of a command.
        flag: a flag of the command.
    """
    return argv[argv.index(flag) + 1] if flag in argv[:-1] else ""


# --- SpecForge's check ----------------------------------------------------------------------------


def check_arguments(request: TrainingForm, online: str = "") -> list[str]:
    """The command that validates, for an online run on these GPUs too.

    Args:
        request: what the form asks for.
        online: GPUs that train and GPUs that serve, "" for one machine.
    """
    return [*request.argv, "--check", *(["--online", online] if online else [])]


def _check(request: TrainingForm) -> None:
    """What SpecForge said of exactly these settings."""
    outcome(check_arguments(request), "plans", "validate")


def outcome(argv: list[str], part: str, key: str) -> None:
    """The check's job while it runs, then its words: what is accepted, or the error as it is.

    Args:
        argv: arguments of the check.
        part: field of the job's result.
        key: start of the widgets' keys.
    """

    latest = jobpanel.of_command(argv)[:1]
    if not latest or latest[0].state != "done":
        jobpanel.watch(lambda: jobpanel.of_command(argv)[:1], key)
        return
    with drawn_from(latest[0]):
        _accepted(result_of(latest[0]).get(part) or {}, key)


def _accepted(plans: Mapping[str, Any], key: str) -> None:
    st.success("SpecForge accepts the run files of every size.", icon=":material/fact_check:")
    for k, plan in plans.items():
        with st.expander(f"Run file for k = {int(k):,}", type="compact"):
            st.code(plan["yaml"], language="yaml")
            st.download_button(
                "Download",
                plan["yaml"],
                f"run-{k}.yaml",
                "application/yaml",
                key=f"{key}_{k}",
                on_click="ignore",
            )
            st.caption(
                "The features' folder and the steps are filled in once they are captured. What "
                "SpecForge would start:"
            )
            st.json(plan["plan"], expanded=False)


def online(request: TrainingForm) -> None:
    """The disaggregated run: SGLang servers capture on some GPUs while others train.

    Args:
        request: what the form asks for.
    """
    st.caption(
        "For two GPUs or more, with SpecForge's source checkout, SGLang and Mooncake: nothing is "
        "written to disk, servers capture while training goes on. The run file is made and checked "
        "here; it is started there."
    )
    left, right = st.columns(2)
    trains = left.text_input("GPUs that train", "1", **persisted("online_train"))
    serves = right.text_input("GPUs that serve the target", "0", **persisted("online_serve"))
    argv = check_arguments(request, f"{trains.strip()}:{serves.strip()}")
    jobpanel.start_button(
        "Make and check the run file",
        argv,
        "Check the online run file",
        possible=bool(request.sizes.all),
        key="online_check",
        icon=":material/lan:",
    )
    outcome(argv, "online", "online")
