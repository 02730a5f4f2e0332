"""Targets and drafts that can be measured: those of this workspace, and folders that are named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui.widgets import drop_stale, lines_of, persisted
from vocabtrim_core.drafts import bundled_target
from vocabtrim_core.drafts.draft_specs import WorkspaceDraft, workspace_drafts
from vocabtrim_core.drafts.runs import TrainingRun, list_runs
from vocabtrim_core.tokenizers.presets import PRESETS

ANOTHER = "another folder"


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """A target of this workspace. spec: how commands name it."""

    spec: str
    name: str
    folder: Path


def targets() -> list[KnownTarget]:
    """The bundled target, then the targets of training runs, newest first.

    The bundled one need not be converted yet: a measurement does that first.
    """
    by_folder: dict[Path, KnownTarget] = {}
    if bundled_target.ready() or PRESETS[bundled_target.NAME].installed:
        bundled = bundled_target.folder().resolve()
        by_folder[bundled] = KnownTarget(bundled_target.NAME, bundled_target.TITLE, bundled)
    for run in list_runs():
        folder = _of(run)
        if folder.is_dir() and folder not in by_folder:
            name = run.spec["target"]["name"]
            by_folder[folder] = KnownTarget(str(folder), name, folder)
    return list(by_folder.values())


def _of(run: TrainingRun) -> Path:
    return Path(run.spec["target"]["folder"])


def drafts(target: Path | None) -> list[WorkspaceDraft]:
    """Trained and trimmed drafts, those of another target left out.

    Args:
        target: folder of the target, None where it is not known.
    """
    known = [draft for draft in workspace_drafts() if draft.target in (None, target)]
    return sorted(known, key=lambda draft: (-draft.k, draft.name))


def choose_target() -> str | None:
    """The target as commands name it, None until one is named."""
    known = {target.spec: target for target in targets()}
    options = [*known, ANOTHER]
    drop_stale("measure_target", options)
    spec = st.selectbox(
        "Target",
        options,
        **persisted("measure_target"),
        format_func=lambda s: known[s].name if s in known else "Another folder",
    )
    if spec != ANOTHER:
        return spec
    text = st.text_input(
        "Folder of the target",
        **persisted("measure_target_folder"),
        placeholder="/models/Llama-3.1-8B-Instruct",
    )
    return text.strip() or None


def choose_drafts(target: str | None) -> list[str]:
    """Folders of the drafts to compare.

    Args:
        target: the target as commands name it.
    """
    known = next((candidate for candidate in targets() if candidate.spec == target), None)
    options = {
        str(candidate.folder): candidate for candidate in drafts(known.folder if known else None)
    }
    drop_stale("measure_drafts", options)
    newest = next((run.name for run in list_runs() if known and _of(run) == known.folder), None)
    own = [folder for folder, candidate in options.items() if candidate.name == newest]

    def said(folder: str) -> str:
        return f"{options[folder].k:,} · {options[folder].name}"

    chosen = st.multiselect(
        "Drafts to compare",
        list(options),
        own,
        format_func=said,
        **persisted("measure_drafts"),
        placeholder="drafts of this workspace" if options else "none in this workspace yet",
    )
    place = (
        st.popover(
            "Other drafts", icon=":material/folder_open:", type="tertiary", key="other_drafts"
        )
        if options
        else st.container()
    )
    folders = place.text_area(
        "Folders of other drafts, one per line",
        **persisted("measure_folders"),
        height=68,
        placeholder="/models/eagle3-draft",
    )
    return [*chosen, *lines_of(folders)]
