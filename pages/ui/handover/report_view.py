"""The report: what it says first, its HTML, and the job that prints PDF and PNG."""

from __future__ import annotations

import hashlib
from pathlib import Path

import streamlit as st

from pages.ui import jobpanel, report_forecast
from pages.ui.format import ESTIMATED, MEASURED, counted, plain
from pages.ui.handover.downloads import get
from pages.ui.router import page as page_of
from pages.ui.session import session
from vocabtrim_core import workspace
from vocabtrim_core.exports import zip_bytes
from vocabtrim_core.report import pdf, phrasing
from vocabtrim_core.report.charts import figures
from vocabtrim_core.report.data import ReportData
from vocabtrim_core.report.page import report_html
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.selection_spec.store import keep


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
                "text/html",
                "description",
                "get_report",
                type="primary",
                shortcut="D",
            )
            printed(argv, name)
            if st.button(
                "Present",
                icon=":material/slideshow:",
                key="present",
                help="One clean page in large type; Esc comes back.",
                shortcut="P",
            ):
                st.switch_page(page_of("present"))
        pinned = sum("pinned" in " ".join(option.labels) for option in facts.options)
        st.caption(
            f"With {counted(len(figures(facts)), 'figure')}, "
            f"{counted(len(facts.elsewhere), 'other set')}, {counted(pinned, 'pinned size')}, "
            "provenance and the commands that make it again. It opens without a network."
        )


def printed(argv: list[str], name: str) -> None:
    """PDF and PNG: made by a job, then here to download.

    Args:
        argv: arguments of the command that prints it.
        name: name of the files, without suffix.
    """
    folder = Path(argv[argv.index("--out") + 1]).parent
    file, drawn = folder / "report.pdf", folder / "figures"
    if file.is_file() and drawn.is_dir():
        get("PDF", file.read_bytes, f"{name}.pdf", "application/pdf", "picture_as_pdf", "get_pdf")
        get(
            "Figures, PNG",
            lambda: zip_bytes(drawn),
            f"figures-{name}.zip",
            "application/zip",
            "image",
            "get_png",
        )
    elif pdf.chromium() is None:
        st.caption("No PDF: it needs Chromium or Chrome. The HTML prints well from any browser.")
    else:
        st.button(
            "Print PDF and PNG",
            key="print",
            icon=":material/picture_as_pdf:",
            disabled=jobpanel.is_running(argv),
            on_click=jobpanel.begin,
            args=(argv, "Print the report"),
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
    digest = hashlib.sha256("\0".join(line).encode()).hexdigest()[:16]
    folder = workspace.folder("reports") / digest
    return [
        *line,
        "--out",
        str(folder / "report.html"),
        "--pdf",
        "--figures",
        str(folder / "figures"),
        "--png",
    ]


def measurement_arguments(choice: SelectionSpec, stored) -> list[str]:
    """The measurements in the report, as the command line names them.

    Args:
        choice: what is handed over.
        stored: the counted set that the choice is made on.
    """
    chosen = report_forecast.chosen(choice.k, stored.counts.vocab_size)
    return ["--measurement", *(measured.key for measured in chosen)] if chosen else []
