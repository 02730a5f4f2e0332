"""Files and links of the choice: choice.json, figures, tables, model card, addresses."""

from __future__ import annotations

import mimetypes
import tempfile
from pathlib import Path

import streamlit as st

from pages.ui import report_state
from pages.ui.widgets import persisted
from vocabtrim_core.exports import zip_bytes
from vocabtrim_core.report.card import model_card
from vocabtrim_core.report.charts import figures
from vocabtrim_core.report.data import ReportData
from vocabtrim_core.report.tables import tables
from vocabtrim_core.selection_spec.spec import SelectionSpec


def packed(texts: dict[str, str], suffix: str, name: str) -> bytes:
    """Texts as one zip, each a file in the folder `name`.

    Args:
        texts: file stem to text.
        suffix: suffix of each file.
        name: name of the folder.
    """
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / name
        folder.mkdir()
        for stem, text in texts.items():
            (folder / f"{stem}.{suffix}").write_text(text, "utf-8", newline="\n")
        return zip_bytes(folder)


def get(label: str, make, file: str, icon: str, key: str, **options) -> None:
    """A download that is made when it is asked for.

    Args:
        label: text of the button.
        make: the content, or a function that makes it.
        file: name of the file; its suffix says what it holds.
        icon: its icon.
        key: key of the button.
        options: further arguments of the button.
    """
    kind, _ = mimetypes.guess_type(file)
    icon = f":material/{icon}:"
    st.download_button(label, make, file, kind, key=key, icon=icon, on_click="ignore", **options)


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
        text = choice.dumps().encode()
        get("choice.json", text, "choice.json", "data_object", "get_choice")
        get(
            f"{drawn} figures, SVG",
            lambda: packed(figures(facts), "svg", f"figures-{k}"),
            f"figures-{k}.zip",
            "insert_chart",
            "get_figures",
        )
        get(
            f"{table_count} tables, CSV",
            lambda: packed(tables(facts), "csv", f"tables-{k}"),
            f"tables-{k}.zip",
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
    st.caption("Opens the presentation in this app. The long link also works in another app.")
