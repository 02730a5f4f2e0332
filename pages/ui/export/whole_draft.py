"""Whole drafts for engines: a draft of the workspace or a folder, cut to the choice or as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from pages.ui import jobpanel, vocabularies
from pages.ui.format import plain
from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core import workspace
from vocabtrim_core.drafts.draft_specs import draft_folder, workspace_drafts
from vocabtrim_core.drafts.slicing import plan
from vocabtrim_core.exports import FORMATS, Manifest
from vocabtrim_core.exports.manifest import NAME
from vocabtrim_core.wording import format_bytes

ANOTHER = "another folder"
CUT, AS_IT_IS = "Cut to the choice", "As it is"
OUT = "exports"  # folder of the workspace that drafts are written to


def panel(
    key: str, view: vocabularies.InView, formats: Sequence[str], settled: Sequence[str]
) -> list[list[str]]:
    """The draft behind the ticked formats, and writing it; returns the command, if there is one.

    Args:
        key: key of the counted set.
        view: the vocabulary in view.
        formats: names of the ticked formats that need a draft.
        settled: arguments of `export` for the record.
    """
    if not formats:
        return []
    engines = ", ".join(dict.fromkeys(FORMATS[name].engine for name in formats))
    with st.container(border=True):
        st.markdown(f"**Whole draft** for {engines}")
        folder, target = _choose(view.vocabulary.vocab_size)
        tokens = st.segmented_control(
            "Its tokens",
            (CUT, AS_IT_IS),
            default=CUT,
            required=True,
            **persisted("export_draft_tokens"),
            help="Cut: only the head rows of the chosen tokens are kept, without training; their "
            "logits stay the same. As it is: the tokens it was trained for.",
        )
        if folder is None:
            st.caption("Choose a draft, or name the folder of one.")
            return []
        named = ["--vocabulary", str(folder)] if tokens == AS_IT_IS else view.arguments()
        line = ["export", key, *named]
        line += [part for name in formats for part in ("--format", name)]
        line += [*settled, "--draft-folder", str(folder)]
        line += ["--target", str(target)] if target else []
        digest = hashlib.sha256("\0".join(map(str, line)).encode()).hexdigest()[:16]
        out = workspace.folder(OUT) / digest
        _write([*line, "--out", str(out)], folder, target, view, tokens == CUT, out)
    return [[*line, "--out", "DIR"]]


def _choose(vocab_size: int) -> tuple[Path | None, Path | None]:
    """Draw the choice: the draft's folder and its target's, None where they are not named."""
    drafts = {str(d.folder): d for d in workspace_drafts() if d.vocab_size == vocab_size}
    options = [*drafts, ANOTHER]
    drop_stale("export_draft", options)
    spec = st.selectbox(
        "Draft",
        options,
        **persisted("export_draft"),
        format_func=lambda s: f"{drafts[s].k:,} tokens, {drafts[s].name}" if s in drafts else s,
    )
    if spec in drafts:
        target = drafts[spec].target
        return Path(spec), target if target and target.is_dir() else None
    text = st.text_input(
        "Folder of the draft", **persisted("export_draft_folder"), placeholder="/models/eagle3"
    ).strip()
    target = st.text_input(
        "Folder of its target, where the draft has no head of its own",
        **persisted("export_draft_target"),
        placeholder="optional",
    ).strip()
    folder = draft_folder(text).resolve() if text else None
    return folder, Path(target).expanduser() if target else None


def _write(
    argv: list[str],
    folder: Path,
    target: Path | None,
    view: vocabularies.InView,
    cut: bool,
    out: Path,
) -> None:
    """The button that writes the folder in the background, its job, and what came of it."""
    done = (out / NAME).is_file()
    size = ""
    if cut and not done:  # refused here, before the job, where the draft lacks tokens
        size = f", {format_bytes(plan(folder, view.vocabulary, target=target).size)}"
    jobpanel.start_button(
        "Written, see below" if done else f"Write the draft folder{size}",
        argv,
        f"Export the draft {folder.parent.name or folder.name}",
        possible=not done,
        key="export_draft_write",
        type="primary",
        icon=":material/folder_copy:",
        help="Runs in the background and survives closing this page.",
    )
    jobpanel.watch_command(argv, "export_draft")
    if not done:
        return
    manifest = Manifest.load(out)
    st.code(str(out), language=None, wrap_lines=True)
    for form in manifest.formats:
        st.markdown(f"**{plain(form['title'])}.** {plain(form['how'])}")
        st.code(form["example"], language="bash", wrap_lines=True)
    for note in manifest.notes:
        st.caption(plain(note))
