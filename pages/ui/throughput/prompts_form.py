"""What drafts are asked: the demo's conversations, a benchmark of the paper, an upload, a path."""

from __future__ import annotations

import shlex

import streamlit as st

from pages.ui import demo
from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core.corpora.uploads import list_uploads
from vocabtrim_core.serving.prompts.presets import PROMPT_PRESETS

PATH = "files on this machine"


def choose() -> list[str]:
    """The values of --prompts."""
    uploads = {upload.key: upload.label for upload in list_uploads()}
    titles = {name: f"demo: {name}" for name in reversed(demo.DOMAINS)}
    titles |= {name: f"{preset.title} (from the hub)" for name, preset in PROMPT_PRESETS.items()}
    titles |= {key: f"uploaded: {label}" for key, label in uploads.items()}
    titles[PATH] = "Files on this machine"
    drop_stale("measure_prompts", titles)
    chosen = st.selectbox(
        "Prompts",
        list(titles),
        **persisted("measure_prompts"),
        format_func=titles.__getitem__,
        help="The same ones in the same order for every run.",
    )
    if chosen in PROMPT_PRESETS:
        note = PROMPT_PRESETS[chosen].note
        st.caption(f"Needs internet the first time. {note}")
    if chosen != PATH:
        return [chosen]
    text = st.text_input(
        "Files or folders", **persisted("measure_paths"), placeholder="/data/questions.jsonl"
    )
    try:
        return shlex.split(text) or ["FILE"]
    except ValueError:  # an unclosed quotation mark: the command will say what is missing
        return [text]
