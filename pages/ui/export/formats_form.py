"""The formats to tick: what each holds, who reads it, how it was checked."""

from __future__ import annotations

import streamlit as st

from pages.ui.widgets import persisted
from vocabtrim_core import exports
from vocabtrim_core.exports.exporter import PROOFS

FIRST = (
    "specforge",
    "speculators",
    "vllm",
    "sglang-eagle3",
    "llama-cpp",
)  # shown before the others of their stage
TICKED = ("specforge", "ids")
MEANING = {"offset": "offsets (target id = draft id + offset)", "absolute": "target ids"}
ORDER = {"ascending": "ascending", "frequency": "most frequent first"}
WHOLE = "A whole draft folder: choose the draft at the left."
STAGES = {"train": "For training", "serve": "For serving", "plain": "Plain files"}


def choose_formats(k: int) -> list[str]:
    """A tick per format with what it needs, how it is used, how it was checked.

    Args:
        k: size of the draft vocabulary, in tokens.
    """
    engines = sorted({form.engine for form in exports.FORMATS.values()}, key=str.lower)
    wanted = st.pills(
        "Engine or trainer",
        engines,
        selection_mode="multi",
        wrap=True,
        **persisted("export_engines"),
        help="Shows the formats of these alone; what is ticked elsewhere is not written then.",
    )
    known = [form for form in exports.FORMATS.values() if not wanted or form.engine in wanted]
    chosen = []
    for stage, title in STAGES.items():
        if not any(form.stage == stage for form in known):
            continue
        st.subheader(title, anchor=False)
        formats = [form for form in known if form.stage == stage]
        for form in sorted(formats, key=lambda form: form.name not in FIRST):
            texts = form.texts(k)
            with st.container(border=True, gap="xsmall"):
                if st.checkbox(
                    f"**{texts['title']}** · {texts['consumer']}",
                    form.name in TICKED,
                    **persisted(f"as_{form.name}"),
                ):
                    chosen.append(form.name)
                if form.needs_draft:
                    st.caption(WHOLE)
                st.caption(
                    f"{texts['how']} Holds {MEANING[form.semantics]}, {ORDER[form.order]}. "
                    f"{PROOFS[form.proof].capitalize()}."
                    + (f" Served by {form.served}." if form.served else "")
                )
                with st.expander("Flags, limits, how it was checked", type="compact"):
                    st.code(texts["example"], language=None, wrap_lines=True)
                    st.markdown(f"**Limits.** {texts['limits']}\n\n**Checked.** {texts['checked']}")
    return chosen
