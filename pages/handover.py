"""Hand over: the choice as a report, as files, as a link; and a draft trimmed to it."""

import streamlit as st

from pages.ui import forecasts, jobpanel, report_state, restore, state, vocabularies
from pages.ui.format import MEASURED, percent, plain
from pages.ui.frame import choose_counts, footer, plain_errors, tabs
from pages.ui.handover import files_view, heads_view, report_view, trim_view
from pages.ui.router import require_router
from pages.ui.session import session
from pages.ui.widgets import linked

require_router()


def report_and_files(stored) -> list[list[str]]:
    """Report, files and link of the choice; returns the commands that make the same."""
    left, right = st.columns([1, 1.7], gap="large")
    with left:
        vocabularies.in_view(stored, always=False)
        place = st.container(border=True)
        with_pins = report_view.contents(stored)
        restore.opener()
    choice = report_state.choice_of(stored, with_pins=with_pins)
    others = report_state.others(stored)
    title = str(session.report_title or "").strip()
    facts = report_state.facts_of(choice, stored, others, title)
    argv = report_view.report_arguments(choice, stored, others)
    with place:
        how = "your own" if choice.own else "your choice" if choice.settings.k else "the optimum"
        st.metric(f"Draft vocabulary, {how}", f"{choice.k:,} tokens")
        st.caption(
            f"Covers {percent(facts.chosen.choice.coverage)} of {stored.counts.tokens:,} tokens "
            f"counted {MEASURED}. "
            + (f"It is {plain(choice.own.about)}." if choice.own else "Chosen on Explore.")
        )
        if facts.decision:
            forecasts.card(facts.decision, facts.full.k)
    with right:
        report_view.report(facts, argv)
        jobpanel.watch(lambda: jobpanel.unfinished("report"), "report")
        files_view.files(facts, choice)
        files_view.link(choice)
    report_state.show_in_address(choice)
    named = state.files_of(choice.settings)
    if choice.own:
        named["--vocabulary"] = str(vocabularies.view_of(stored).file)
    save = ["choice", "save", stored.key, *choice.argv(named)]
    on = ["--on", *(other.key for other in others)] if others else []
    on += report_view.measurement_arguments(choice, stored)
    tail = [stored.key, "--choice", "choice.json", *on, "--out"]
    printed = ["report.html", "--pdf", "--figures", "figures", "--png", "--tables", "tables"]
    return [
        [*save, "--out", "choice.json"],
        ["report", *tail, *printed],
        ["card", *tail, "README.md"],
    ]


def page(stored) -> None:
    """Report and files, the trimming of a draft, or the heads of a model."""
    panels = {
        "Report and files": lambda: footer(*report_and_files(stored)),
        "Trim a draft you have": lambda: footer(*trim_view.panel(stored)),
        heads_view.TITLE: lambda: footer(*heads_view.panel(stored)),
    }
    tabs(panels, **linked("give"))


with plain_errors():
    restore.follow_link()
page(choose_counts("Hand over", "The choice for those who decide, train and serve."))
