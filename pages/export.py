"""Export: the chosen vocabulary, written for the trainers and engines that consume it."""

import streamlit as st

from pages.ui import state, vocabularies
from pages.ui.export import download_view, formats_form, whole_draft
from pages.ui.frame import choose_counts, footer, plain_errors
from pages.ui.handover import heads_view
from pages.ui.router import go_to, require_router
from vocabtrim_core.exports import FORMATS

require_router()

INVARIANTS = (
    "ids ascend without repeats and lie within the target's vocabulary",
    "`d2t` and `t2d` describe the same ids, in the same order",
    "every file is read back after it is written, and gives the same ids",
    "the same choice gives the same bytes; the manifest lists a sha256 per file",
)


def page(stored) -> None:
    """The vocabulary at the left, formats at the right."""
    settings = state.settings(stored.counts.vocab_size)
    left, right = st.columns([1, 1.5], gap="large")  # as the heading's
    with left:
        view = vocabularies.in_view(stored, always=False)
    k = len(view.vocabulary)
    with right:
        formats = formats_form.choose_formats(k)
    whole = [name for name in formats if FORMATS[name].needs_draft]
    formats = [name for name in formats if name not in whole]
    settled = state.arguments(settings, "k", "k_min", "k_max")
    argv = ["export", stored.key, *view.arguments()]
    argv += [part for name in formats for part in ("--format", name)]
    argv += [*settled, "--out", "DIR"]
    commands = [argv] if formats or not whole else []
    with left, plain_errors():
        commands += whole_draft.panel(stored.key, view, whole, settled)
    with left.container(border=True):
        st.metric("Draft vocabulary", f"{k:,} tokens")
        st.markdown(download_view.origin(view))
        st.caption(download_view.sentence(view))
        if formats:
            download_view.download(view, tuple(formats), argv)
        elif not whole:
            st.caption("Tick at least one format to download it.")
        st.markdown(
            "**Checked before every download**\n" + "".join(f"\n- {line}" for line in INVARIANTS)
        )
    with left:
        to_heads = {"key": "to_heads", "type": "tertiary", "icon": ":material/content_cut:"}
        go_to("handover", "Trim the head in a model", query={"give": heads_view.TITLE}, **to_heads)
    selected = [view.own.command] if view.own and view.own.command[0] == "select" else []
    footer(*selected, *commands)


page(choose_counts("Export", "One list of ids, in the form each trainer or engine reads."))
