"""What an experiment takes before it starts: time by stage, memory, and a trial that tells more."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import jobpanel
from pages.ui.fields import with_labels
from pages.ui.format import ESTIMATED, MEASURED
from pages.ui.train import cost_view
from vocabtrim_core import workspace
from vocabtrim_core.drafts import bundled_target
from vocabtrim_core.drafts.peak_memory import free_for
from vocabtrim_core.drafts.target import load_target
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.errors import InputError
from vocabtrim_core.experiment.estimate import SOURCES, ExperimentEstimate, estimate
from vocabtrim_core.experiment.plan import TITLES, ExperimentPlan
from vocabtrim_core.jobs.progress import duration
from vocabtrim_core.wording import format_bytes

SECONDS = 20  # that an estimate is shown before the workspace is looked at again
MEMORY_STEP = 100_000_000  # bytes; another estimate is made where so much more or less is free
COMMAND = {  # this form leaves them to the command
    "--batch-size": "batch-size of the command",
    "--max-length": "max-length of the command",
    "--ttt-length": "ttt-length of the command",
    "--engine": "Engine",
    "--k": "Draft vocabulary sizes",
}


def panel(plan: ExperimentPlan, argv: list[str]) -> bool:
    """Time and memory, and the button of the trial.

    Args:
        plan: settings of the experiment.
        argv: its command.

    Returns:
        Whether it may start: False where disk or memory do not suffice.
    """
    try:
        cost = _known(plan)
    except InputError as error:  # such as too few answers to fill a step
        st.error(with_labels(str(error), COMMAND), icon=":material/error:")
        return False
    if isinstance(cost, str):
        st.caption(cost)
    else:
        _shown(cost)
    jobpanel.start_button(
        "Estimate by a trial",
        [*argv, "--estimate"],
        f"Estimate: {plan.target} on {plan.engine}",
        resources=cost_view.resources(),
        key="experiment_estimate",
        icon=":material/timer:",
        help="A few answers and a few training steps of the smallest and the largest size, in a "
        "minute or two.",
    )
    return isinstance(cost, str) or cost.problem is None


def _shown(cost: ExperimentEstimate) -> None:
    kind = ESTIMATED if cost.source == "shapes" else MEASURED
    free = f" of {format_bytes(cost.free_memory)} free" if cost.free_memory is not None else ""
    st.markdown(
        f"**About {duration(cost.seconds)}**, memory {format_bytes(cost.memory)}{free}; "
        f"speed {kind}"
    )
    long = [s for s in cost.stages if s.seconds >= 5]
    st.caption(
        " · ".join(f"{TITLES[stage.name]}: {duration(stage.seconds)}" for stage in long)
        + f". Speed {SOURCES[cost.source]}."
    )
    if cost.problem:
        st.error(with_labels(cost.problem, COMMAND), icon=":material/memory:")


def _known(plan: ExperimentPlan) -> ExperimentEstimate | str:
    """The estimate; a sentence while the target is elsewhere or the trainer has not answered."""
    bundled = bundled_target.is_bundled(plan.target)
    here = bundled_target.ready() if bundled else Path(plan.target).expanduser().is_dir()
    trainer = cost_view.known()
    if not here:
        return "What it takes is known once the target is on this machine."
    if trainer is None:
        return "What it takes is known once the training environment is detected."
    free = (free_for(trainer, trainer.device) or 0) // MEMORY_STEP
    return _estimated(plan.key, str(workspace.home()), free, plan, trainer)


@st.cache_data(max_entries=32, ttl=SECONDS, show_spinner=False)
def _estimated(
    key: str, home: str, free: int, _plan: ExperimentPlan, _trainer: Trainer
) -> ExperimentEstimate:
    return estimate(_plan, load_target(_plan.target), _trainer)
