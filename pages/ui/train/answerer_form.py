"""Who answers prompts anew: the target here or a server, how warm and how long."""

from __future__ import annotations

import streamlit as st

from pages.ui.widgets import persisted
from vocabtrim_core.drafts.completion_clients import DROP, MARK

WHO = ("The target here", "A server")
CUT_ANSWERS = {DROP: "Left out", MARK: "Kept, not trained on"}


def answer_arguments(key: str, flag: str) -> list[str]:
    """Who answers, how warm and how long: arguments of `train` and `regenerate`.

    Args:
        key: start of the widgets' keys.
        flag: the flag that names who answers.
    """
    who = st.segmented_control("Who answers", WHO, default=WHO[0], required=True, **persisted(key))
    by = "local"
    if who == WHO[1]:
        by = (
            st.text_input(
                "Address of the server",
                **persisted(f"{key}_url"),
                placeholder="http://127.0.0.1:30000",
            ).strip()
            or "URL"
        )
    left, right = st.columns(2)
    warm = left.number_input("Temperature", 0.0, 2.0, 0.0, 0.1, **persisted(f"{key}_warm"))
    most = right.number_input("Tokens per answer", 1, None, 128, **persisted(f"{key}_most"))
    cut = st.segmented_control(
        "Answers cut at that length",
        list(CUT_ANSWERS),
        default=DROP,
        required=True,
        format_func=CUT_ANSWERS.__getitem__,
        **persisted(f"{key}_cut"),
        help="An answer that reaches the limit has no end, and a draft would learn an end in the "
        "middle of a sentence. Left out: the conversation ends before it. Kept: later turns see "
        "it, but nothing of it is trained on.",
    )
    argv = [flag, by, "--temperature", f"{warm:g}", "--answer-tokens", str(most)]
    return argv if cut == DROP else [*argv, "--cut-answers", str(cut)]
