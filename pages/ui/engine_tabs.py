"""How each engine serves a draft folder: one tab per engine."""

from __future__ import annotations

import streamlit as st

from vocabtrim_core.exports import FORMATS

FIRST = ("vllm", "sglang-eagle3")  # the engines most often used stand first
SERVED = sorted((f.name for f in FORMATS.values() if f.needs_draft), key=lambda n: n not in FIRST)


def engine_tabs(k: int) -> None:
    """Draw the tabs: how an engine takes the draft, an example, its limits, how it was checked.

    Args:
        k: size of the draft's vocabulary, in tokens.
    """
    tabs = st.tabs([FORMATS[name].title for name in SERVED])
    for tab, name in zip(tabs, SERVED, strict=True):
        texts = FORMATS[name].texts(k)
        with tab:
            st.markdown(
                f"{texts['how']} In the example `draft` stands for the folder of the draft."
            )
            st.code(texts["example"], language="bash", wrap_lines=True)
            st.markdown(f"**Limits.** {texts['limits']}\n\n**Checked.** {texts['checked']}")
