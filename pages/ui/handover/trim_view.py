"""Trim a draft that exists: its head cut to the choice, without training, for the engine to serve.

The draft is named by its folder on this machine; what is written goes to the workspace under names
of its content, never under one that was typed.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import jobpanel
from pages.ui.engine_tabs import engine_tabs
from pages.ui.fields import with_labels
from pages.ui.format import ESTIMATED, MEASURED, megabytes, one_in, percent, plain
from pages.ui.handover.chosen_tokens import chosen_tokens
from pages.ui.widgets import persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.drafts.inspect_checkpoint import inspect_draft
from vocabtrim_core.drafts.slicing import NAME, Plan, SlicedDraft, plan
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.ceiling import MAX_DEPTH
from vocabtrim_core.forecast.length_at_coverage import lengths_at
from vocabtrim_core.wording import format_bytes

ABOUT = (
    "A draft trained with the full vocabulary needs no training to become smaller: only the head "
    "rows of the chosen tokens are kept. Their logits stay the same, bit for bit; the other tokens "
    "can no longer be drafted, and the target still checks every token."
)


def panel(stored: StoredCounts) -> list[list[str]]:
    """The section; returns the command it stands for.

    Args:
        stored: the counted set in view.
    """
    st.markdown(ABOUT)
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        vocabulary, file = chosen_tokens(stored)
        draft = _folder("Folder of the EAGLE-3 draft", "trim_draft", "/models/eagle3-draft")
        target = _folder(
            "Folder of its target, where the draft has no head of its own",
            "trim_target",
            "optional",
        )
        drop = st.toggle(
            "Allow a draft that is already trimmed",
            **persisted("trim_drop"),
            help="A trimmed draft has no rows for some tokens. Off: that is an error. On: the "
            "tokens it lacks are left out.",
        )
    argv = _arguments(draft, target, file, stored.key, drop)
    with right:
        if draft is None:
            st.info(
                "Name the folder that holds the draft's config.json and safetensors. It is only "
                "read; the trimmed draft goes to a new folder.",
                icon=":material/folder_open:",
            )
        else:
            cut = plan(draft, vocabulary, target=target, drop_missing=drop)
            _cut_view(draft, cut, stored)
            _act(draft, argv, cut)
    if draft is not None and (record := _out(argv) / NAME).is_file():
        _result(record.parent)
    jobpanel.watch(lambda: jobpanel.unfinished("slice"), "slice")
    return [[*argv[:-1], "DIR"]]


def _folder(label: str, key: str, example: str) -> Path | None:
    text = st.text_input(label, **persisted(key), placeholder=example).strip()
    return Path(text).expanduser() if text else None


def _arguments(
    draft: Path | None, target: Path | None, file: Path, key: str, drop: bool
) -> list[str]:
    """`slice`, into a folder of the workspace named by what is asked."""
    folder = str(draft.resolve()) if draft else "DRAFT"
    line = ["slice", folder, "--vocabulary", str(file), "--counts", key]
    line += ["--target", str(target.resolve())] if target else []
    line += ["--drop-missing"] if drop else []
    return [*line, "--out", str(jobpanel.folder_of("trimmed", line))]


def _out(argv: list[str]) -> Path:
    return Path(argv[-1])


@st.cache_data(max_entries=8, show_spinner="Reading the draft")
def _checked(folder: str, stamp: tuple[tuple[str, int, int], ...]) -> tuple[str, str, tuple]:
    """Mapping, type of the head's weights, and what was checked, for a folder in this state."""
    inspected = inspect_draft(folder)
    return inspected.mapping, inspected.head_dtype, (*inspected.checked, *inspected.problems)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    stats = ((path.name, path.stat()) for path in files)
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def _cut_view(draft: Path, cut: Plan, stored: StoredCounts) -> None:
    """What the draft is, and what the cut makes of it."""
    mapping, dtype, checks = _checked(str(draft), _stamp(draft))
    width = cut.head.tensor.rows.shape[1]
    before, after = len(cut.head.ids) * width, len(cut.rows) * width
    covered = coverage_on(cut.vocabulary, stored.counts)
    metrics = (
        ("Head rows", f"{len(cut.rows):,}", f"of {len(cut.head.ids):,}"),
        ("LM head on disk", megabytes(after), f"instead of {megabytes(before)}"),
        ("Coverage", percent(covered.coverage), f"of {covered.tokens:,} tokens"),
    )
    for column, metric in zip(st.columns(3), metrics, strict=True):
        column.metric(*metric, delta_color="off", delta_arrow="off")
    lost = f"{one_in(1 - covered.coverage)} tokens" if covered.coverage < 1 else "No token"
    st.markdown(
        f"{lost[0].upper()}{lost[1:]} of {plain(stored.counts.name)} can no longer be drafted "
        f"{MEASURED}"
    )
    if cut.dropped:
        st.warning(
            f"{len(cut.dropped):,} of the chosen tokens have no row in this draft and are left "
            "out.",
            icon=":material/warning:",
        )
    _expected(covered.coverage)
    source = "the target's" if cut.head.from_target else f"the draft's, {dtype}, mapping {mapping}"
    st.caption(f"Head: {source}. Checked: {'; '.join(map(plain, checks))}.")


def _expected(coverage: float) -> None:
    """What acceptance length is left, once the full draft's is given."""
    left, right = st.columns([2, 1])
    full = left.number_input(
        "Acceptance length of the untrimmed draft (optional)",
        1.0,
        MAX_DEPTH + 1.0,
        None,
        0.05,
        **persisted("trim_length"),
        placeholder="tokens per cycle",
    )
    depth = right.number_input("At draft depth", 1, MAX_DEPTH, 3, **persisted("trim_depth"))
    if full is None:
        return
    try:
        ((low, _, high),) = lengths_at([coverage], full, int(depth))
    except InputError as error:
        st.warning(with_labels(str(error)), icon=":material/warning:")
        return
    st.markdown(
        f"Expected acceptance length after the cut: **{low:.2f} to {high:.2f}** instead of "
        f"{full:.2f} tokens per cycle {ESTIMATED}"
    )


def _act(draft: Path, argv: list[str], cut: Plan) -> None:
    done = (_out(argv) / NAME).is_file()
    jobpanel.start_button(
        "Trimmed, see below" if done else f"Trim: write {format_bytes(cut.size)}",
        argv,
        f"Trim {draft.name} to {len(cut.rows):,} tokens",
        possible=not done,
        key="trim",
        type="primary",
        icon=":material/content_cut:",
        help="Runs in the background and survives closing this page.",
    )


def _result(folder: Path) -> None:
    """The trimmed draft and how each engine takes it."""
    sliced = SlicedDraft.load(folder)
    with st.container(border=True, key="trimmed"):
        st.markdown(
            f":material/check_circle: **Trimmed draft, {sliced.k:,} tokens** · {len(sliced.files)} "
            f"files with sha256 in {NAME}, read back after writing"
        )
        st.code(str(folder), language=None)
        engine_tabs(sliced.k)
