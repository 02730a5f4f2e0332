"""Curves of a run, every size beside the others."""

from __future__ import annotations

import streamlit as st

from pages.ui import plots
from pages.ui.format import MEASURED
from vocabtrim_core.figures import training as figures
from vocabtrim_core.figures.training_curves import TrainingCurves, begun
from vocabtrim_core.serving.acceptance_length import LENGTH_HELP


def curves(runs: list[TrainingCurves]) -> None:
    """Acceptance length, loss, accuracy, speed and learning rate over the steps.

    Args:
        runs: the course of every size.
    """
    palette = plots.palette()
    waiting = [line.name for line in runs if line not in begun(runs)]
    if waiting:
        st.caption(f"Not begun yet: {', '.join(waiting)}.")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**Acceptance length, held-out conversations** {MEASURED}  \n"
            "Simulated by SpecForge on text nobody trained on; the ring is the best checkpoint, "
            "which is kept. 1 is a draft that never helps.",
            help=LENGTH_HELP,
        )
        plots.draw(
            figures.acceptance_figure(runs, palette),
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
            figures.loss_figure(runs, palette),
            "train_loss",
            "Held-out and training loss over the steps, one line per size",
        )
    st.markdown(
        f"**Accuracy by draft position, held-out** {MEASURED}  \nHow often the first, second, … "
        "drafted token is the target's own choice."
    )
    plots.draw(
        figures.accuracy_figure(runs, palette),
        "train_accuracy",
        "Held-out accuracy by draft position over the steps, per size",
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**Speed** {MEASURED}")
        plots.draw(
            figures.speed_figure(runs, palette),
            "train_speed",
            "Optimizer steps per second, one line per size",
        )
    with right:
        st.markdown("**Learning rate**")
        plots.draw(
            figures.rate_figure(runs, palette),
            "train_rate",
            "Learning rate over the steps, one line per size",
        )
