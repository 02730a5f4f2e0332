"""One experiment from prompts to measured tokens per second: what it does, its job, its outcome."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui import jobpanel, plots
from pages.ui.format import MEASURED, percent, plain
from pages.ui.router import go_to
from pages.ui.tables import table
from pages.ui.train import cost_view, experiment_cost
from pages.ui.widgets import persisted
from vocabtrim_core.corpora.demo import chat
from vocabtrim_core.corpora.uploads import list_uploads
from vocabtrim_core.errors import InputError
from vocabtrim_core.experiment.outcome import outcome
from vocabtrim_core.experiment.plan import (
    BEST,
    DRAFT_STEPS,
    ENGINES,
    FULL,
    STAGES,
    TITLES,
    ExperimentPlan,
)
from vocabtrim_core.experiment.record import Experiment, list_experiments
from vocabtrim_core.fields.codec import to_argv
from vocabtrim_core.figures import throughput as figures
from vocabtrim_core.jobs.progress import duration
from vocabtrim_core.programs import ENGINE, configured
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.wording import expected, signed

WHAT = (
    "From prompts to measured tokens per second, in one go: the target answers the prompts, its "
    "answers are counted, k* is chosen, a draft of each size is trained on the same answers, and "
    "the engine measures them in turns on prompts that none of them has seen."
)
SIZES = {FULL: "V", "32000": "32,000", BEST: "k*"}
PROMPTS = {chat.CHAT: "Everyday chat (bundled)", chat.UNSEEN: "Everyday chat, unseen topics"}


def panel() -> list[str]:
    """The form at the left, experiments at the right; returns the command."""
    st.markdown(WHAT)
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        plan = _form()
        argv = ["experiment", *to_argv(plan)]
        fits = experiment_cost.panel(plan, argv)
        jobpanel.start_button(
            "Run the experiment",
            argv,
            f"Experiment: {plan.target} on {plan.engine}",
            resources=cost_view.resources(),
            possible=fits,
            type="primary",
            key="experiment_start",
            icon=":material/science:",
        )
        st.caption(
            "It goes on when the page is closed, and a stopped one continues where it stopped. "
            "Use an idle machine: other work slows the runs that are measured."
        )
    with right:
        jobpanel.watch(lambda: jobpanel.unfinished("experiment"), "experiments")
        _experiments()
    return argv


def _form() -> ExperimentPlan:
    """What is asked; everything else has a default that the command line can change."""
    target = st.text_input(
        "Target",
        "smollm2",
        **persisted("experiment_target"),
        help="smollm2 (SmolLM2-135M-Instruct, bundled, Apache-2.0), a folder, or a hub id.",
    )
    programs = list(configured(ENGINE))
    engine = st.segmented_control(
        "Engine",
        ENGINES,
        default=ENGINES[0],
        required=True,
        **persisted("experiment_engine"),
        help="It answers the prompts and runs the drafts. llama.cpp and torch are installed; for "
        "vLLM and SGLang add a program with `engine --add` in a shell.",
    )
    program = ""
    if engine in ("vllm", "sglang"):
        program = st.selectbox("Program", programs, **persisted("experiment_program")) or ""
        if not programs:
            st.caption("No engine program is configured; `engine --add NAME COMMAND` adds one.")
    named = {**PROMPTS, **{upload.key: upload.label for upload in list_uploads()}}
    prompts, unseen = (
        st.selectbox(label, names, format_func=named.__getitem__, **persisted(key))
        for label, key, names in (
            ("Prompts to train on", "experiment_prompts", list(named)),
            ("Prompts to measure on", "experiment_unseen", [chat.UNSEEN, *list(named)[2:]]),
        )
    )
    sizes = st.multiselect(
        "Draft vocabulary sizes",
        list(SIZES),
        default=list(SIZES),
        format_func=lambda size: SIZES.get(str(size), str(size)),
        accept_new_options=True,
        **persisted("experiment_sizes"),
        help="V is the full vocabulary, k* the optimum for the target's own answers; type a number "
        "for another size.",
    )
    steps = st.pills(
        "Tokens drafted in a cycle",
        range(1, 6),
        selection_mode="multi",
        default=list(DRAFT_STEPS),
        **persisted("experiment_steps"),
        help="The draft of k* is measured with each number, and its fastest is said; all sizes are "
        "compared at the highest.",
    )
    return ExperimentPlan(
        target.strip(),
        str(engine),
        program,
        prompts,
        unseen,
        tuple(map(str, sizes)),
        draft_steps=tuple(sorted(steps)) or DRAFT_STEPS,
    )


# --- what came of them ---------------------------------------------------------------------------


def _experiments() -> None:
    experiments = list_experiments()
    if not experiments:
        st.info("Nothing was measured by an experiment yet.", icon=":material/science:")
        return
    by_key = {experiment.plan.key: experiment for experiment in experiments}
    key = st.selectbox(
        "Experiment",
        list(by_key),
        format_func=lambda key: _title(by_key[key]),
        **persisted("experiment"),
    )
    _outcome(by_key.get(key, experiments[0]))


def _title(experiment: Experiment) -> str:
    plan = experiment.plan
    names = ", ".join(SIZES.get(size, size) for size in plan.named_sizes)
    state = "" if experiment.next_stage is None else ", not finished"
    return f"{plan.target} on {plan.engine}: {names}{state}"


def _outcome(experiment: Experiment) -> None:
    result = outcome(experiment)
    if result["measurement"]:
        _measured(result)
    finished = {stage["name"]: stage for stage in result["stages"]}
    with st.expander(f"Stages, {duration(result['seconds'])} in all", icon=":material/list:"):
        for name in STAGES:
            stage = finished.get(name)
            icon = ":material/check_circle:" if stage else ":material/pending:"
            took = f" · {duration(stage['seconds'])}" if stage else ""
            st.markdown(f"{icon} {TITLES[name]}{took}")
            if stage:
                st.code(f"python -m vocabtrim_core {stage['command']}", language="bash")


def _measured(result: dict[str, Any]) -> None:
    for sentence in (*result["unpaid"], *result["verdicts"], *result["best_steps"]):
        st.markdown(f"**{plain(sentence)}**")
    try:
        measurement = measurements.find(result["measurement"])
    except InputError as error:
        st.caption(plain(str(error)))
    else:
        rates = figures.rate_info([measurement], measurement.concurrencies[0])
        alt = "Bars of output tokens per second with error bars, by draft vocabulary size"
        plots.draw(figures.rate_figure(rates, plots.palette()), "experiment_rates", alt)
    table(
        _rows(result["drafts"]),
        "Coverage, acceptance lengths and tokens per second of each draft",
        {
            "Held-out acceptance length": ("%.3f", "On answers kept from training."),
            "Measured acceptance length": ("%.3f", "1 + accepted tokens per verification."),
            "Tokens/s": "%.1f",
            "±": ("%.1f", "Half of the 95% interval over runs."),
        },
    )
    _beside_forecast(result["forecasts"])
    st.caption(f"{plain(' '.join(result['notes']))} {MEASURED}")
    go_to(
        "throughput",
        "Open on Throughput",
        query={"measured": result["measurement"]},
        icon=":material/speed:",
        key="experiment_open",
    )


def _beside_forecast(forecasts: list[dict[str, Any]]) -> None:
    told = [row for row in forecasts if row["forecast"]]
    if not told:
        return
    inside = sum(bool(row["inside"]) for row in told)
    st.markdown(
        f"**{inside} of {len(told)} gains over V lie in the 90% band of the forecast** made "
        "without them, from the draft of V, the device and the coverage."
    )
    table(
        [
            {
                "Draft": row["label"],
                "Over V, measured": signed(row["measured"]),
                "Forecast, 90% band": expected(*row["forecast"].values()),
                "": "inside" if row["inside"] else "outside",
            }
            for row in told
        ],
        "Measured gain of each trimmed draft over V beside its forecast",
        {},
    )


def _rows(drafts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "Draft": draft["label"],
            "Coverage, in sample": "" if draft["coverage"] is None else percent(draft["coverage"]),
            "Held-out acceptance length": draft["held_out_length"],
            "Measured acceptance length": draft["acceptance_length"],
            "Tokens/s": draft["throughput"] and draft["throughput"]["mean"],
            "±": draft["throughput"] and draft["throughput"]["half"],
        }
        for draft in drafts
    ]
