"""The formats to tick: what each holds, who reads it, how it was checked."""

from __future__ import annotations

import streamlit as st

from pages.ui.router import go_to
from pages.ui.widgets import persisted
from vocabtrim_core import exports
from vocabtrim_core.exports.exporter import PROOFS

FIRST = ("specforge", "speculators", "sglang")  # shown before the others of their stage
TICKED = ("specforge", "ids")
MEANING = {"offset": "offsets (target id = draft id + offset)", "absolute": "target ids"}
ORDER = {"ascending": "ascending", "frequency": "most frequent first"}
STAGES = {"train": "For training", "serve": "For serving", "plain": "Plain files"}


def choose_formats(k: int) -> list[str]:
    """A tick per format with what it needs, how it is used, how it was checked.

    Args:
        k: size of the draft vocabulary, in tokens.
    """
    chosen = []
    for stage, title in STAGES.items():
        st.subheader(title, anchor=False)
        formats = [
            form
            for form in exports.FORMATS.values()
            if form.stage == stage and not form.needs_draft
        ]
        for form in sorted(formats, key=lambda form: form.name not in FIRST):
            texts = form.texts(k)
            with st.container(border=True, gap="xsmall"):
                if st.checkbox(
                    f"**{texts['title']}** · {texts['consumer']}",
                    form.name in TICKED,
                    **persisted(f"as_{form.name}"),
                ):
                    chosen.append(form.name)
                st.caption(
                    f"{texts['how']} Holds {MEANING[form.semantics]}, {ORDER[form.order]}. "
                    f"{PROOFS[form.proof].capitalize()}."
                )
                with st.expander("Flags, limits, how it was checked", type="compact"):
                    st.code(texts["example"], language=None, wrap_lines=True)
                    st.markdown(f"**Limits.** {texts['limits']}\n\n**Checked.** {texts['checked']}")
        if stage == "serve":
            whole_drafts()
    return chosen


def whole_drafts() -> None:
    """Where the formats are that hold a draft's weights, too large for a download."""
    names = ", ".join(f.title for f in exports.FORMATS.values() if f.needs_draft)
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**Whole drafts** · {names}")
        st.caption(
            "These engines serve a draft folder with its own head. A draft that you have is "
            "trimmed to this vocabulary on Hand over, or by `export` with `--draft-folder`."
        )
        go_to(
            "handover",
            "Trim a draft",
            query={"give": "Trim a draft you have"},
            icon=":material/content_cut:",
            key="trim_a_draft",
        )
