"""Measured-objective TPE: a search whose every trial is a measurement."""

from __future__ import annotations

import hashlib

import pandas as pd
import streamlit as st

from pages.ui import jobpanel, plots
from pages.ui.error_messages import fragment
from pages.ui.format import MEASURED, plain
from pages.ui.frame import footer, plain_errors
from pages.ui.throughput.engine_form import SGLANG, EngineChoice
from pages.ui.throughput.load_form import answers
from pages.ui.throughput.measure_form import open_jobs, search, start
from pages.ui.widgets import persisted
from vocabtrim_core.figures import tuning as figures
from vocabtrim_core.optuna_storage import studies_url
from vocabtrim_core.serving import tuning
from vocabtrim_core.serving.acceptance_length import LENGTH_HELP
from vocabtrim_core.serving.tuning import Tuning

ABOUT = (
    "For one known corpus every size can be tried exactly, so TPE is not needed there. Here each "
    "trial is a real measurement of one draft with one number of steps, minutes long on a large "
    "target, and a search by TPE needs only some of them. Finished "
    "trials are kept, and the best is measured again beside its baselines, in turns."
)


def panel() -> None:
    """What is searched at the right, trials as they come in at the left."""
    left, right = st.columns([2.5, 1], gap="large")
    with right.container(border=True):
        argv, engine = search(_space)
        name = _study(argv)
        argv = [*argv, "--study", name]
        start(argv, engine, "Search", ":material/query_stats:", "tune", "Search by measurements")
    with left:
        st.markdown(ABOUT)
        with plain_errors():
            _watch(_in_view(name))
    footer(argv)


def _space(engine: EngineChoice) -> list[str]:
    """What is searched besides the drafts."""
    steps = st.multiselect(
        "Draft steps to try", range(1, 11), [2, 3, 4, 5], **persisted("tune_steps")
    )
    argv = ["--steps", *map(str, sorted(steps) or [3])]
    if engine.name == SGLANG:
        topks = st.multiselect(
            "Branches per step to try",
            (1, 2, 4, 8),
            [1],
            **persisted("tune_topk"),
            help="1 is a chain.",
        )
        argv += ["--topk", *map(str, sorted(topks) or [1])]
        if max(topks, default=1) > 1:
            widths = st.multiselect(
                "Tokens verified per cycle to try",
                (4, 8, 16, 32, 64),
                [8, 16],
                **persisted("tune_widths"),
            )
            argv += ["--draft-tokens", *map(str, sorted(widths) or [8])]
    left, right = st.columns(2, vertical_alignment="bottom")
    trials = left.number_input("Trials", 1, 1000, 12, **persisted("tune_trials"))
    with right.popover("Answers", icon=":material/tune:", type="tertiary", key="tune_more"):
        argv += answers()
    return [*argv, "--trials", str(int(trials))]


def _study(argv: list[str]) -> str:
    """The name of the study of these choices; more trials of the same question go on in it."""
    at = argv.index("--trials")
    question = [*argv[:at], *argv[at + 2 :]]
    return f"tune-{hashlib.sha256(chr(0).join(question).encode()).hexdigest()[:12]}"


def _in_view(name: str) -> str:
    """The study of the choices, else that of the newest search."""
    searches = [job.argv for job in jobpanel.of_verb("tune") if "--study" in job.argv]
    known = [argv[argv.index("--study") + 1] for argv in searches]
    return name if name in known or not known else known[0]


def _watch(name: str) -> None:
    """Trials and job, refreshed while the search runs."""
    active = any(job.active for job in open_jobs("tune"))

    def draw() -> None:
        stored_study = tuning.read(name)
        for job in open_jobs("tune"):
            jobpanel.card(job)
        if stored_study and stored_study.trials:
            _trials(stored_study)
        elif not active:
            st.caption("No trial yet. Choose two drafts or more, then **Search** at the right.")
        if active and not any(job.active for job in open_jobs("tune")):
            st.rerun()

    fragment(draw, run_every=1.5 if active else None, key="watch_tune")()


def _trials(study: Tuning) -> None:
    """The figure, the best so far, every trial."""
    info = figures.tuning_info(study)
    figure = figures.tuning_figure(info, plots.palette())
    plots.draw(figure, "tuning", "Tokens per second of every trial, and the best so far")
    best = study.best
    if best and best.value is not None:
        half = f" ± {best.half:,.1f}" if best.half is not None else ", one run"
        st.markdown(
            f"Best of {len(study.trials):,} trials: **{plain(best.configuration.label)}**, "
            f"{best.value:,.1f}{half} tokens/s {MEASURED}. The best of many noisy values is too "
            "high; "
            "what counts is the measurement of it beside its baselines, on the Measure tab."
        )
    st.dataframe(
        pd.DataFrame(
            {
                "Trial": [t.number + 1 for t in study.trials],
                "k": [t.configuration.k for t in study.trials],
                "Steps": [t.configuration.steps for t in study.trials],
                "Branches": [t.configuration.topk for t in study.trials],
                "Verified": [t.configuration.draft_tokens for t in study.trials],
                "Tokens/s": [t.value for t in study.trials],
                "± tokens/s": [t.half for t in study.trials],
                "Acceptance length": [t.acceptance_length for t in study.trials],
                "Failed because": [t.error for t in study.trials],
            }
        ),
        hide_index=True,
        key="tune_rows",
        alt="Every trial of the search",
        column_config={
            "k": st.column_config.NumberColumn(format="localized"),
            **{
                name: st.column_config.NumberColumn(format="%.1f")
                for name in ("Tokens/s", "± tokens/s")
            },
            "Acceptance length": st.column_config.NumberColumn(format="%.3f", help=LENGTH_HELP),
        },
    )
    st.caption(f"Study `{study.study}`; `optuna-dashboard {studies_url()}` opens it.")
