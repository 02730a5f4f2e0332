"""The report: what goes into it, what it says first, its HTML, and the job that prints it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import eval_sets, jobpanel, report_forecast, report_state, vocabularies
from pages.ui.format import ESTIMATED, MEASURED, counted, plain
from pages.ui.handover.files_view import get
from pages.ui.router import go_to
from pages.ui.session import session
from pages.ui.widgets import persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.exports import zip_bytes
from vocabtrim_core.report import pdf, phrasing
from vocabtrim_core.report.charts import figures
from vocabtrim_core.report.data import ReportData
from vocabtrim_core.report.page import report_html
from vocabtrim_core.selection.rules import NO_RULES
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.selection_spec.store import keep


def contents(stored: StoredCounts) -> bool:
    """What the report says beside the choice; returns whether the pins are in it.

    Args:
        stored: the counted set in view.
    """
    eval_sets.choose_others(stored)
    count = len(session.pins)
    with_pins = st.toggle(
        f"Pinned choices as alternatives ({count})",
        True,
        **persisted("with_pins"),
        disabled=not count,
        help="Pin choices on Explore to compare them in the report.",
    )
    view = vocabularies.view_of(stored)
    _, problem = report_forecast.in_report(view.architecture)
    report_forecast.toggle(problem)
    report_forecast.choose(len(view.vocabulary), stored.counts.vocab_size)
    st.text_input(
        "Title", **persisted("report_title"), max_chars=120, placeholder="default: the decision"
    )
    st.text_area(
        "Note", **persisted("note"), height=80, placeholder="why this choice, for whom, until when"
    )
    rules = report_state.rules_of(stored.key)
    if rules != NO_RULES and not view.own:
        parts = [
            f"{len(rules.protected):,} protected tokens" if rules.protected else "",
            f"{len(rules.excluded):,} excluded tokens" if rules.excluded else "",
            f"sizes in multiples of {rules.multiple}" if rules.multiple > 1 else "",
        ]
        st.caption(f"The opened choice also holds {', '.join(filter(None, parts))}.")
        st.button(
            "Remove these rules", key="forget", on_click=report_state.forget_rules, type="tertiary"
        )
    return with_pins


def report(facts: ReportData, argv: list[str]) -> None:
    """The page to read, with what it says first.

    Args:
        facts: everything the report says.
        argv: arguments of the command that prints it.
    """
    name = f"draft-vocabulary-{facts.chosen.k}"
    with st.container(border=True):
        st.markdown(f"#### {plain(phrasing.title(facts))}")
        st.markdown(
            f"{plain(' '.join(phrasing.verdict(facts)))}  \nCoverage is {MEASURED}; FLOPs, weights "
            f"and forecasts are {ESTIMATED}"
        )
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            get(
                "Report, one HTML file",
                lambda: report_html(facts).encode(),
                f"{name}.html",
                "description",
                "get_report",
                type="primary",
                shortcut="D",
            )
            print_or_download(argv, name)
            go_to(
                "present",
                "Present",
                icon=":material/slideshow:",
                key="present",
                help="One clean page in large type; Esc comes back.",
                shortcut="P",
            )
        pinned = sum("pinned" in " ".join(option.labels) for option in facts.options)
        st.caption(
            f"With {counted(len(figures(facts)), 'figure')}, "
            f"{counted(len(facts.elsewhere), 'other set')}, {counted(pinned, 'pinned size')}, "
            "provenance and the commands that make it again. It opens without a network."
        )


def print_or_download(argv: list[str], name: str) -> None:
    """PDF and PNG: made by a job, then here to download.

    Args:
        argv: arguments of the command that prints it.
        name: name of the files, without suffix.
    """
    folder = Path(argv[argv.index("--out") + 1]).parent
    file, drawn = folder / "report.pdf", folder / "figures"
    if file.is_file() and drawn.is_dir():
        get("PDF", file.read_bytes, f"{name}.pdf", "picture_as_pdf", "get_pdf")
        get(
            "Figures, PNG",
            lambda: zip_bytes(drawn),
            f"figures-{name}.zip",
            "image",
            "get_png",
        )
    elif pdf.chromium() is None:
        st.caption("No PDF: it needs Chromium or Chrome. The HTML prints well from any browser.")
    else:
        jobpanel.start_button(
            "Print PDF and PNG",
            argv,
            "Print the report",
            key="print",
            icon=":material/picture_as_pdf:",
        )


def report_arguments(choice: SelectionSpec, stored, others) -> list[str]:
    """The command that prints it, into a folder of the workspace named by its content.

    Args:
        choice: what is handed over.
        stored: the counted set that the choice is made on.
        others: other counted sets that it is measured on.
    """
    title = str(session.report_title or "").strip()
    line = ["report", stored.key, "--choice", str(keep(choice))]
    line += ["--on", *(other.key for other in others)] if others else []
    line += measurement_arguments(choice, stored)
    line += [f"--title={title}"] if title else []
    folder = jobpanel.folder_of("reports", line)
    figures_folder = ["--pdf", "--figures", str(folder / "figures"), "--png"]
    return [*line, "--out", str(folder / "report.html"), *figures_folder]


def measurement_arguments(choice: SelectionSpec, stored) -> list[str]:
    """The measurements in the report, as the command line names them.

    Args:
        choice: what is handed over.
        stored: the counted set that the choice is made on.
    """
    chosen = report_forecast.chosen(choice.k, stored.counts.vocab_size)
    return ["--measurement", *(measured.key for measured in chosen)] if chosen else []
