"""Dynamic head room: missing tokens that already stand in the context; the command `context`."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pages.ui import eval_sets, jobpanel, plots
from pages.ui.format import IN_SAMPLE_BADGE, MEASURED, percent, plain
from pages.ui.frame import shell
from pages.ui.generalize import coverage_data
from pages.ui.vocabularies import InView
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


def panel(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> None:
    """Everything of this section.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    names = eval_sets.names_of([chooser, *others])
    drop_stale(TEXT, names)
    st.selectbox("Conversations of", list(names), format_func=names.__getitem__, **persisted(TEXT))
    st.markdown(WHY)
    stored = _looked_at(chooser, others)
    argv = arguments(view, chooser, others)
    if _reading(stored) is None:
        st.info(UNKNOWN.format(name=plain(names[stored.key])), icon=":material/terminal:")
        shell(argv)
        return
    finished = next((job for job in jobpanel.of_command(argv) if job.state == "done"), None)
    result = (finished.result() or {}) if finished else {}
    if "curve" in result:
        _result(result, in_sample=stored.key in coverage_data.chosen_on(view, chooser))
        return
    st.button(
        "Look for missing tokens in the context",
        type="primary",
        icon=":material/manage_search:",
        key="context_start",
        disabled=jobpanel.is_running(argv),
        on_click=jobpanel.begin,
        args=(argv, f"Missing tokens in the context of {stored.counts.name}"),
    )
    jobpanel.watch_command(argv, "context")


def _looked_at(chooser: StoredCounts, others: list[StoredCounts]) -> StoredCounts:
    return next((each for each in others if each.key == value_of(TEXT)), chooser)


def _reading(stored: StoredCounts) -> list[str] | None:
    """How the job that made these counts read its conversations; None where none is known."""
    for job in jobpanel.of_verb("count"):
        if job.state == "done" and (job.result() or {}).get("key") == stored.key:
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
    found = (f"{percent(row['share'])} in the last {row['window']:,}" for row in wider)
    st.markdown(
        f"{percent(first['share'])} of the missing tokens stand in the last {first['window']:,} "
        f"tokens of context, {', '.join(found)}, and {percent(everything['share'])} anywhere "
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


def arguments(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> list[str]:
    """The same as a command.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    stored = _looked_at(chooser, others)
    about = stored.counts.provenance
    reading = _reading(stored) or [
        *("--tokenizer", about.tokenizer, "--data", "CONVERSATIONS", "--rule", about.rule)
    ]
    ordered_by = [] if view.own and view.own.foreign else ["--counts", chooser.key]
    return ["context", *reading, *ordered_by, *view.arguments()]
