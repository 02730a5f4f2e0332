"""Search: the paper's TPE, watched live and held against the exact optimum."""

import streamlit as st

from pages.ui import jobpanel, state
from pages.ui.format import plain
from pages.ui.frame import choose_counts, footer
from pages.ui.router import require_router
from pages.ui.search import study_view
from vocabtrim_core.fields.kinds import percent_of
from vocabtrim_core.optuna_storage import studies_url

require_router()

PURPOSE = (
    "For one known corpus every size can be tried exactly in milliseconds, so TPE is not needed to "
    "find the optimum; the paper uses it, and here it can be checked. It is needed where each "
    "trial is expensive: when the objective is a measured throughput instead of a formula."
)


def page(stored) -> None:
    """The objective, the study's settings and its trials."""
    from vocabtrim_core import tpe

    curve = state.curve_of(stored)
    settings = state.settings(curve.vocab_size)
    st.markdown(
        f"The objective is that of Explore: alpha {settings.alpha:.2f}, coverage floor "
        f"{percent_of(settings.floor):g}%, draft {plain(settings.architecture.name)}."
    )
    searched, trials, seed = study_view.form(settings, curve.vocab_size)
    tradeoff = state.tradeoff_of(searched, curve)
    study = tpe.study_name(tradeoff, stored.key, seed)
    argv = ["optimize", stored.key, *state.arguments(searched)]
    argv += ["--method", "tpe", "--trials", str(trials), "--seed", str(seed)]
    jobpanel.start_button(
        "Start the search",
        argv,
        f"TPE, {trials:,} trials",
        type="primary",
        icon=":material/play_arrow:",
        key="tpe_start",
    )
    study_view.watch(tradeoff, study, trials, lambda: jobpanel.of_command(argv))
    st.caption(PURPOSE)
    st.caption(f"Study `{study}`; open it with `optuna-dashboard {studies_url()}`.")
    footer(argv)


page(
    choose_counts(
        "Search", "The paper's way to find the size, trial by trial, against the exact answer."
    )
)
