"""The counted sets, to use or remove one."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from pages.ui import state
from pages.ui.corpus.counting_form import explore
from pages.ui.format import what_counts
from pages.ui.tables import WHOLE, table
from vocabtrim_core.counts_store import remove_counts


def counted_list() -> None:
    """The counted sets; select one to use it."""
    sets = state.counted_sets()
    rows = [
        {
            "Set": stored.counts.name,
            "From": state.SHIPPED if stored.shipped else "counted here",
            "Tokenizer": stored.counts.provenance.tokenizer,
            "Counted": what_counts(**asdict(stored.counts.provenance)),
            "Template": stored.counts.provenance.template,
            "Tokens": stored.counts.tokens,
            "Distinct": stored.counts.distinct,
            "Conversations": stored.counts.conversations,
            "Key": stored.key,
        }
        for stored in sets
    ]
    picked = table(
        rows,
        "Counted sets",
        {"Tokens": WHOLE, "Distinct": WHOLE, "Conversations": WHOLE},
        key="counted",
        on_select="rerun",
        selection_mode="single-row",
    ).selection.rows
    if not picked:
        st.caption(
            "Select a row to use it or to remove it. Shipped sets are counts of public corpora "
            "that come with the program; they stay."
        )
        return
    chosen = sets[picked[0]]
    with st.container(horizontal=True):
        if st.button("Use this", type="primary", icon=":material/tune:", key="use_counts"):
            explore(chosen.key)
        if not chosen.shipped and st.button(
            "Remove", type="tertiary", icon=":material/delete:", key="drop_counts"
        ):
            remove_counts(chosen.key)
            st.rerun()
