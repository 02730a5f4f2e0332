"""Search: the paper's TPE, watched live and held against the exact optimum."""

from dataclasses import replace

import numpy as np
import streamlit as st

from pages.ui import jobpanel, plots, state
from pages.ui.format import ESTIMATED, MEASURED, counted, percent, plain
from pages.ui.frame import choose_counts, footer, heading, plain_errors
from pages.ui.router import require_router
from pages.ui.widgets import persisted
from vocabtrim_core import figures
from vocabtrim_core.fields.kinds import percent_of
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.optuna_storage import studies_url
from vocabtrim_core.selection_spec.settings import Settings

require_router()

PURPOSE = (
    "For one known corpus every size can be tried exactly in milliseconds, so TPE is not needed to "
    "find the optimum; the paper uses it, and here it can be checked. It earns its keep once each "
    "trial is expensive: when the objective is a measured throughput instead of a formula."
)


def form(settings: Settings, vocab_size: int) -> tuple[Settings, int, int]:
    """The study's own bounds, trials and seed; the paper's code by default."""
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


def results(tradeoff, study: str, asked: int) -> None:
    """The first `asked` trials of the study as stored now: figure, best so far, regret."""
    from vocabtrim_core import tpe

    found = tpe.read(study, trials=asked)
    trials = found.trials if found else ()
    k = np.array([trial.k for trial in trials], np.int64)
    value = np.array([trial.value for trial in trials])
    info = figures.trials_info(tradeoff, k, value)
    best = found.best if found else None
    exact = info.exact
    cards = (
        ("Trials finished", f"{len(trials):,}", f"of {asked:,}", MEASURED),
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
    """A difference of utilities; one that is there never reads as 0."""
    return "under 0.000001" if 0 < behind < 5e-7 else f"{behind:.6f}"


def watch(tradeoff, study: str, asked: int, mine) -> None:
    """Results and job, refreshed while the study runs."""

    def draw() -> None:
        with plain_errors():
            results(tradeoff, study, asked)

    running = any(job.active for job in mine())
    st.fragment(draw, run_every=1.0 if running else None, key="study")()
    jobpanel.watch(lambda: mine()[:1], "study")


def page(stored) -> None:
    from vocabtrim_core import tpe

    curve = state.curve_of(stored.key, stored.counts)
    settings = state.settings(curve.vocab_size)
    st.markdown(
        f"The objective is the one of Explore: alpha {settings.alpha:.2f}, coverage floor "
        f"{percent_of(settings.floor):g}%, draft {plain(settings.architecture.name)}."
    )
    searched, trials, seed = form(settings, curve.vocab_size)
    tradeoff = state.tradeoff_of(searched, curve)
    study = tpe.study_name(tradeoff, stored.key, seed)
    argv = [
        "optimize",
        stored.key,
        *state.arguments(searched),
        "--method",
        "tpe",
        "--trials",
        str(trials),
        "--seed",
        str(seed),
    ]

    def mine() -> list:
        return [job for job in jobpanel.of_verb("optimize") if job.argv == tuple(argv)]

    if st.button(
        "Start the search",
        type="primary",
        icon=":material/play_arrow:",
        key="tpe_start",
        disabled=any(job.active for job in mine()),
    ):
        jobs.start(argv, f"TPE, {trials:,} trials")
        st.rerun()
    watch(tradeoff, study, trials, mine)
    st.caption(PURPOSE)
    st.caption(f"Study `{study}`; open it with `optuna-dashboard {studies_url()}`.")
    footer(argv)


with heading(
    "Search", "The paper's way to find the size, trial by trial, against the exact answer."
):
    stored = choose_counts()
if stored:
    with plain_errors():
        page(stored)
