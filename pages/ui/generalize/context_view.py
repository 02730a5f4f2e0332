"""Dynamic headroom: missing tokens that already stand in the context; the command `context`."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pages.ui import jobpanel, plots
from pages.ui.format import IN_SAMPLE_BADGE, MEASURED, percent, plain
from pages.ui.frame import shell
from pages.ui.generalize.evaluation import Evaluation
from pages.ui.job_results import drawn_from, result_of
from pages.ui.widgets import drop_stale, persisted, value_of
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.figures import context_reuse as figures

WHY = (
    "A draft with a fixed list proposes no other token. A list that grows with the context may "
    "also propose the tokens of the last N positions, of prompt, tool results and earlier answers "
    "alike. The missing tokens that stand there are the most that it could win."
)
UNKNOWN = (
    "Counts do not say where their conversations lie, and no job of this workspace counted "
    "{name}. From a shell, with the conversations in place of CONVERSATIONS and the options they "
    "were counted with:"
)
ONLY_COUNT = ("--max-length", "--max-refused")  # options with a value that `context` has not
TEXT = "context_of"


def panel(evaluation: Evaluation) -> None:
    """Everything of this section.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    names = evaluation.names
    drop_stale(TEXT, names)
    st.selectbox("Conversations of", list(names), format_func=names.__getitem__, **persisted(TEXT))
    st.markdown(WHY)
    stored, argv = _looked_at(evaluation), arguments(evaluation)
    if _reading(stored) is None:
        st.info(UNKNOWN.format(name=plain(names[stored.key])), icon=":material/terminal:")
        shell(argv)
        return
    job = jobpanel.finished(argv)
    result = result_of(job)
    if "curve" in result:
        with drawn_from(job):
            _result(result, in_sample=stored.key in evaluation.chosen_on)
        return
    jobpanel.start_button(
        "Look for missing tokens in the context",
        argv,
        f"Missing tokens in the context of {stored.counts.name}",
        type="primary",
        icon=":material/manage_search:",
        key="context_start",
    )
    jobpanel.watch_command(argv, "context")


def _looked_at(evaluation: Evaluation) -> StoredCounts:
    return next((s for s in evaluation.sets if s.key == value_of(TEXT)), evaluation.chooser)


def _reading(stored: StoredCounts) -> list[str] | None:
    """How the job that made these counts read its conversations; None where none is known."""
    for job in jobpanel.of_verb("count"):
        if job.state == "done" and result_of(job).get("key") == stored.key:
            argv = list(job.argv[1:])
            for option in ONLY_COUNT:
                if option in argv:
                    at = argv.index(option)
                    del argv[at : at + 2]
            return argv
    return None


def _result(result: dict[str, Any], *, in_sample: bool) -> None:
    badge = IN_SAMPLE_BADGE if in_sample else MEASURED
    drawn = "all" if result["complete"] else f"drawn at random from {result['available']:,}"
    st.markdown(
        f"In {result['conversations']:,} conversations ({drawn}) the {result['k']:,} tokens in "
        f"view cover {percent(result['coverage'], 2)} {badge}; {result['missing']:,} of "
        f"{result['tokens']:,} tokens are missing."
    )
    if not result["missing"]:
        return
    first, *wider, everything = result["windows"]
    in_wider = (f"{percent(row['share'])} in the last {row['window']:,}" for row in wider)
    st.markdown(
        f"{percent(first['share'])} of the missing tokens stand in the last {first['window']:,} "
        f"tokens of context, {', '.join(in_wider)}, and {percent(everything['share'])} anywhere "
        f"before. List and whole context cover "
        f"{percent(everything['coverage'], 2)} {badge}."
    )
    columns = ([row[name] for row in result["curve"]] for name in figures.ContextReuseInfo._fields)
    info = figures.ContextReuseInfo(*map(np.array, columns))
    alt = "Share of the missing tokens that stand in the last N tokens of context, over N"
    plots.draw(figures.context_reuse_figure(info, plots.palette()), "context", alt)
    st.caption(
        "This is the most that such a list could win; what adding tokens costs per cycle is not "
        "in it."
    )
    for remark in filter(None, [result["skipped"], *(note[0] for note in result["notes"])]):
        st.caption(f"{plain(remark)}.")


def arguments(evaluation: Evaluation) -> list[str]:
    """The same as a command.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    stored, view = _looked_at(evaluation), evaluation.view
    about = stored.counts.provenance
    reading = _reading(stored) or [
        *("--tokenizer", about.tokenizer, "--data", "CONVERSATIONS", "--rule", about.rule)
    ]
    ordered_by = [] if view.own and view.own.foreign else ["--counts", evaluation.chooser.key]
    return ["context", *reading, *ordered_by, *view.arguments()]
