"""Files and links of the choice: choice.json, figures, tables, model card, addresses."""

from __future__ import annotations

import streamlit as st

from pages.ui import report_state
from pages.ui.handover.downloads import get, packed
from pages.ui.widgets import persisted
from vocabtrim_core.report.card import model_card
from vocabtrim_core.report.charts import figures
from vocabtrim_core.report.data import ReportData
from vocabtrim_core.report.tables import tables
from vocabtrim_core.selection_spec.spec import SelectionSpec


def files(facts: ReportData, choice: SelectionSpec) -> None:
    """Everything else that can be taken along.

    Args:
        facts: everything the report says.
        choice: what is handed over.
    """
    k = choice.k
    drawn = len(figures(facts))
    table_count = 3 + bool(facts.elsewhere) + bool(facts.inputs.measured)
    st.subheader("Files", anchor=False)
    with st.container(horizontal=True, gap="small"):
        get(
            "choice.json",
            choice.dumps().encode(),
            "choice.json",
            "application/json",
            "data_object",
            "get_choice",
        )
        get(
            f"{drawn} figures, SVG",
            lambda: packed(figures(facts), "svg", f"figures-{k}"),
            f"figures-{k}.zip",
            "application/zip",
            "insert_chart",
            "get_figures",
        )
        get(
            f"{table_count} tables, CSV",
            lambda: packed(tables(facts), "csv", f"tables-{k}"),
            f"tables-{k}.zip",
            "application/zip",
            "table",
            "get_tables",
        )
    st.caption(
        "choice.json holds everything that decides the tokens, and opens again here or with "
        f"`--choice`. Vocabulary sha256 `{choice.vocabulary_sha256[:16]}`."
    )
    st.subheader("Model card", anchor=False)
    left, middle, right = st.columns([1.4, 1, 1.7], vertical_alignment="bottom")
    target = left.text_input(
        "Target model on the hub", **persisted("card_target"), placeholder="org/name, optional"
    )
    licence = middle.text_input("Licence", **persisted("card_licence"), placeholder="such as mit")
    with right:
        get(
            "Card, Markdown",
            model_card(facts, target=target, licence=licence).encode(),
            "README.md",
            "text/markdown",
            "markdown",
            "get_card",
            width="stretch",
        )


def link(choice: SelectionSpec) -> None:
    """The addresses that open all this: a short one here, a long one where the counts are.

    Args:
        choice: what is handed over.
    """
    base = str(st.context.url or "").rpartition("/")[0]
    short, whole = report_state.links(choice, base)
    st.subheader("Link", anchor=False)
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.code(short, language=None)
    with right.popover("Long link", icon=":material/link:", type="tertiary", key="long_link"):
        st.code(whole, language=None, wrap_lines=True)
        st.caption(
            f"For another app that has the counts `{choice.counts.key}`; elsewhere it says which "
            "are missing."
        )
    st.caption("Opens the presentation on this app. The long link does it on another one, too.")
