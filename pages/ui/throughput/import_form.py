"""Results of other benchmark tools: read as they are uploaded, shown, kept when they are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from pages.ui.fields import with_labels
from pages.ui.format import plain
from pages.ui.session import session
from pages.ui.widgets import lines_of, persisted
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.importers import (
    FORMATS,
    Hints,
    import_results,
    open_sources,
    own_measurement,
    read_source,
    save_once,
)
from vocabtrim_core.serving.measurement import Measurement

MOST_MB = 50
# Flags whose fields have another label here than elsewhere.
LABELS = {
    "--k": "Draft vocabulary sizes k",
    "--label": "Names, one per file, separated by commas",
    "--vocab-size": "V of the target",
    "--concurrency": "Requests at once",
}


def panel() -> list[str]:
    """Files, what they do not tell, what is in them; returns the command of the same."""
    titles = ", ".join(reader.title for reader in FORMATS.values())
    files = st.file_uploader(
        "Result files",
        ["json", "jsonl", "txt", "log"],
        key="result_files",
        accept_multiple_files=True,
        max_upload_size=MOST_MB,
        help=f"{titles}; or a measurement of this program.",
    )
    paths = st.text_area(
        "Or files and folders on this machine, one per line",
        height=68,
        **persisted("result_paths"),
        placeholder="/results/mtbench_*.jsonl",
    )
    named = lines_of(paths)
    uploads = [(file.name, file.getvalue()) for file in files]
    hints = _hints()
    argv = arguments([name for name, _ in uploads] + named, hints)
    if uploads or named:
        _found(uploads, named, hints, argv)
    else:
        st.caption(f"Read: {titles}.")
    return argv


def _hints() -> Hints:
    """What result files leave out."""
    with st.popover(
        "What the files do not tell",
        icon=":material/edit_note:",
        type="tertiary",
        key="result_hints",
    ):
        ks = st.text_input(
            "Draft vocabulary sizes k",
            **persisted("result_k"),
            placeholder="one per file, one for all, or draft=13264",
            help="Separated by spaces; 0 where nothing is drafted.",
        )
        labels = st.text_input(
            "Names, one per file, separated by commas", **persisted("result_labels")
        )
        size = st.number_input(
            "V of the target",
            1,
            None,
            None,
            **persisted("result_v"),
            placeholder="not known",
        )
        target = st.text_input("Target", **persisted("result_target"))
        device = st.text_input(
            "Device", **persisted("result_device"), placeholder="NVIDIA A100-80GB"
        )
        at_once = st.number_input(
            "Requests at once",
            1,
            None,
            None,
            **persisted("result_at_once"),
            placeholder="as the file says",
        )
        only = st.text_input("Only what has this in its name", **persisted("result_only"))
        pool = st.toggle(
            "Add up what is alike in several files",
            False,
            **persisted("result_pool"),
            help="Runs of one configuration, paired when files that were "
            "made in turns are named in turns. Otherwise every file stands for itself.",
        )
    return Hints(
        tuple((ks or "").split()),
        tuple(filter(None, map(str.strip, (labels or "").split(",")))),
        (target or "").strip(),
        int(size) if size else None,
        int(at_once) if at_once else None,
        (device or "").strip(),
        (only or "").strip(),
        pool,
    )


def arguments(names: Sequence[str], hints: Hints) -> list[str]:
    """The same as a command.

    Args:
        names: names of files.
        hints: what result files leave out.
    """
    argv = ["import-results", *(names or ["FILE"])]
    for flag, values in (("--k", hints.ks), ("--label", hints.labels)):
        argv += [flag, *values] if values else []
    for flag, value in (
        ("--vocab-size", hints.vocab_size),
        ("--target", hints.target),
        ("--device", hints.device),
        ("--concurrency", hints.concurrency),
        ("--only", hints.only),
    ):
        argv += [flag, str(value)] if value else []
    return [*argv, "--pool"] if hints.pool else argv


def read(
    uploads: Sequence[tuple[str, bytes]], paths: Sequence[str], hints: Hints, command: str
) -> list[Measurement]:
    """The measurements in uploads and files.

    Args:
        uploads: name and content of each uploaded file.
        paths: files, folders or globs.
        hints: what result files leave out.
        command: the command, as a line.

    Raises:
        InputError: for what cannot be read, by its name.
    """
    ours = [(name, own_measurement(content, name)) for name, content in uploads]
    # Imported, so that its command, which may be anybody's, is not offered to be run again.
    done = [replace(measured, origin="imported") for _, measured in ours if measured]
    sources = [
        read_source(content, name)
        for (name, content), (_, measured) in zip(uploads, ours, strict=True)
        if not measured
    ]
    sources += open_sources(paths) if paths else []
    return [*done, *(import_results(sources, hints=hints, command=command) if sources else [])]


def _found(
    uploads: Sequence[tuple[str, bytes]], paths: Sequence[str], hints: Hints, argv: Sequence[str]
) -> None:
    """What is in the files, and the button that keeps it."""
    import shlex

    command = shlex.join(["python", "-m", "vocabtrim_core", *argv])
    try:
        imported = read(uploads, paths, hints, command)
    except InputError as error:
        st.error(with_labels(str(error), LABELS), icon=":material/error:")
        return
    for measured in imported:
        sizes = ", ".join(c.label for c in measured.configurations)
        count = f"{len(measured.runs)} run{'' if len(measured.runs) == 1 else 's'}"
        st.markdown(
            f"- **{plain(measured.prompts)}**, {plain(measured.engine)}: {plain(sizes)}; {count}"
        )
        for note in measured.notes:
            st.caption(plain(note))
    st.button(
        f"Import {len(imported)}",
        type="primary",
        icon=":material/download_done:",
        key="import",
        on_click=_keep,
        args=(imported,),
        width="stretch",
    )


def _keep(imported: Sequence[Measurement]) -> None:
    stored = [save_once(measured) for measured in imported]
    session.measured = [measured.key for measured in stored]
