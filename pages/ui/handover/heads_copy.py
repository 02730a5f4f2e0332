"""Write a copy of a model with fewer rows in its draft's head, or say what is in the way."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import jobpanel
from pages.ui.format import plain
from pages.ui.job_results import result_of
from vocabtrim_core.drafts.hub_checkpoint import is_hub_id
from vocabtrim_core.drafts.mtp.checkpoint_copy import head_to_copy
from vocabtrim_core.drafts.mtp.gguf_heads import GgufHeads
from vocabtrim_core.drafts.mtp.heads import ModelHeads
from vocabtrim_core.drafts.mtp.rows import check_rows
from vocabtrim_core.drafts.mtp.savings import padding_rows
from vocabtrim_core.errors import InputError
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.wording import format_bytes


def act(
    model: Path, heads: ModelHeads | GgufHeads, vocabulary: DraftVocabulary, argv: list[str]
) -> None:
    """The button that writes the copy, or what is in its way.

    Args:
        model: the folder, the file, or the id of the hub.
        heads: its heads.
        vocabulary: the tokens of the smaller head.
        argv: the command that writes.
    """
    head = heads.drafts[0].head
    if hint := _in_the_way(model, heads, vocabulary, Path(argv[-1])):
        st.info(hint, icon=":material/block:")
        return
    if padding := padding_rows(model, vocabulary):
        st.warning(
            f"{padding:,} of the chosen tokens are rows by which the model is padded, and no token "
            "of its tokenizer.",
            icon=":material/warning:",
        )
    done = Path(argv[-1]).exists()
    jobpanel.start_button(
        "Written, see below" if done else f"Write {format_bytes(head.bytes_of(len(vocabulary)))}",
        argv,
        f"Head of {len(vocabulary):,} rows for {model.name}",
        possible=not done,
        key="trim_head",
        type="primary",
        icon=":material/content_cut:",
        help="Runs in the background and survives closing this page.",
    )


def _in_the_way(
    model: Path, heads: ModelHeads | GgufHeads, vocabulary: DraftVocabulary, out: Path
) -> str:
    """Why the copy cannot be written from here, a sentence; "" where it can."""
    if is_hub_id(model):
        return (
            "These are the headers of the hub. To write a copy, fetch the model "
            f"(`hf download {plain(str(model))} --local-dir DIR`) and name its folder."
        )
    try:
        if isinstance(heads, ModelHeads):
            check_rows(head_to_copy(heads, vocabulary), vocabulary.ids)
        elif heads.vocab_size != vocabulary.vocab_size:
            return (
                f"The file has V = {heads.vocab_size:,}, but the chosen tokens belong to V = "
                f"{vocabulary.vocab_size:,}: count with the model's own tokenizer."
            )
    except InputError as error:
        return plain(str(error))
    if model.is_dir() and model.stat().st_dev != out.parent.stat().st_dev:
        return (
            "The workspace is on another disk than the model, and weights are linked, never "
            "copied: run the command below with a PATH on the model's disk."
        )
    return ""


def result(argv: list[str]) -> None:
    """What was written, and what its reader has to know.

    Args:
        argv: the command that wrote it.
    """
    with st.container(border=True, key="trimmed_head"):
        record = result_of(jobpanel.finished(argv))
        st.markdown(":material/check_circle: **Written**, and read back")
        st.code(argv[-1], language=None, wrap_lines=True)
        for note in record.get("notes", ()):
            st.caption(plain(note))
