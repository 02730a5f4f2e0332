"""Hand over: the choice as a report, as files, as a link; and a draft trimmed to it."""

import hashlib
import tempfile
from pathlib import Path

import streamlit as st

from pages.ui import eval_sets, jobpanel, pins, report_forecast, report_state, restore, state
from pages.ui.format import ESTIMATED, MEASURED, counted, percent, plain
from pages.ui.frame import choose_counts, footer, heading, plain_errors
from pages.ui.handover import trim_view
from pages.ui.router import page as page_of
from pages.ui.router import require_router
from pages.ui.widgets import linked, persisted
from vocabtrim_core import workspace
from vocabtrim_core.exports import zip_bytes
from vocabtrim_core.report import pdf, phrasing
from vocabtrim_core.report.card import model_card
from vocabtrim_core.report.charts import figures
from vocabtrim_core.report.data import Facts
from vocabtrim_core.report.page import report_html
from vocabtrim_core.report.tables import tables
from vocabtrim_core.selection.rules import NO_RULES
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.selection_spec.store import keep

require_router()

VIEWS = ("Report and files", "Trim a draft you have")


# --- what goes in -------------------------------------------------------------------------------


def ingredients(stored) -> bool:
    """Everything that is told beside the choice; returns whether the pins are."""
    eval_sets.choose_others(stored)
    count = len(pins.pinned())
    with_pins = st.toggle(
        f"Pinned choices as alternatives ({count})",
        True,
        **persisted("with_pins"),
        disabled=not count,
        help="Pin choices on Explore to compare them in the report.",
    )
    view = eval_sets.view_of(stored)
    _, problem = report_forecast.in_report(view.architecture)
    report_forecast.toggle(problem)
    report_forecast.choose(len(view.vocabulary), stored.counts.vocab_size)
    st.text_input(
        "Title", **persisted("report_title"), max_chars=120, placeholder="the decision itself"
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
            "Go on without", key="forget", on_click=report_state.forget_rules, type="tertiary"
        )
    return with_pins


# --- what comes out -----------------------------------------------------------------------------


def packed(texts: dict[str, str], suffix: str, name: str) -> bytes:
    """Texts as one zip, each a file in the folder `name`."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / name
        folder.mkdir()
        for stem, text in texts.items():
            (folder / f"{stem}.{suffix}").write_text(text, "utf-8", newline="\n")
        return zip_bytes(folder)


def get(label: str, make, file: str, kind: str, icon: str, key: str, **more) -> None:
    """A download that is made when it is asked for."""
    st.download_button(
        label, make, file, kind, key=key, icon=f":material/{icon}:", on_click="ignore", **more
    )


def report(facts: Facts, argv: list[str]) -> None:
    """The page to read, with what it says first."""
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
    """PDF and PNG: made by a job, then here to download."""
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
        running = any(job.active and list(job.argv) == argv for job in jobpanel.of_verb("report"))
        st.button(
            "Print PDF and PNG",
            key="print",
            icon=":material/picture_as_pdf:",
            disabled=running,
            on_click=jobpanel.begin,
            args=(argv, "Print the report"),
        )


def report_arguments(choice: SelectionSpec, stored, others) -> list[str]:
    """The command that prints it, into a folder of the workspace named by its content."""
    title = str(st.session_state.get("report_title") or "").strip()
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
    """The measurements in the report, as the command line names them."""
    found = report_forecast.chosen(choice.k, stored.counts.vocab_size)
    return ["--measurement", *(each.key for each in found)] if found else []


def files(facts: Facts, choice: SelectionSpec) -> None:
    """Everything else that can be taken along."""
    k = choice.k
    drawn = len(figures(facts))
    kept = 3 + bool(facts.elsewhere) + bool(facts.material.measured)
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
            f"{kept} tables, CSV",
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
    """The addresses that open all this: a short one here, a long one where the counts are."""
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


# --- the page -----------------------------------------------------------------------------------


def handing(stored) -> list[list[str]]:
    left, right = st.columns([1, 1.7], gap="large")
    with left:
        eval_sets.in_view(stored, always=False)
        place = st.container(border=True)
        with_pins = ingredients(stored)
        restore.opener()
    choice = report_state.choice_of(stored, with_pins=with_pins)
    others = report_state.others(stored)
    title = str(st.session_state.get("report_title") or "").strip()
    facts = report_state.facts_of(choice, stored, others, title)
    argv = report_arguments(choice, stored, others)
    with place:
        how = "your own" if choice.own else "your choice" if choice.settings.k else "the optimum"
        st.metric(f"Draft vocabulary, {how}", f"{choice.k:,} tokens")
        st.caption(
            f"Covers {percent(facts.chosen.choice.coverage)} of {stored.counts.tokens:,} tokens "
            f"counted {MEASURED}. "
            + (f"It is {plain(choice.own.about)}." if choice.own else "Chosen on Explore.")
        )
    with right:
        report(facts, argv)
        jobpanel.watch(
            lambda: [j for j in jobpanel.of_verb("report") if j.state != "done"], "report"
        )
        files(facts, choice)
        link(choice)
    report_state.show_in_address(choice)
    named = state.files_of(choice.settings)
    if choice.own:
        named["--vocabulary"] = str(eval_sets.view_of(stored).file)
    save = ["choice", "save", stored.key, *choice.argv(named)]
    on = ["--on", *(other.key for other in others)] if others else []
    on += measurement_arguments(choice, stored)
    tail = [stored.key, "--choice", "choice.json", *on, "--out"]
    return [
        [*save, "--out", "choice.json"],
        [
            "report",
            *tail,
            "report.html",
            "--pdf",
            "--figures",
            "figures",
            "--png",
            "--tables",
            "tables",
        ],
        ["card", *tail, "README.md"],
    ]


def page(stored) -> None:
    files_tab, trim_tab = st.tabs(VIEWS, **linked("give"), on_change="rerun")
    commands = [["choice", "save", stored.key, "--out", "choice.json"]]
    if trim_tab.open:
        with trim_tab, plain_errors():
            commands = trim_view.panel(stored)
    else:
        with files_tab, plain_errors():
            commands = handing(stored)
    footer(*commands)


with plain_errors():
    restore.follow_link()
with heading("Hand over", "The choice for those who decide, train and serve."):
    stored = choose_counts()
if stored:
    with plain_errors():
        page(stored)
