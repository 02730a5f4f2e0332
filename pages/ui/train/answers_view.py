"""The target's own answers: a corpus answered anew, and how far that moves the best size."""

from __future__ import annotations

import hashlib
from pathlib import Path

import streamlit as st

from pages.ui import jobpanel
from pages.ui.format import MEASURED, percent, plain
from pages.ui.job_results import drawn_from, result_of
from pages.ui.train import cost_view, target_form
from pages.ui.train.answerer_form import answer_arguments
from pages.ui.widgets import persisted
from vocabtrim_core import workspace
from vocabtrim_core.drafts.regenerated import cut_note, read_about
from vocabtrim_core.wording import EARLIER_DEMO
from vocabtrim_core.workspace.records import DamagedError

ROWS = 200  # at first: enough to see which way it goes
WHY = (
    "A draft is judged by what the target says, not by what the corpus holds. Here the target "
    "answers every prompt of a corpus itself; the answers are counted, and the best size chosen on "
    "them is held against the one chosen on the original. They can then be trained on."
)


def panel() -> list[str]:
    """The form and what was regenerated; returns the command."""
    st.markdown(WHY)
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        target = target_form.target()
        corpus = target_form.corpus(target, "answers", ROWS) if target else None
        who = answer_arguments("answers_by", "--by") if corpus else []
        api = _api(who)
        several = st.number_input("Prompts at once", 1, 512, 16, **persisted("answers_many"))
    if target is None or corpus is None:
        return ["regenerate", "--target", "MODEL", "--data", "PATH", "--out", "own.jsonl"]
    argv = ["regenerate", "--target", target.spec, *corpus.arguments, *who, *api]
    argv += ["--concurrency", str(several)] if several != 16 else []
    named = (
        f"{target.name}-{corpus.name}-{hashlib.sha256(chr(0).join(argv).encode()).hexdigest()[:6]}"
    )
    plain_name = "".join(c if c.isalnum() or c in "._-" else "-" for c in named).lstrip(".")
    out = workspace.folder(target_form.OWN) / f"{plain_name}.jsonl"
    argv += ["--out", str(out), "--compare"]

    with left:
        shared = cost_view.resources() if "local" in who else ()
        done = any(job.state == "done" for job in jobpanel.of_command(argv)[:1])
        jobpanel.start_button(
            "Answered, see the right" if done else "Let the target answer",
            argv,
            f"Own answers of {target.name} on {corpus.name}",
            resources=shared,
            possible=not done,
            type="primary",
            key="answers_start",
            icon=":material/autorenew:",
        )
        jobpanel.watch_command(argv, "answers")
    with right:
        _results()
    return argv


def _api(who: list[str]) -> list[str]:
    if not who or who[1] == "local":
        return []
    api = st.segmented_control(
        "It speaks",
        ("openai", "sglang"),
        default="openai",
        required=True,
        **persisted("answers_api"),
        help="openai: chat completions with the server's template. sglang: /generate with ours.",
    )
    return ["--api", str(api)] if api != "openai" else []


def _results() -> None:
    """Every regenerated corpus, newest first, with what it says of the best size."""
    files = target_form.own_answers()
    if not files:
        st.info(
            "Nothing is regenerated yet. A few hundred prompts show which way it goes.",
            icon=":material/forum:",
        )
        return
    compared = {
        Path(str(result.get("out"))): job
        for job in reversed(jobpanel.of_verb("regenerate"))
        if "alignment" in (result := result_of(job))
    }
    for name, path in files.items():
        try:
            about = read_about(path)
        except (FileNotFoundError, DamagedError):
            continue  # not finished, or damaged
        with st.container(border=True):
            settings = about.settings
            earlier = f" :gray-badge[{EARLIER_DEMO}]" if settings.get("toy") else ""
            st.markdown(f"**{plain(name)}**{earlier}")
            refused = sum(about.refused.values())
            st.caption(
                plain(
                    f"{about.answers:,} answers in {about.conversations:,} conversations of "
                    f"{about.source}, by {settings['model']} at temperature "
                    f"{settings['temperature']:g}, template {settings['template']}"
                    + (f"; {refused:,} prompts without an answer are left out" if refused else "")
                )
            )
            if note := cut_note(about.cut, settings):
                st.caption(plain(note))
            if job := compared.get(path):
                with drawn_from(job):
                    _compared(result_of(job)["alignment"])


def _compared(comparison: dict) -> None:
    a, b, c = st.columns(3)
    a.metric(
        "k* on the original",
        f"{comparison['k_original']:,}",
        help=f"{comparison['tokens_original']:,} tokens counted",
    )
    b.metric(
        "k* on its own answers",
        f"{comparison['k_regenerated']:,}",
        help=f"{comparison['tokens_regenerated']:,} tokens counted",
    )
    c.metric(
        "Coverage of its answers",
        percent(comparison["coverage_of_regenerated"]),
        help="By the vocabulary chosen on the original.",
    )
    st.caption(f"{plain(comparison['sentence'])} At alpha {comparison['alpha']:g}. {MEASURED}")
