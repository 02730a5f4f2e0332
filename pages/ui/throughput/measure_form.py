"""What is measured and searched, as commands, and the button that starts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from pages.ui import jobpanel
from pages.ui.format import plain
from pages.ui.throughput import drafts_form, engine_form, import_form, load_form
from pages.ui.throughput.engine_form import ABOUT, ATTACHED, IMPORT, SERVERS, EngineChoice
from pages.ui.widgets import persisted
from vocabtrim_core.jobs.job import Job


@dataclass(frozen=True, slots=True)
class MeasurementRequest:
    """The command of the choices made."""

    argv: list[str]


def open_jobs(*verbs: str) -> list[Job]:
    """Jobs that run, or ended otherwise than well; those that measure, unless others are named.

    Args:
        verbs: names of commands.
    """
    return jobpanel.unfinished(*(verbs or ("bench", "measurements")))


def can_measure() -> bool:
    """Whether this workspace has a target with a draft of its own."""
    return any(
        draft.target == target.folder
        for target in drafts_form.targets()
        for draft in drafts_form.drafts(target.folder)
    )


def form() -> MeasurementRequest | None:
    """Draw the choices and the button that measures; None where nothing can be started."""
    kind = st.selectbox(
        "Engine", list(ATTACHED), **persisted("attached"), format_func=ATTACHED.__getitem__
    )
    st.caption(ABOUT[kind])
    if kind == IMPORT:
        return MeasurementRequest(import_form.panel())
    engine = engine_form.choose(kind)
    argv = ["bench", *engine.arguments, *load_form.load(engine), *load_form.seldom_changed(engine)]
    start(argv, engine, "Measure", ":material/speed:", "measure", f"Measure: {ATTACHED[kind]}")
    return MeasurementRequest(argv)


def search(draw: Callable[[EngineChoice], list[str]]) -> tuple[list[str], EngineChoice]:
    """The same for a search, which has to change drafts by itself: so no servers by URL.

    Args:
        draw: draws what is searched and returns its arguments.
    """
    kind = st.selectbox(
        "Engine",
        [kind for kind in ATTACHED if kind not in (SERVERS, IMPORT)],
        **persisted("tune_attached"),
        format_func=ATTACHED.__getitem__,
    )
    engine = engine_form.choose(kind)
    return ["tune", *engine.arguments, *load_form.load(engine), *draw(engine)], engine


def start(
    argv: list[str], engine: EngineChoice, label: str, icon: str, key: str, title: str
) -> None:
    """The button that starts the command as a job, and what it still lacks.

    Args:
        argv: arguments of the command.
        engine: the engine that is attached.
        label: text of the button.
        icon: its icon.
        key: key of the button.
        title: title of the job.
    """
    jobpanel.start_button(
        label,
        argv,
        title,
        resources=engine.resources,
        possible=not engine.missing,
        type="primary",
        icon=icon,
        key=key,
        width="stretch",
        help="Runs in the background, survives closing this page, and keeps finished runs "
        "when it is stopped.",
    )
    if engine.missing:
        st.caption(plain(engine.missing))
