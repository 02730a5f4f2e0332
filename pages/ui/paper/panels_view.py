"""The nine panels, the missing tokens, and the page as one file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.ui import plots
from pages.ui.caching import cached
from pages.ui.format import FROM_PAPER, MEASURED, code_span, plain
from pages.ui.router import go_to
from vocabtrim_core.figures import paper as figures
from vocabtrim_core.forecast.paper import GENERAL_K
from vocabtrim_core.paper.compare import panels
from vocabtrim_core.paper.counts import sample_sizes, tradeoff
from vocabtrim_core.paper.missing import REASON, LookedUp, looked_up
from vocabtrim_core.paper.panels import Panel
from vocabtrim_core.report import pdf
from vocabtrim_core.report.paper_page import paper_html, write_paper
from vocabtrim_core.serving.measurement import Measurement, stored

BADGES = {"measured": MEASURED, "estimated": ":orange-badge[estimated]"}
STYLE = """<style>
.st-key-paper [data-testid=stTable] td:first-child { min-width: 11rem; }
.st-key-paper [data-testid=stTable] td:nth-child(5) { min-width: 14rem; }
.st-key-paper [data-testid=stTable] { overflow-x: auto; }
</style>"""


@cached(4, "Comparing with the paper")
def _panels(names: tuple[str, ...], _measurements: list[Measurement]) -> tuple[Panel, ...]:
    return panels(_measurements)


@cached(1)
def _missing() -> tuple[LookedUp, ...]:
    return looked_up()


def everything() -> None:
    """The nine panels in the paper's order, then section 4.1."""
    measurements = stored()
    names = tuple(measurement.key for measurement in measurements)
    st.html(STYLE)
    with st.container(key="paper"):
        for panel in _panels(names, measurements):
            _draw(panel)
        _missing_tokens()


def _draw(panel: Panel) -> None:
    st.subheader(f"{panel.place}. {panel.title}", anchor=panel.place.lower().replace(" ", "-"))
    if panel.place in figures.AXES:
        left, right = st.columns([1, 1.6], gap="large")
        with left:
            alt = f"{panel.title}: the shipped counts' curve with the paper's points"
            figure = figures.paper_figure(panel.place, _info(panel.place), plots.palette())
            plots.draw(figure, panel.place.lower().replace(" ", "_"), alt)
        place = right
    else:
        place = st.container()
    with place:
        rows = [
            {
                "": plain(row.label),
                f"Paper {FROM_PAPER}": row.paper_text,
                "Here": f"{row.our_text} {BADGES.get(row.basis, '')}"
                if row.ours is not None
                else row.our_text,
                "Difference": row.difference_text,
                "Why": plain(row.reason),
            }
            for row in panel.rows
        ]
        frame = pd.DataFrame(rows)
        if not any(row.reason for row in panel.rows):
            frame = frame.drop(columns="Why")
        st.table(frame, border="horizontal", hide_index=True, alt=f"{panel.place}, {panel.title}")
        st.caption(plain(panel.reason))


def _info(place: str) -> figures.PaperLine:
    if place == "Figure 1":
        return figures.utility_info(tradeoff())
    if place == "Figure 2":
        return figures.frontier_info(tradeoff())
    return figures.samples_info(sample_sizes())


def _missing_tokens() -> None:
    st.subheader("Section 4.1. Missing tokens", anchor="missing-tokens")
    rows = [
        {
            "Token": code_span(item.example.text),
            "Benchmark": item.example.benchmark,
            "Rank in the blend": f"{item.rank:,}" if item.rank else "",
            "Times there": f"{item.in_blend:,}",
            "Times in the benchmark": f"{item.in_benchmark:,}",
            f"Among {GENERAL_K:,}": item.verdict,
        }
        for item in _missing()
    ]
    alt = "The paper's examples of missing tokens, looked up in the shipped counts"
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True, alt=alt)
    st.caption(plain(REASON))


def downloads() -> None:
    """The page as HTML or PDF, and the ways to counts and measurements of one's own."""
    with st.container(horizontal=True):
        go_to("explore", "Explore the trade-off", type="primary", icon=":material/tune:", key="go")
        go_to("throughput", "Measure drafts", icon=":material/monitoring:", key="measure")
        st.download_button(
            "HTML",
            lambda: paper_html(stored()),
            "paper.html",
            "text/html",
            icon=":material/download:",
            key="paper_html",
            on_click="ignore",
        )
        if pdf.chromium():
            st.download_button(
                "PDF",
                _pdf,
                "paper.pdf",
                "application/pdf",
                icon=":material/picture_as_pdf:",
                key="paper_pdf",
                on_click="ignore",
            )


def _pdf() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_paper(Path(folder) / "paper.pdf", stored()).read_bytes()
