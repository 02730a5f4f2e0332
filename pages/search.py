"""Search: the paper's TPE, watched live and held against the exact optimum."""

import streamlit as st

from pages.ui import jobpanel, state
from pages.ui.format import plain
from pages.ui.frame import choose_counts, footer, heading, plain_errors
from pages.ui.router import require_router
from pages.ui.search import study_form, study_view
from vocabtrim_core.fields.kinds import percent_of
from vocabtrim_core.jobs import control as jobs
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

    curve = state.curve_of(stored.key, stored.counts)
    settings = state.settings(curve.vocab_size)
    st.markdown(
        f"The objective is the one of Explore: alpha {settings.alpha:.2f}, coverage floor "
        f"{percent_of(settings.floor):g}%, draft {plain(settings.architecture.name)}."
    )
    searched, trials, seed = study_form.form(settings, curve.vocab_size)
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
    study_view.watch(tradeoff, study, trials, mine)
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
