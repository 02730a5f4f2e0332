"""A study: its bounds, trials and seed, the best so far, and how far that is from the optimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import streamlit as st

from pages.ui import jobpanel, plots
from pages.ui.error_messages import fragment
from pages.ui.format import ESTIMATED, MEASURED, counted, percent
from pages.ui.widgets import persisted
from vocabtrim_core import figures
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.tradeoff import TradeOff


def form(settings: Settings, vocab_size: int) -> tuple[Settings, int, int]:
    """The study's own bounds, trials and seed; the paper's code by default.

    Args:
        settings: the settings of the trade-off.
        vocab_size: V, the target's number of tokens.
    """
    from vocabtrim_core.tpe import PAPER_SEED, PAPER_TRIALS, paper_bounds

    low, high = paper_bounds(vocab_size)
    fields = (
        ("Smallest k", 1, vocab_size, low, "tpe_min"),
        ("Largest k", 1, vocab_size, high, "tpe_max"),
        ("Trials", 1, 10_000, PAPER_TRIALS, "tpe_trials"),
        ("Seed", 0, 2**32 - 1, PAPER_SEED, "tpe_seed"),
    )
    k_min, k_max, trials, seed = (
        int(column.number_input(title, least, most, start, **persisted(key)))
        for column, (title, least, most, start, key) in zip(st.columns(4), fields, strict=True)
    )
    return replace(settings, k_min=k_min, k_max=k_max), trials, seed


def results(tradeoff: TradeOff, study: str, wanted_trials: int) -> None:
    """The first trials of the study as stored now: figure, best so far, regret.

    Args:
        tradeoff: the trade-off in view.
        study: name of the study.
        wanted_trials: how many trials to show.
    """
    from vocabtrim_core import tpe

    stored_study = tpe.read(study, trials=wanted_trials)
    trials = stored_study.trials if stored_study else ()
    k = np.array([trial.k for trial in trials], np.int64)
    value = np.array([trial.value for trial in trials])
    info = figures.trials_info(tradeoff, k, value)
    best = stored_study.best if stored_study else None
    exact = info.exact
    cards = (
        ("Trials finished", f"{len(trials):,}", f"of {wanted_trials:,}", MEASURED),
        (
            "Best size so far",
            f"{best.k:,} tokens" if best else "none yet",
            f"utility {best.value:.4f}" if best else "",
            ESTIMATED,
        ),
        (
            "Exact optimum",
            f"{exact.k:,} tokens",
            f"utility {exact.utility:.4f}, within k = {tradeoff.k_min:,} to {tradeoff.last_k:,}",
            ESTIMATED,
        ),
        (
            "Regret",
            regret(exact.utility - best.value) if best else "none yet",
            "the optimum's utility less the best trial's",
            ESTIMATED,
        ),
    )
    for column, (title, number, about, badge) in zip(st.columns(4), cards, strict=True):
        with column.container(gap="xxsmall"):
            st.metric(title, number)
            if about:
                st.caption(f"{about} {badge}")
    plots.draw(
        figures.trials_figure(info, plots.palette()),
        "trials",
        "Utility of the trials over the exact utility of every size",
    )
    if best:
        behind = (
            f"the exact optimum is {exact.k:,}, better by {regret(exact.utility - best.value)} in "
            "utility"
            if best.k != exact.k
            else "that is the exact optimum"
        )
        st.markdown(
            f"After {counted(len(trials), 'trial')} the search has found {best.k:,} tokens, "
            f"{percent(tradeoff.curve.at(best.k))} coverage {MEASURED}; {behind} {ESTIMATED}."
        )


def regret(behind: float) -> str:
    """A difference of utilities; one that is there never reads as 0.

    Args:
        behind: utility of the optimum less that of the best trial.
    """
    return "under 0.000001" if 0 < behind < 5e-7 else f"{behind:.6f}"


def watch(
    tradeoff: TradeOff, study: str, wanted_trials: int, jobs: Callable[[], list[Job]]
) -> None:
    """Results and job, refreshed while the study runs.

    Args:
        tradeoff: the trade-off in view.
        study: name of the study.
        wanted_trials: how many trials to show.
        jobs: returns the jobs of this search, newest first.
    """

    def draw() -> None:
        results(tradeoff, study, wanted_trials)

    running = any(job.active for job in jobs())
    fragment(draw, run_every=1.0 if running else None, key="study")()
    jobpanel.watch(lambda: jobs()[:1], "study")
