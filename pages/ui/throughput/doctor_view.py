"""Whether a server really uses the draft: what to examine at the right, the answers at the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import streamlit as st

from pages.ui import state
from pages.ui.fields import with_labels
from pages.ui.format import code_span, plain
from pages.ui.frame import footer
from pages.ui.session import session
from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core.access import LOOPBACK
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.doctor import Asked, Diagnosis, Finding, diagnose
from vocabtrim_core.serving.engine_reports.reading import report_of_log_text
from vocabtrim_core.serving.engine_reports.report import EngineReport

ABOUT = (
    "A server may run without its draft, with another one, or with one that proposes at random, "
    "and still answer every question right: only slower. These questions tell. They read what "
    "SGLang, vLLM and llama.cpp say of themselves and count, and hold the accepted tokens against "
    "what a draft that ignores the text would reach."
)
MOST_MB, MOST_ANSWERS = 200, 64
ICONS = {"yes": ":material/check_circle:", "no": ":material/cancel:", "unknown": ":material/help:"}
FAULT = ":red[:material/error:]"
LABELS = {
    "--answers": "Questions to ask it first",
    "--counts": "Text that is served",
    "--draft": "Folder of the draft",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is examined.

    Attributes:
        url: address of the server, "" for none.
        log: name and text of its log, None for none.
        draft: folder of the draft, "" for none.
        counts: counts of the text that is served, None for none.
        key: their key.
        answers: questions that the server answers first.
    """

    url: str
    log: tuple[str, str] | None
    draft: str
    counts: TokenCounts | None
    key: str
    answers: int

    @property
    def argv(self) -> list[str]:
        """The same as a command."""
        named = [self.url, self.log[0] if self.log else ""]
        argv = ["doctor", *(filter(None, named) if any(named) else ["URL"])]
        argv += ["--draft", self.draft] if self.draft else []
        argv += ["--counts", self.key] if self.key else []
        return [*argv, "--answers", str(self.answers)] if self.answers else argv


def panel() -> None:
    """What to examine at the right, the answers at the left."""
    left, right = st.columns([2.5, 1], gap="large")
    with right.container(border=True):
        request = _form()
    with left:
        outcome = session.diagnosis
        if isinstance(outcome, Diagnosis):
            _answers(outcome)
        elif outcome:
            st.error(outcome, icon=":material/error:")
        else:
            st.markdown(ABOUT)
            st.info(
                "Name a server of this machine, or give the log of any, at the right.",
                icon=":material/stethoscope:",
            )
    footer(request.argv)


def _form() -> Request:
    url = st.text_input(
        "Address of the server", **persisted("doctor_url"), placeholder="http://127.0.0.1:8000"
    )
    log = st.file_uploader(
        "Its log",
        ["log", "txt", "out"],
        key="doctor_log",
        max_upload_size=MOST_MB,
        help="From the server's start on. SGLang and vLLM write there which layers and memory "
        "the draft takes, llama.cpp only with -lv 5.",
    )
    draft = st.text_input(
        "Folder of the draft",
        **persisted("doctor_draft"),
        placeholder="the one that the server names",
        help="Its head, mapping and layers are held against what the engine reads.",
    )
    sets = {stored.key: stored for stored in state.counted_sets()}
    drop_stale("doctor_counts", ["", *sets])
    key = st.selectbox(
        "Text that is served",
        ["", *sets],
        format_func=lambda key: state.label(sets[key]) if key else "not counted",
        **persisted("doctor_counts"),
        help="Counts of it tell what a draft that ignores the text would have accepted.",
    )
    answers = st.number_input(
        "Questions to ask it first",
        0,
        MOST_ANSWERS,
        0,
        **persisted("doctor_answers"),
        help="Of 64 tokens each, for a server that has answered nothing so far.",
    )
    text = (log.name, log.getvalue().decode("utf-8", "replace")) if log else None
    counts = sets[key].counts if key else None
    request = Request(
        (url or "").strip(), text, (draft or "").strip(), counts, key or "", int(answers)
    )
    if st.button(
        "Examine",
        type="primary",
        icon=":material/stethoscope:",
        key="examine",
        width="stretch",
        disabled=not (request.url or request.log),
    ):
        with st.spinner("Asking the server …"):
            session.diagnosis = _examined(request)
    return request


def _examined(request: Request) -> Diagnosis | str:
    """The answers, or why there are none."""
    try:
        sources: list[str | EngineReport] = [_own(request.url)] if request.url else []
        if request.log:
            sources.append(report_of_log_text(*request.log))
        asked = Asked(request.answers if request.url else 0)
        return diagnose(sources, request.draft or None, request.counts, asked=asked)
    except InputError as error:
        return with_labels(str(error), LABELS)


def _own(url: str) -> str:
    """The address, if it is of this machine; others are for a shell."""
    address = url if "://" in url else f"http://{url}"
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if host not in LOOPBACK:
        raise InputError(
            f"This page asks servers of this machine alone ({', '.join(sorted(LOOPBACK))}); for "
            f"{host or 'another'} run the command below in a shell, or give the server's log here."
        )
    return address


def _answers(diagnosis: Diagnosis) -> None:
    name = f"{diagnosis.engine} {diagnosis.version}".strip()
    st.subheader(f"{plain(name)} at {code_span(diagnosis.source)}", anchor=False)
    show = st.error if diagnosis.faults else (st.info if diagnosis.unknown else st.success)
    show(plain(diagnosis.summary))
    _listed(diagnosis.findings)
    for note in diagnosis.notes:
        st.caption(plain(note))


def _listed(findings: Sequence[Finding]) -> None:
    """Every question with its answer, reason and remedy; faults first."""
    for finding in sorted(findings, key=lambda finding: not finding.fault):
        icon = FAULT if finding.fault else ICONS[finding.verdict]
        with st.container(gap=None):
            st.markdown(f"{icon} **{plain(finding.question)}** {finding.words}")
            st.caption(with_labels(finding.reason, LABELS))
            if finding.remedy:
                st.caption(f":material/build: {with_labels(finding.remedy, LABELS)}")
